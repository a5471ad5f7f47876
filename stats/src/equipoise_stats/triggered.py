"""Triggered analysis: only units whom the change could touch, and what that means for everybody.

The trigger must be logged in both arms as if each were treated; the checks here try to refute that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from equipoise_stats.estimates import Estimate, Status, Undefined, mean_estimate
from equipoise_stats.faults import require
from equipoise_stats.intervals import Interval, known, unusable
from equipoise_stats.moments import Moments
from equipoise_stats.srm import Srm, SrmVerdict, judge_srm

# |z| beyond this on units that were not triggered says that the trigger is wrong (p < .001).
MOST_COMPLEMENT_Z = 3.3


@dataclass(frozen=True, slots=True)
class TriggerCounts:
    """Units of one arm: assigned, and among them triggered. Raises InputError with every fault."""

    assigned: int
    triggered: int

    def __post_init__(self) -> None:
        require(
            (self.assigned >= 1, f"assigned: at least 1, not {self.assigned}"),
            (
                0 <= self.triggered <= self.assigned,
                f"triggered lies in 0..{self.assigned}, not {self.triggered}",
            ),
        )


@dataclass(frozen=True, slots=True)
class TriggerCheck:
    """Is the trigger independent of the arm? complement_z: None when it cannot be computed.

    When not valid, analyse all assigned units instead.
    """

    srm: Srm
    complement_z: float | None
    is_valid: bool


def check_trigger(
    counts: tuple[TriggerCounts, TriggerCounts], complement: tuple[Estimate, Estimate]
) -> TriggerCheck:
    """Triggered units in proportion to assigned ones, and an A/A on those not triggered.

    Both pairs are treatment, control. Without two usable complements the counts decide alone.
    """
    srm = judge_srm([arm.triggered for arm in counts], [arm.assigned for arm in counts])
    z = None
    if unusable(*complement) is None:
        treatment, control = complement
        spread = known(treatment.variance) + known(control.variance)
        z = (known(treatment.value) - known(control.value)) / math.sqrt(spread)
    holds = srm.verdict in (SrmVerdict.PASS, SrmVerdict.WARN)
    return TriggerCheck(srm, z, holds and (z is None or abs(z) <= MOST_COMPLEMENT_Z))


def diluted_effect(effect: Interval, trigger_rate: float) -> Interval:
    """The effect per assigned unit of an additive metric: the triggered one times the rate.

    The rate is taken as known; its noise is far below the effect's (Deng & Hu 2015, sec. 4.1).
    """
    _check_share(trigger_rate, "trigger_rate")
    return _scaled(effect, trigger_rate)


def diluted_lift(lift: Interval, metric_share: float) -> Interval:
    """The lift over all assigned units: times the share of the *metric* in triggered control units.

    Not the share of units: those who trigger are rarely average (Deng & Hu 2015, sec. 4.2).
    """
    _check_share(metric_share, "metric_share")
    return _scaled(lift, metric_share)


def metric_share(triggered: Estimate, everybody: Estimate) -> float | Undefined:
    """How much of the control's total comes from its triggered units; for diluted_lift."""
    if triggered.value is None or everybody.value is None:
        return Undefined(triggered.status if triggered.value is None else everybody.status)
    total = everybody.value * everybody.n
    if total <= 0:
        return Undefined(Status.ZERO_CONTROL if total == 0 else Status.NEGATIVE_CONTROL)
    return triggered.value * triggered.n / total


def diluted_ratio_effect(
    treatment: Moments, control: Moments, everybody: Moments, *, numerator: str, denominator: str
) -> float | Undefined:
    """The effect on a ratio over all units, through its numerator and denominator (ibid., sec. 4.3).

    treatment, control: triggered units. everybody: all of the control's units. A ratio's triggered
    effect is not diluted by any single share, because both its parts are.
    """
    small = [arm.n == 0 for arm in (treatment, control, everybody)]
    if any(small):
        return Undefined(Status.NO_UNITS)
    require((control.n <= everybody.n, "everybody: the control's triggered units are among them"))
    rate = control.n / everybody.n
    all_above, all_below, t_above, t_below, c_above, c_below = (
        known(mean_estimate(arm, name).value)
        for arm in (everybody, treatment, control)
        for name in (numerator, denominator)
    )
    above, below = all_above + rate * (t_above - c_above), all_below + rate * (t_below - c_below)
    if all_below <= 0 or below <= 0:
        return Undefined(Status.ZERO_DENOMINATOR)
    return above / below - all_above / all_below


def _scaled(interval: Interval, share: float) -> Interval:
    return Interval(
        interval.value * share, interval.lower * share, interval.upper * share, interval.confidence
    )


def _check_share(share: float, name: str) -> None:
    require((0 <= share <= 1, f"{name} lies in 0..1, not {share}"))
