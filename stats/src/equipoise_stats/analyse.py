"""The analysis of one experiment from its moments: one pure function.

The order is law: SRM and quality first, and when they fail no metric is even looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from equipoise_stats.adjusted_pairs import adjusted_arms, arms_of
from equipoise_stats.comparison import (
    Comparison,
    Inference,
    Pair,
    compare,
    few_events,
    missing_look,
    missing_size,
)
from equipoise_stats.data_checks import arrival_checks, comparison_checks
from equipoise_stats.estimates import (
    Estimate,
    Status,
    Undefined,
    mean_estimate,
    proportion_estimate,
    ratio_estimate,
)
from equipoise_stats.families import holm
from equipoise_stats.guardrails import (
    Alarm,
    AlarmRule,
    Guardrail,
    alarm,
    non_inferiority,
    non_inferiority_of_few,
    rate_alarm,
    undecided,
)
from equipoise_stats.intervals import Interval, known, normal_critical
from equipoise_stats.looks import Look
from equipoise_stats.moments import Moments
from equipoise_stats.plan import (
    Design,
    Direction,
    Evidence,
    Margin,
    MetricKind,
    MetricPlan,
    MetricRole,
    check,
)
from equipoise_stats.quality import Outcome, QualityCheck, exposure_checks, metric_checks
from equipoise_stats.results import (
    Analysis,
    ArmCount,
    Method,
    MetricResult,
    Results,
    Significance,
    Withheld,
    WithheldReason,
)
from equipoise_stats.schedule import Schedule, Scheduled, recorded, schedule
from equipoise_stats.sequences import one_sided_reach
from equipoise_stats.srm import AllocationEpoch, Srm, SrmVerdict, judge_srm_over_epochs
from equipoise_stats.verdicts import overall, treatment_verdicts

_NO_UNITS = Estimate(0, None, None, None, Status.NO_UNITS)


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
    compared = compare(pairs, Inference(method, design.alpha, design.power))
    claims = _claims(pairs, compared, design.alpha)
    alarm_alpha = design.alarm_alpha / max(1, len(design.with_role(MetricRole.GUARDRAIL)))
    metrics = tuple(
        _result(pair, comparison, claim, (design, alarm_alpha))
        for pair, comparison, claim in zip(pairs, compared, claims, strict=True)
    )
    rows = tuple(zip(pairs, compared, strict=True))
    quality = (*checks, *metric_checks(design, evidence), *comparison_checks(design, evidence, rows))
    treatments = treatment_verdicts(metrics, design, quality)
    verdict = overall(treatments)
    taken = {(row.metric, row.treatment): row.look for row in metrics if row.look is not None}
    ledger = recorded(evidence.ledger, looks, taken) if looks else None
    return Results(method, design.alpha, match, arms, quality, metrics, treatments, verdict, ledger)


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
            estimate(evidence.moments.get(treatment), metric),
            control,
            expected[treatment],
            looks.get((metric.key, treatment)),
        )
        for metric in design.metrics
        for control in (estimate(evidence.moments.get(design.control), metric),)
        for treatment in design.treatments
    )
    if not evidence.strata and not any(metric.covariates for metric in design.metrics):
        return plain
    return tuple(_adjust(pair, evidence, design.control) for pair in plain)


def _adjust(pair: Pair, evidence: Evidence, control: str) -> Pair:
    """The pair adjusted for its covariates, within the strata of the evidence."""
    arms = arms_of(evidence.moments, pair.treatment_key, control)
    strata = [arms_of(stratum, pair.treatment_key, control) for stratum in evidence.strata]
    found = adjusted_arms(pair.plan, (pair.treatment, pair.control), arms, strata)
    return replace(
        pair,
        treatment=found.treatment,
        control=found.control,
        covariance=found.covariance,
        watched=found.watched,
        pooled=found.pooled,
    )


def _expected_units(design: Design, treatment: str) -> float | None:
    """The planned units of one treatment and the control together."""
    if design.expected_units is None:
        return None
    return design.expected_units * (design.weight(treatment) + design.weight(design.control))


def _result(pair: Pair, comparison: Comparison, claim: _Claim, plan: tuple[Design, float]) -> MetricResult:
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
    )


def _look(pair: Pair, comparison: Comparison) -> Look | None:
    if not isinstance(pair.scheduled, Scheduled) or comparison.z is None:
        return None
    return pair.scheduled.look.with_z(comparison.z)


def _guardrail(pair: Pair, comparison: Comparison, margin: Margin, design: Design) -> Guardrail:
    arms, direction = (pair.treatment, pair.control), pair.plan.direction
    method = _method(design)
    rates = few_events(pair, method)
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
    rule = AlarmRule(
        pair.plan.alarm_margin or margin,
        pair.plan.direction,
        alpha,
        pair.expected_units if design.alarm_units is None else float(design.alarm_units),
    )
    watched = pair.watched or (pair.treatment, pair.control)
    if pair.plan.kind is not MetricKind.PROPORTION or not pair.pooled:
        return alarm(*watched, rule)
    treated = design.weight(pair.treatment_key)
    share = treated / (treated + design.weight(design.control))
    return rate_alarm(*watched, rule, share=share)


@dataclass(frozen=True, slots=True)
class _Claim:
    """What one comparison may say in its family."""

    adjusted: float | None
    significance: Significance


_NOT_TESTED = _Claim(None, Significance.NOT_TESTED)
_GATE_CLOSED = _Claim(None, Significance.GATE_CLOSED)


def _claims(pairs: Sequence[Pair], compared: Sequence[Comparison], alpha: float) -> list[_Claim]:
    """Adjust the OEC over treatments, then the secondaries of treatments whose OEC succeeded.

    The secondary family counts every secondary × treatment, also those behind a closed gate,
    so its size does not depend on the data.
    """
    claims = [_NOT_TESTED] * len(pairs)
    open_gates = set()
    for at, p in _adjusted(pairs, compared, MetricRole.OEC).items():
        claims[at] = _claim(pairs[at], compared[at], p, alpha)
        if claims[at].significance is Significance.BETTER:
            open_gates.add(pairs[at].treatment_key)
    for at, p in _adjusted(pairs, compared, MetricRole.SECONDARY).items():
        is_open = pairs[at].treatment_key in open_gates
        claims[at] = _claim(pairs[at], compared[at], p, alpha) if is_open else _GATE_CLOSED
    return claims


def _adjusted(
    pairs: Sequence[Pair], compared: Sequence[Comparison], role: MetricRole
) -> dict[int, float | None]:
    """Holm over one role's comparisons, by place; what is unknown counts in the family as p = 1."""
    at = [place for place, pair in enumerate(pairs) if pair.plan.role is role]
    p_values = [compared[place].p_value for place in at]
    adjusted = holm([1.0 if p is None else p for p in p_values])
    known_only = (a if p is not None else None for a, p in zip(adjusted, p_values, strict=True))
    return dict(zip(at, known_only, strict=True))


def _claim(pair: Pair, comparison: Comparison, adjusted: float | None, alpha: float) -> _Claim:
    if adjusted is None or not isinstance(comparison.effect, Interval):
        return _Claim(adjusted, Significance.UNKNOWN)
    if adjusted > alpha:
        return _Claim(adjusted, Significance.NOT_SIGNIFICANT)
    rises = comparison.effect.value > 0
    good = rises is (pair.plan.direction is Direction.INCREASE)
    return _Claim(adjusted, Significance.BETTER if good else Significance.WORSE)
