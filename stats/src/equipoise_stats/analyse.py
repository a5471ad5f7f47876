"""The analysis of one experiment from its moments: one pure function.

The order is law: SRM and quality first, and when they fail no metric is even looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from equipoise_stats.adjusted_pairs import adjusted_arms, arms_of
from equipoise_stats.claims import Claim, claims
from equipoise_stats.comparison import (
    Comparison,
    Inference,
    Pair,
    compare,
    missing_look,
    missing_size,
    own_bounds,
)
from equipoise_stats.composite import composite_arms
from equipoise_stats.data_checks import arrival_checks, comparison_checks
from equipoise_stats.estimates import (
    Estimate,
    Status,
    Undefined,
    mean_estimate,
    proportion_estimate,
    ratio_estimate,
)
from equipoise_stats.guardrails import (
    Alarm,
    AlarmRule,
    Bounded,
    Guardrail,
    GuardrailVerdict,
    alarm,
    non_inferiority,
    non_inferiority_of_few,
    rate_alarm,
    undecided,
    within_bound,
)
from equipoise_stats.intervals import known, normal_critical
from equipoise_stats.levels import at_level
from equipoise_stats.looks import Look
from equipoise_stats.moments import Moments
from equipoise_stats.plan import (
    Design,
    Evidence,
    IntervalRule,
    Margin,
    MetricKind,
    MetricPlan,
    MetricRole,
    check,
)
from equipoise_stats.quality import Outcome, QualityCheck, exposure_checks, metric_checks
from equipoise_stats.ranks import TwoQuantiles
from equipoise_stats.results import (
    Analysis,
    ArmCount,
    Method,
    MetricResult,
    Results,
    Withheld,
    WithheldReason,
)
from equipoise_stats.schedule import Schedule, Scheduled, recorded, schedule
from equipoise_stats.sequences import one_sided_reach
from equipoise_stats.srm import AllocationEpoch, Srm, SrmVerdict, judge_srm_over_epochs
from equipoise_stats.verdicts import overall, treatment_verdicts

_NO_UNITS = Estimate(0, None, None, None, Status.NO_UNITS)
# Nothing is judged at this look, whatever the treatment's own value is.
_NOT_NOW = frozenset(
    {
        Status.NO_UNITS,
        Status.TOO_FEW_UNITS,
        Status.TOO_EARLY,
        Status.NOT_AT_THE_END,
        Status.NO_EXPECTED_UNITS,
        Status.LOOK_SKIPPED,
        Status.LOOKS_ENDED,
    }
)


def analyse(evidence: Evidence, design: Design) -> Analysis:
    """Judge an experiment at one look.

    With planned looks every look gives repeated intervals, and the results carry the ledger for
    the next one. Without, running experiments get confidence sequences and those at their
    planned end fixed-horizon intervals. Raises DesignError with every fault of plan and evidence.
    """
    check(design, evidence)
    arms = _arm_counts(evidence, design)
    match = _match(evidence, design)
    checks = (*exposure_checks(evidence), *arrival_checks(design, evidence))
    reason = _withholding(evidence, match, checks)
    if reason is not None:
        return Withheld(reason, match, arms, checks)
    method = _method(design)
    looks = schedule(design, evidence)
    pairs = _pairs(evidence, design, looks)
    inference = Inference(method, design.alpha, design.power)
    compared = compare(pairs, inference)
    claimed = claims(pairs, compared, design, method)
    shown = _agreeing(pairs, compared, claimed, (design, inference))
    alarm_alpha = design.alarm_alpha / max(1, len(design.with_role(MetricRole.GUARDRAIL)))
    metrics = tuple(
        _result(pair, comparison, claim, (design, alarm_alpha))
        for pair, comparison, claim in zip(pairs, shown, claimed, strict=True)
    )
    rows = tuple(zip(pairs, compared, strict=True))
    quality = (*checks, *metric_checks(design, evidence), *comparison_checks(design, evidence, rows))
    treatments = treatment_verdicts(metrics, design, quality)
    verdict = overall(treatments)
    taken = {(row.metric, row.treatment): row.look for row in metrics if row.look is not None}
    ledger = recorded(evidence.ledger, looks, taken) if looks else None
    return Results(method, design.alpha, match, arms, quality, metrics, treatments, verdict, ledger)


def _agreeing(
    pairs: Sequence[Pair],
    compared: Sequence[Comparison],
    claimed: Sequence[Claim],
    plan: tuple[Design, Inference],
) -> tuple[Comparison, ...]:
    """The comparisons with intervals at the level of their claims, where it is not the plan's own."""
    design, inference = plan
    if design.intervals is IntervalRule.EACH:
        return tuple(compared)
    shown = []
    for pair, comparison, claim in zip(pairs, compared, claimed, strict=True):
        if claim.level == design.alpha or comparison.status is not Status.OK:
            shown.append(comparison)
            continue
        is_guardrail = pair.plan.role is MetricRole.GUARDRAIL
        critical = _one_sided_critical(pair, design) if is_guardrail else None
        shown.append(at_level(pair, comparison, claim.level, inference, critical=critical))
    return tuple(shown)


def estimate(moments: Moments | None, plan: MetricPlan) -> Estimate:
    """One arm's estimate of a metric; None stands for an arm without units."""
    if moments is None:
        return _NO_UNITS
    if plan.kind is MetricKind.RATIO:
        return ratio_estimate(moments, plan.key, plan.denominator)
    if plan.kind is MetricKind.PROPORTION:
        return proportion_estimate(moments, plan.key)
    return mean_estimate(moments, plan.key)


def _arm_counts(evidence: Evidence, design: Design) -> tuple[ArmCount, ...]:
    """Counts beside what the weights would have brought, of the units in arms with weight."""
    weighed = [v.key for v in design.variants if v.weight > 0]
    total = sum(evidence.counts.get(key, 0) for key in weighed)
    return tuple(
        ArmCount(v.key, evidence.counts.get(v.key, 0), total * design.weight(v.key)) for v in design.variants
    )


def _match(evidence: Evidence, design: Design) -> Srm:
    """Counts against weights, epoch by epoch when the weights changed."""
    counts = tuple(evidence.counts.get(variant.key, 0) for variant in design.variants)
    weights = tuple(variant.weight for variant in design.variants)
    return judge_srm_over_epochs(evidence.epochs or (AllocationEpoch(counts, weights),))


def _withholding(evidence: Evidence, match: Srm, checks: Sequence[QualityCheck]) -> WithheldReason | None:
    if match.verdict is SrmVerdict.LOCKED:
        return WithheldReason.SRM
    if any(check.outcome is Outcome.BLOCK for check in checks):
        return WithheldReason.QUALITY
    seen = any(moments.n > 0 for moments in evidence.moments.values())
    return None if seen and match.verdict is not SrmVerdict.UNKNOWN else WithheldReason.NO_DATA


def _pairs(evidence: Evidence, design: Design, looks: Schedule) -> tuple[Pair, ...]:
    expected = {treatment: _expected_units(design, treatment) for treatment in design.treatments}
    plain = tuple(
        Pair(
            metric,
            treatment,
            *arms,
            expected[treatment],
            looks.get((metric.key, treatment)),
            ranked=_ranked(evidence, metric, (treatment, design.control)),
        )
        for metric in design.metrics
        for treatment, arms in _estimates(evidence, design, metric)
    )
    if not evidence.strata and not any(metric.covariates for metric in design.metrics):
        return plain
    return tuple(_adjust(pair, evidence, design.control) for pair in plain)


def _estimates(
    evidence: Evidence, design: Design, metric: MetricPlan
) -> Iterator[tuple[str, tuple[Estimate, Estimate]]]:
    """By treatment, its estimate and the control's; those of a composite need each other."""
    if metric.kind is MetricKind.QUANTILE:
        for treatment in design.treatments:
            yield treatment, _of_ranks(evidence, metric, (treatment, design.control))
        return
    below = evidence.moments.get(design.control)
    if metric.kind is not MetricKind.COMPOSITE:
        control = estimate(below, metric)
        for treatment in design.treatments:
            yield treatment, (estimate(evidence.moments.get(treatment), metric), control)
        return
    for treatment in design.treatments:
        above = evidence.moments.get(treatment)
        arms = _NO_UNITS, _NO_UNITS
        if above is not None and below is not None:
            arms = composite_arms(above, below, metric.components)
        yield treatment, arms


def _of_ranks(evidence: Evidence, metric: MetricPlan, arms: tuple[str, str]) -> tuple[Estimate, Estimate]:
    """Both arms' quantiles; of an arm that hands over no values, nothing is known."""
    held = (evidence.quantiles.get(arm, {}).get(metric.key) for arm in arms)
    treatment, control = (_NO_UNITS if arm is None else arm.estimate(known(metric.quantile)) for arm in held)
    return treatment, control


def _ranked(evidence: Evidence, metric: MetricPlan, arms: tuple[str, str]) -> TwoQuantiles | None:
    """The ranked values of two arms, where both have a quantile."""
    if metric.kind is not MetricKind.QUANTILE:
        return None
    if any(one.status is not Status.OK for one in _of_ranks(evidence, metric, arms)):
        return None
    treatment, control = (evidence.quantiles[arm][metric.key] for arm in arms)
    return TwoQuantiles(known(metric.quantile), treatment, control)


def _adjust(pair: Pair, evidence: Evidence, control: str) -> Pair:
    """The pair adjusted for its covariates, within the strata; a composite or a quantile as it is."""
    if pair.plan.kind in {MetricKind.COMPOSITE, MetricKind.QUANTILE}:
        return pair
    arms = arms_of(evidence.moments, pair.treatment_key, control)
    strata = [arms_of(stratum, pair.treatment_key, control) for stratum in evidence.strata]
    found = adjusted_arms(pair.plan, (pair.treatment, pair.control), arms, strata)
    adjusted = replace(
        pair,
        treatment=found.treatment,
        control=found.control,
        covariance=found.covariance,
        watched=found.watched,
        pooled=found.pooled,
    )
    return replace(adjusted, reduction=_reduction(pair, adjusted))


def _reduction(plain: Pair, adjusted: Pair) -> float | None:
    """The share of the effect's variance that the adjustment took away; None when it did nothing."""
    if adjusted.treatment == plain.treatment and adjusted.control == plain.control:
        return None
    before, after = _spread(plain), _spread(adjusted)
    return 1 - after / before if before and after is not None else None


def _spread(pair: Pair) -> float | None:
    if pair.treatment.variance is None or pair.control.variance is None:
        return None
    return pair.treatment.variance + pair.control.variance - 2 * pair.covariance


def _expected_units(design: Design, treatment: str) -> float | None:
    """The planned units of one treatment and the control together."""
    if design.expected_units is None:
        return None
    return design.expected_units * (design.weight(treatment) + design.weight(design.control))


def _result(pair: Pair, comparison: Comparison, claim: Claim, plan: tuple[Design, float]) -> MetricResult:
    """One result. plan: the design and each guardrail's share of the alarms' alpha."""
    design, alarm_alpha = plan
    margin = pair.plan.margin if pair.plan.role is MetricRole.GUARDRAIL else None
    return MetricResult(
        metric=pair.plan.key,
        treatment=pair.treatment_key,
        role=pair.plan.role,
        treatment_estimate=pair.treatment,
        control_estimate=pair.control,
        effect=comparison.effect,
        lift=comparison.lift,
        p_value=comparison.p_value,
        log_e_value=comparison.log_e_value,
        adjusted_p_value=claim.adjusted,
        significance=claim.significance,
        guardrail=None if margin is None else _guardrail(pair, comparison, margin, design),
        alarm=None if margin is None else _alarm(pair, margin, design, alarm_alpha),
        mde_reached=comparison.mde_reached,
        status=comparison.status,
        look=_look(pair, comparison),
        variance_reduction=pair.reduction,
    )


def _look(pair: Pair, comparison: Comparison) -> Look | None:
    if not isinstance(pair.scheduled, Scheduled) or comparison.z is None:
        return None
    return pair.scheduled.look.with_z(comparison.z)


def _guardrail(pair: Pair, comparison: Comparison, margin: Margin, design: Design) -> Guardrail:
    found = _non_inferiority(pair, comparison, margin, design)
    bound = pair.plan.bound
    if bound is None:
        return found
    if comparison.status in _NOT_NOW:
        reason = comparison.status
        return found.with_bound(Bounded(GuardrailVerdict.INCONCLUSIVE, bound, None, None, reason))
    critical = _one_sided_critical(pair, design)
    ranked = pair.ranked
    return found.with_bound(
        within_bound(
            pair.treatment,
            bound,
            direction=pair.plan.direction,
            critical=critical,
            limits=None if ranked is None else ranked.treatment.bounds(ranked.share, critical),
            is_rate=pair.plan.kind is MetricKind.PROPORTION and pair.pooled,
        )
    )


def _non_inferiority(pair: Pair, comparison: Comparison, margin: Margin, design: Design) -> Guardrail:
    arms, direction = (pair.treatment, pair.control), pair.plan.direction
    method = _method(design)
    rates = own_bounds(pair, method)
    if rates is not None and (missing_look(pair) or missing_size(pair, method)) is None:
        critical = _one_sided_critical(pair, design)
        return non_inferiority_of_few(*arms, rates, margin=margin, direction=direction, critical=critical)
    if comparison.status is not Status.OK:
        return undecided(margin, comparison.status)
    critical = _one_sided_critical(pair, design)
    return non_inferiority(
        *arms, margin=margin, direction=direction, critical=critical, covariance=pair.covariance
    )


def _one_sided_critical(pair: Pair, design: Design) -> float:
    if isinstance(pair.scheduled, Scheduled):
        return pair.scheduled.guardrail_critical
    if design.planned_end_reached:
        return normal_critical(design.alpha)
    n = pair.treatment.n + pair.control.n
    return one_sided_reach(n, known(pair.expected_units), design.alpha)


def _method(design: Design) -> Method:
    if design.looks is not None:
        return Method.GROUP_SEQUENTIAL
    return Method.FIXED if design.planned_end_reached else Method.CONFIDENCE_SEQUENCE


def _alarm(pair: Pair, margin: Margin, design: Design, alpha: float) -> Alarm | Undefined:
    if pair.plan.kind is MetricKind.QUANTILE:
        return Undefined(Status.NOT_AT_THE_END)
    rule = AlarmRule(
        pair.plan.alarm_margin or margin,
        pair.plan.direction,
        alpha,
        pair.expected_units if design.alarm_units is None else float(design.alarm_units),
    )
    watched = pair.watched or (pair.treatment, pair.control)
    if pair.plan.kind is not MetricKind.PROPORTION or not pair.pooled:
        return alarm(*watched, rule)
    weights = {variant.key: variant.weight for variant in design.variants}
    treated = weights[pair.treatment_key]
    share = treated / (treated + weights[design.control])
    return rate_alarm(*watched, rule, share=share)
