"""Two arms of one metric, adjusted as planned: for covariates, and within strata of the evidence.

Small counts stay as they are: a handful of events is counted, not regressed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from equipoise_stats.covariates import Arms, adjust, adjust_within, comparable_strata
from equipoise_stats.estimates import Estimate, Status
from equipoise_stats.intervals import known, small_rates
from equipoise_stats.moments import Moments
from equipoise_stats.plan import MetricKind, MetricPlan
from equipoise_stats.quantities import Quantity, estimate_of


@dataclass(frozen=True, slots=True)
class AdjustedArms:
    """Treatment and control with their covariance.

    watched: the arms for an alarm, without covariates; the control's unit variance is then large
    enough for both. pooled: events may be counted as value × n, because no strata were weighed.
    """

    treatment: Estimate
    control: Estimate
    covariance: float
    watched: tuple[Estimate, Estimate]
    pooled: bool


def adjusted_arms(
    plan: MetricPlan, raw: tuple[Estimate, Estimate], arms: Arms, strata: Sequence[Arms]
) -> AdjustedArms:
    """Adjust one comparison. raw: its plain estimates, which stay where nothing can be done.

    arms: moments of "treatment" and "control"; strata: the same by stratum. Strata in which
    either arm has under 20 units are left out.
    """
    plain = AdjustedArms(*raw, 0.0, raw, pooled=True)
    outcome = Quantity(plan.key, plan.denominator if plan.kind is MetricKind.RATIO else None)
    held = comparable_strata(strata, ("treatment", "control"))
    if any(arm.status is not Status.OK for arm in raw):
        return plain
    if len(held) > 1:
        return _within(plan, outcome, held)
    few = plan.kind is MetricKind.PROPORTION and small_rates(*raw) is not None
    if few or not plan.covariates:
        return plain
    found = adjust(arms, outcome, _covariates(plan))
    shared = found.shared("treatment", "control")
    return AdjustedArms(found.of("treatment"), found.of("control"), shared, raw, pooled=True)


def _within(plan: MetricPlan, outcome: Quantity, held: Sequence[Arms]) -> AdjustedArms:
    found, plain = adjust_within(held, outcome, _covariates(plan)), adjust_within(held, outcome)
    watched = plain.of("treatment"), plain.of("control")
    if all(arm.status is Status.OK for arm in watched):
        watched = watched[0], replace(watched[1], unit_variance=_null_variance(outcome, held, watched))
    shared = found.shared("treatment", "control")
    return AdjustedArms(found.of("treatment"), found.of("control"), shared, watched, pooled=False)


def _null_variance(outcome: Quantity, held: Sequence[Arms], arms: tuple[Estimate, Estimate]) -> float:
    """The unit variance that covers both arms if the treated one varied as the control does."""
    total = sum(arm.n for stratum in held for arm in stratum.values())
    null = 0.0
    for stratum in held:
        control = estimate_of(stratum["control"], outcome)
        share = sum(arm.n for arm in stratum.values()) / total
        null += share**2 * (control.unit_variance or 0.0) / stratum["treatment"].n
    return max(null * arms[0].n, known(arms[1].unit_variance))


def _covariates(plan: MetricPlan) -> tuple[Quantity, ...]:
    return tuple(Quantity(name) for name in plan.covariates)


def arms_of(moments: Mapping[str, Moments], treatment: str, control: str) -> Arms:
    """Two variants under the names that adjusted_arms asks for; arms without units are left out."""
    named = {"treatment": moments.get(treatment), "control": moments.get(control)}
    return {name: held for name, held in named.items() if held is not None}
