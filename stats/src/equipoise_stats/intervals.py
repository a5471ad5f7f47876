"""Intervals for the difference and the lift of two arms: Welch, Newcombe, Fieller, MOVER.

Array kernels and their scalar faces. Refuses to know which metric, arm or plan asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from equipoise_stats.estimates import Estimate, Status, Undefined
from equipoise_stats.faults import require
from equipoise_stats.moments import FloatArray
from equipoise_stats.sequences import SMALLEST_P, Numbers, two_sided_multiplier

# Below this many events or non-events in an arm the normal approximation of a rate is too poor.
SMALL_COUNT = 25


@dataclass(frozen=True, slots=True)
class Interval:
    """A point with its bounds at a stated confidence (0..1)."""

    value: float
    lower: float
    upper: float
    confidence: float

    @property
    def excludes_zero(self) -> bool:
        """True when the interval lies wholly on one side of 0."""
        return self.lower > 0 or self.upper < 0


def normal_critical(tail: float) -> float:
    """The upper normal quantile of a tail probability."""
    return float(-special.ndtri(tail))


def welch_degrees_of_freedom(
    treatment_variance: Numbers, treatment_n: Numbers, control_variance: Numbers, control_n: Numbers
) -> FloatArray:
    """(VT + VC)² / (VT²/(nT - 1) + VC²/(nC - 1)) (Welch 1947); V are variances of the estimates."""
    vt, vc = np.asarray(treatment_variance), np.asarray(control_variance)
    spread = vt**2 / (np.asarray(treatment_n) - 1) + vc**2 / (np.asarray(control_n) - 1)
    return np.asarray((vt + vc) ** 2 / spread, dtype=np.float64)


def t_critical(alpha: float, degrees_of_freedom: Numbers) -> FloatArray:
    """The two-sided critical value of Student's t."""
    return -np.asarray(special.stdtrit(degrees_of_freedom, alpha / 2), dtype=np.float64)


def t_p_value(t: Numbers, degrees_of_freedom: Numbers) -> FloatArray:
    """The two-sided p-value of Student's t; never below the smallest float."""
    tail = special.stdtr(degrees_of_freedom, -np.abs(np.asarray(t, dtype=np.float64)))
    return np.clip(2 * tail, SMALLEST_P, 1.0)


@dataclass(frozen=True, slots=True)
class FiellerBounds:
    """Lifts' bounds by row; `bounded` says which rows have any. Other rows hold 0 and mean nothing."""

    lower: FloatArray
    upper: FloatArray
    bounded: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def fieller_bounds(
    treatment: Numbers,
    treatment_variance: Numbers,
    *,
    control: Numbers,
    control_variance: Numbers,
    critical: Numbers,
    covariance: Numbers = 0.0,
) -> FiellerBounds:
    """All lifts r with (mT - (1+r) mC)² <= c² Var(mT - (1+r) mC) (Fieller 1954).

    Any critical value serves: t, z, a group-sequential bound or a sequence's multiplier. The
    set is an interval only while the control is more than c standard errors from 0.
    """
    mt, mc = np.asarray(treatment, dtype=np.float64), np.asarray(control, dtype=np.float64)
    c2 = np.asarray(critical, dtype=np.float64) ** 2
    a = mc**2 - c2 * control_variance
    b = mt * mc - c2 * covariance
    inside = b**2 - a * (mt**2 - c2 * treatment_variance)
    bounded = np.asarray(a > 0)
    root = np.sqrt(np.where(bounded, np.maximum(inside, 0.0), 0.0))
    scale = np.where(bounded, a, 1.0)
    lower = np.where(bounded, (b - root) / scale - 1, 0.0)
    upper = np.where(bounded, (b + root) / scale - 1, 0.0)
    return FiellerBounds(lower, upper, bounded)


def welch(treatment: Estimate, control: Estimate, alpha: float = 0.05) -> Interval | Undefined:
    """The absolute effect, treatment minus control, with Welch's t interval."""
    reason = unusable(treatment, control)
    if reason is not None:
        return Undefined(reason)
    vt, vc = known(treatment.variance), known(control.variance)
    df = welch_degrees_of_freedom(vt, treatment.n, vc, control.n)
    return _around(treatment, control, float(t_critical(alpha, df)), alpha)


def confidence_sequence(
    treatment: Estimate, control: Estimate, *, expected_units: float, alpha: float = 0.05
) -> Interval | Undefined:
    """The absolute effect with bounds that hold at all looks together.

    expected_units: of both arms, frozen at launch; where the sequence is tightest.
    """
    reason = unusable(treatment, control)
    if reason is not None:
        return Undefined(reason)
    reach = two_sided_multiplier(treatment.n + control.n, expected_units, alpha)
    return _around(treatment, control, float(reach), alpha)


def fieller_lift(
    treatment: Estimate, control: Estimate, *, critical: float, alpha: float = 0.05
) -> Interval | Undefined:
    """The lift mT/mC - 1 with Fieller's bounds.

    Agrees on 0 with the absolute interval of the same critical value.
    """
    reason = unusable(treatment, control) or unusable_baseline(control)
    if reason is not None:
        return Undefined(reason)
    mt, mc = known(treatment.value), known(control.value)
    bounds = fieller_bounds(
        mt,
        known(treatment.variance),
        control=mc,
        control_variance=known(control.variance),
        critical=critical,
    )
    if not bool(bounds.bounded):
        return Undefined(Status.NOISY_CONTROL)
    return Interval(mt / mc - 1, float(bounds.lower), float(bounds.upper), 1 - alpha)


def wilson(events: float, n: int, critical: float) -> tuple[float, float]:
    """Wilson's score bounds of one proportion, both in 0..1 (Wilson 1927). Raises InputError."""
    require((n >= 1, f"n must be at least 1, not {n}"), (critical >= 0, "critical must be 0 or more"))
    p, c2 = events / n, critical * critical
    centre = (p + c2 / (2 * n)) / (1 + c2 / n)
    half = critical * math.sqrt(p * (1 - p) / n + c2 / (4 * n * n)) / (1 + c2 / n)
    # At 0 and n events the bound is exactly 0 or 1; rounding must not move it past p.
    return max(min(centre - half, p), 0.0), min(max(centre + half, p), 1.0)


@dataclass(frozen=True, slots=True)
class TwoRates:
    """Events among units in two arms, for counts too small for the normal approximation."""

    treatment_events: float
    treatment_n: int
    control_events: float
    control_n: int

    @property
    def effect(self) -> float:
        """The difference of the rates."""
        return self.treatment_events / self.treatment_n - self.control_events / self.control_n

    def difference(self, alpha: float = 0.05) -> Interval:
        """Newcombe's hybrid score interval of the difference (Newcombe 1998, method 10)."""
        low, high = self.reaches(normal_critical(alpha / 2))
        return Interval(self.effect, self.effect - low, self.effect + high, 1 - alpha)

    def p_value(self) -> float:
        """The alpha at which Newcombe's interval just touches 0."""
        side = 0 if self.effect > 0 else 1
        if self.effect == 0:
            return 1.0

        def gap(critical: float) -> float:
            return abs(self.effect) - self.reaches(critical)[side]

        return max(2 * float(special.ndtr(-touching(gap))), SMALLEST_P)

    def lift(self, alpha: float = 0.05) -> Interval | Undefined:
        """The lift by recovered variances (Donner & Zou 2012, MOVER-R), coherent with `difference`."""
        if self.control_events == 0:
            return Undefined(Status.ZERO_CONTROL)
        critical = normal_critical(alpha / 2)
        p1, p2 = self.treatment_events / self.treatment_n, self.control_events / self.control_n
        l1, u1 = wilson(self.treatment_events, self.treatment_n, critical)
        l2, u2 = wilson(self.control_events, self.control_n, critical)
        return recovered_lift((p1, l1, u1), (p2, l2, u2), 1 - alpha)

    def reaches(self, critical: float, control_factor: float = 1.0) -> tuple[float, float]:
        """How far below and above pT - k pC its bounds lie (Zou & Donner 2008, MOVER)."""
        k = control_factor
        p1, p2 = self.treatment_events / self.treatment_n, self.control_events / self.control_n
        l1, u1 = wilson(self.treatment_events, self.treatment_n, critical)
        l2, u2 = wilson(self.control_events, self.control_n, critical)
        return math.hypot(p1 - l1, k * (u2 - p2)), math.hypot(u1 - p1, k * (p2 - l2))


def touching(gap: Callable[[float], float]) -> float:
    """The critical value at which an interval just reaches what `gap` says is missing; it grows with it."""
    farthest = 38.0  # beyond it a normal tail is below the smallest float
    if gap(farthest) > 0:
        return farthest
    if gap(0.0) <= 0:
        return 0.0
    return float(optimize.brentq(gap, 0.0, farthest, xtol=1e-12))


def recovered_lift(
    treatment: tuple[float, float, float], control: tuple[float, float, float], confidence: float
) -> Interval | Undefined:
    """p1/p2 - 1 from (value, lower, upper) of both, p2 above 0 (Donner & Zou 2012, MOVER-R)."""
    (p1, l1, u1), (p2, l2, u2) = treatment, control
    if l2 <= 0 or u2 >= 2 * p2:
        return Undefined(Status.NOISY_CONTROL)
    a_low, a_high = u2 * (2 * p2 - u2), l2 * (2 * p2 - l2)
    low = (p1 * p2 - math.sqrt((p1 * p2) ** 2 - a_low * l1 * (2 * p1 - l1))) / a_low
    high = (p1 * p2 + math.sqrt((p1 * p2) ** 2 - a_high * u1 * (2 * p1 - u1))) / a_high
    return Interval(p1 / p2 - 1, low - 1, high - 1, confidence)


def two_proportions(treatment: Estimate, control: Estimate, alpha: float = 0.05) -> Interval | Undefined:
    """The difference of two rates: Newcombe below 25 events or non-events in an arm, else Welch."""
    rates = small_rates(treatment, control)
    return welch(treatment, control, alpha) if rates is None else rates.difference(alpha)


def small_rates(treatment: Estimate, control: Estimate) -> TwoRates | None:
    """The counts of two rates when some are small; None when there are none or all are large."""
    if treatment.value is None or control.value is None:
        return None
    if min(rare_events(treatment), rare_events(control)) >= SMALL_COUNT:
        return None
    events = round(treatment.value * treatment.n), round(control.value * control.n)
    return TwoRates(events[0], treatment.n, events[1], control.n)


def rare_events(rate: Estimate) -> int:
    """Events or non-events of a rate, whichever are fewer."""
    events = round(known(rate.value) * rate.n)
    return min(events, rate.n - events)


def unusable(treatment: Estimate, control: Estimate) -> Status | None:
    """Why two arms cannot be compared, or None."""
    if control.status is not Status.OK:
        return control.status
    return None if treatment.status is Status.OK else treatment.status


def unusable_baseline(control: Estimate) -> Status | None:
    """Why nothing can be relative to this control, or None."""
    value = known(control.value)
    if value > 0:
        return None
    return Status.ZERO_CONTROL if value == 0 else Status.NEGATIVE_CONTROL


def known(number: float | None) -> float:
    """The number of an estimate whose status was checked before."""
    if number is None:
        raise ValueError("this estimate has no such number: look at its status first")
    return number


def _around(treatment: Estimate, control: Estimate, critical: float, alpha: float) -> Interval:
    effect = known(treatment.value) - known(control.value)
    reach = critical * math.sqrt(known(treatment.variance) + known(control.variance))
    return Interval(effect, effect - reach, effect + reach, 1 - alpha)
