"""One region that switches over time: Horvitz-Thompson with a carryover order.

Knows the tosses of a schedule and nothing of its calendar. For several regions see `switchback`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np

from equipoise_stats.faults import require
from equipoise_stats.intervals import Interval, normal_critical
from equipoise_stats.moments import FloatArray
from equipoise_stats.switchback_designs import Schedule, optimal_points

# Up to so many tosses every schedule is enumerated.
_MOST_ENUMERATED = 14
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class SingleRegion:
    """One region's periods: outcome (T,), treated (T,) of 0 and 1, and when it was randomised.

    outcome: minus a forecast made before the experiment (the same hour of the week), or the
    Horvitz-Thompson estimate drowns in the level. points: 1-based periods at which a coin was
    tossed, the first of them 1. Raises InputError with every fault.
    """

    outcome: FloatArray
    treated: Schedule
    points: tuple[int, ...]

    def __post_init__(self) -> None:
        outcome, treated = np.array(self.outcome, dtype=np.float64), np.array(self.treated)
        points, periods = self.points, outcome.size
        require(
            (outcome.ndim == 1 and outcome.shape == treated.shape, "give one treatment per outcome"),
            (bool(np.isfinite(outcome).all()), "outcomes must be finite"),
            (bool(np.isin(treated, (0, 1)).all()), "treated is 0 or 1"),
            (len(points) > 0 and points[0] == 1, "points: the first is 1"),
            (all(a < b for a, b in pairwise(points)), "points must ascend"),
            (not points or points[-1] <= periods, f"points: none beyond period {periods}"),
        )
        blocks = np.searchsorted(points, np.arange(1, periods + 1), side="right") - 1
        constant = bool((treated == treated[np.array(points)[blocks] - 1]).all())
        require((constant, "treated may switch at the points only"))
        object.__setattr__(self, "outcome", outcome)
        object.__setattr__(self, "treated", treated.astype(np.int8))

    @property
    def blocks(self) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
        """The toss that each period hangs on, (T,)."""
        return np.searchsorted(self.points, np.arange(1, len(self.outcome) + 1), side="right") - 1

    @property
    def decisions(self) -> Schedule:
        """What was tossed at each point, (points,)."""
        return np.asarray(self.treated[np.array(self.points) - 1], dtype=np.int8)


@dataclass(frozen=True, slots=True)
class SingleRegionEffect:
    """The total effect of all against none, for effects that last `carryover` periods.

    standard_error: conservative; None unless the points are those of `optimal_points`.
    """

    effect: Interval | None
    value: float
    standard_error: float | None
    p_value: float
    carryover: int


def horvitz_thompson(
    region: SingleRegion,
    carryover: int,
    *,
    rng: np.random.Generator,
    draws: int = 4999,
    alpha: float = 0.05,
) -> SingleRegionEffect:
    """tau = (T - m)^-1 sum_t Y_t [1{w_{t-m..t} = 1}/p_t - 1{= 0}/p_t], p_t = 2^-tosses.

    Bojinov, Simchi-Levi & Zhao 2023, eq. 4. The p-value is of no effect in any period: exact
    up to 14 tosses, else of `draws` schedules.
    """
    weights = _Weights.of(region, carryover)
    value = float(weights.on(region.decisions[None])[0] @ region.outcome)
    schedules, exact = _tosses(len(region.points), rng, draws)
    estimates = np.abs(weights.on(schedules) @ region.outcome)
    extreme = int(np.sum(estimates >= abs(value) - _ROUNDING * max(1.0, abs(value))))
    p = extreme / len(estimates) if exact else (extreme + 1) / (len(estimates) + 1)
    variance = _conservative_variance(region, carryover)
    if variance is None:
        return SingleRegionEffect(None, value, None, p, carryover)
    error = math.sqrt(variance)
    reach = normal_critical(alpha / 2) * error
    interval = Interval(value, value - reach, value + reach, 1 - alpha)
    return SingleRegionEffect(interval, value, error, p, carryover)


@dataclass(frozen=True, slots=True)
class CarryoverTest:
    """Do the estimates for a shorter and a longer carryover agree? A small p says they do not."""

    shorter: float
    longer: float
    p_value: float


def carryover_test(
    region: SingleRegion, shorter: int, longer: int, *, rng: np.random.Generator, draws: int = 4999
) -> CarryoverTest:
    """Compare two carryover orders under the hypothesis that the shorter one is enough.

    Outcomes under other schedules are imputed with the shorter order's effect, in proportion to
    the treated share of the periods that still act (Bojinov et al. 2023, sec. 5.3, randomised).
    """
    require((0 <= shorter < longer, "carryover orders: 0 or more, the shorter one first"))
    short, long = _Weights.of(region, shorter), _Weights.of(region, longer)
    own = region.decisions[None]
    tau, other = (float(weights.on(own)[0] @ region.outcome) for weights in (short, long))
    schedules, exact = _tosses(len(region.points), rng, draws)
    untreated = region.outcome - tau * _dose(own[:, region.blocks], shorter)[0]
    outcomes = untreated + tau * _dose(schedules[:, region.blocks], shorter)
    gaps = np.sum((long.on(schedules) - short.on(schedules)) * outcomes, axis=1)
    extreme = int(np.sum(np.abs(gaps) >= abs(other - tau) - _ROUNDING))
    p = extreme / len(gaps) if exact else (extreme + 1) / (len(gaps) + 1)
    return CarryoverTest(tau, other, p)


@dataclass(frozen=True, slots=True, eq=False)
class _Weights:
    """From tosses to the weight of each period: the tosses that a period's outcome hangs on."""

    first: np.ndarray[tuple[int, ...], np.dtype[np.intp]]
    last: np.ndarray[tuple[int, ...], np.dtype[np.intp]]
    carryover: int

    @classmethod
    def of(cls, region: SingleRegion, carryover: int) -> _Weights:
        periods = len(region.outcome)
        require((0 <= carryover < periods, f"carryover lies in 0..{periods - 1} periods, not {carryover}"))
        blocks = region.blocks
        return cls(blocks[: periods - carryover], blocks[carryover:], carryover)

    def on(self, schedules: Schedule) -> FloatArray:
        """Weights (draws, T) of schedules (draws, points)."""
        sums = np.cumsum(schedules, axis=1, dtype=np.int64)
        before = np.pad(sums, ((0, 0), (1, 0)))
        tosses = self.last - self.first + 1
        treated = before[:, self.last + 1] - before[:, self.first]
        signs = (treated == tosses).astype(np.float64) - (treated == 0)
        weights = signs * 2.0**tosses / len(tosses)
        return np.pad(weights, ((0, 0), (self.carryover, 0)))


def _dose(treated: Schedule, carryover: int) -> FloatArray:
    """The treated share of the periods t-m..t, (draws, T); of fewer at the start."""
    sums = np.cumsum(treated, axis=1, dtype=np.float64)
    lagged = np.pad(sums, ((0, 0), (carryover + 1, 0)))[:, : sums.shape[1]]
    lengths = np.minimum(np.arange(sums.shape[1]) + 1, carryover + 1)
    return np.asarray((sums - lagged) / lengths, dtype=np.float64)


def _tosses(points: int, rng: np.random.Generator, draws: int) -> tuple[Schedule, bool]:
    if points <= _MOST_ENUMERATED:
        return np.array(list(product((0, 1), repeat=points)), dtype=np.int8), True
    return rng.integers(0, 2, (draws, points), dtype=np.int8), False


def _conservative_variance(region: SingleRegion, carryover: int) -> float | None:
    """An estimate whose mean is at least the variance of the estimate, for optimal points.

    With block sums B_0..B_{K+1} of the m periods that hang on one or two tosses:
    (T - m)^-2 [6 B_0² + 6 B_{K+1}² + 24 sum B_k² 1{both equal} + 8 (end pairs) 1{both equal}
    + 16 sum B_k B_{k+1} 1{all three equal}], from Bojinov et al. 2023, thm. 3, by bounding the
    products of outcomes that are never seen together.
    """
    m, periods = carryover, len(region.outcome)
    has_optimum = m > 0 and periods % m == 0 and periods >= 4 * m
    if not has_optimum or region.points != optimal_points(periods, m):
        return None
    b = region.outcome[m:].reshape(-1, m).sum(axis=1)
    same = region.decisions[1:] == region.decisions[:-1]
    total = 6 * (b[0] ** 2 + b[-1] ** 2) + 24 * np.sum(b[1:-1] ** 2 * same)
    total += 8 * (b[0] * b[1] * same[0] + b[-1] * b[-2] * same[-1])
    total += 16 * np.sum(b[1:-2] * b[2:-1] * (same[1:] & same[:-1]))
    return float(total) / (periods - m) ** 2
