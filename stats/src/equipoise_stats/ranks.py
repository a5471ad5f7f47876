"""A quantile metric in two arms: what each arm's ranks say, and the bounds of difference and lift.

Judged once, at the end: whoever watches a quantile over time must watch an exceedance rate instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from equipoise_stats.estimates import Estimate, Status, Undefined, ratio_estimate
from equipoise_stats.faults import require
from equipoise_stats.intervals import Interval, known, normal_critical, recovered_lift, touching
from equipoise_stats.moments import Moments
from equipoise_stats.quantiles import (
    EVENTS,
    EXCEEDING,
    Histogram,
    QuantileEstimate,
    event_quantile,
    order_statistic_ranks,
    unit_quantile,
)
from equipoise_stats.sequences import SMALLEST_P

_USUAL, _NEARLY_ONE = 0.05, 1 - 1e-9


@dataclass(frozen=True, slots=True)
class RankedArm:
    """One arm's values as counts, (b,) each, the values ascending.

    width: a value stands for all within this ratio around it, 1 when it is exact. beyond: per-unit
    moments of `exceeding` (events above the quantile) and `events`; None when each unit has one value.
    Raises InputError with every fault.
    """

    values: tuple[float, ...]
    counts: tuple[int, ...]
    width: float = 1.0
    beyond: Moments | None = None

    def __post_init__(self) -> None:
        Histogram(np.asarray(self.values), np.asarray(self.counts, dtype=np.int64))
        columns = () if self.beyond is None else self.beyond.names
        require(
            (math.isfinite(self.width) and self.width >= 1, f"width must be 1 or more, not {self.width}"),
            (self.beyond is None or {EXCEEDING, EVENTS} <= set(columns), "beyond lacks exceeding or events"),
        )

    @property
    def histogram(self) -> Histogram:
        """The same as arrays."""
        return Histogram(np.asarray(self.values), np.asarray(self.counts, dtype=np.int64))

    def quantile(self, share: float) -> QuantileEstimate | Undefined:
        """The quantile with its bounds at 95 %, or why there is none."""
        if self.beyond is None:
            return unit_quantile(self.histogram, share, _USUAL)
        return event_quantile(self.histogram, self.beyond, share, alpha=_USUAL)

    def estimate(self, share: float) -> Estimate:
        """The quantile as any other metric's estimate; its variance is for display and plans."""
        found = self.quantile(share)
        if isinstance(found, Undefined):
            return Estimate(0 if self.beyond is None else self.beyond.n, None, None, None, found.reason)
        # Bounds in one bin: no closer than the bin is wide.
        error = max(found.standard_error, abs(found.value) * (self.width - 1) / 2)
        if error == 0:
            return Estimate(found.units, found.value, None, None, Status.ZERO_VARIANCE)
        return Estimate(found.units, found.value, error**2, error**2 * found.units, Status.OK)

    def bounds(self, share: float, critical: float) -> tuple[float, float]:
        """Where the quantile lies, `critical` standard errors of ranks away; infinite past the last value."""
        histogram = self.histogram
        lower, upper = self._ranks(histogram.n, share, critical)
        low = _end(histogram.at_rank(lower), 1 / self.width) if lower >= 1 else -math.inf
        high = _end(histogram.at_rank(upper), self.width) if upper <= histogram.n else math.inf
        return low, high

    def _ranks(self, n: int, share: float, critical: float) -> tuple[int, int]:
        if self.beyond is None:
            alpha = min(max(2 * float(special.ndtr(-critical)), SMALLEST_P), _NEARLY_ONE)
            return order_statistic_ranks(n, share, alpha) or (0, n + 1)
        reach = critical * math.sqrt(known(ratio_estimate(self.beyond, EXCEEDING, EVENTS).variance))
        return math.floor(n * (share - reach)), math.ceil(n * (share + reach))


@dataclass(frozen=True, slots=True)
class TwoQuantiles:
    """The same quantile of two arms, both known."""

    share: float
    treatment: RankedArm
    control: RankedArm

    @property
    def values(self) -> tuple[float, float]:
        """The treatment's quantile and the control's."""
        return known(self.treatment.estimate(self.share).value), known(
            self.control.estimate(self.share).value
        )

    @property
    def effect(self) -> float:
        """The difference of the quantiles."""
        above, below = self.values
        return above - below

    def difference(self, alpha: float = 0.05) -> Interval:
        """The difference, each side by its own bounds (Zou & Donner 2008)."""
        low, high = self.reaches(normal_critical(alpha / 2))
        return Interval(self.effect, self.effect - low, self.effect + high, 1 - alpha)

    def p_value(self) -> float:
        """The alpha at which the difference's interval just touches 0."""
        side = 0 if self.effect > 0 else 1
        found = touching(lambda critical: abs(self.effect) - self.reaches(critical)[side])
        return max(2 * float(special.ndtr(-found)), SMALLEST_P)

    def lift(self, alpha: float = 0.05) -> Interval | Undefined:
        """The lift by recovered variances (Donner & Zou 2012, MOVER-R), coherent with `difference`."""
        critical = normal_critical(alpha / 2)
        above, below = self.values
        if below <= 0:
            return Undefined(Status.ZERO_CONTROL if below == 0 else Status.NEGATIVE_CONTROL)
        arms = (arm.bounds(self.share, critical) for arm in (self.treatment, self.control))
        return recovered_lift((above, *next(arms)), (below, *next(arms)), 1 - alpha)

    def reaches(self, critical: float, control_factor: float = 1.0) -> tuple[float, float]:
        """How far below and above qT - k qC its bounds lie."""
        k = control_factor
        above, below = self.values
        (l1, u1), (l2, u2) = (arm.bounds(self.share, critical) for arm in (self.treatment, self.control))
        return math.hypot(above - l1, k * (u2 - below)), math.hypot(u1 - above, k * (below - l2))


def _end(value: float, ratio: float) -> float:
    """The end of a value's bin: half the width away, upwards for a ratio above 1."""
    root = math.sqrt(ratio)
    return value * root if value > 0 else value / root
