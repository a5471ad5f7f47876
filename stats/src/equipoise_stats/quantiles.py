"""Quantiles of units and of events, from ordered values or histograms.

Refuses to test a quantile over time: watch the share of events beyond a fixed threshold
instead (`exceedance`), a ratio like any other. Nothing here assumes a distribution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from equipoise_stats.estimates import Status, Undefined, ratio_estimate
from equipoise_stats.faults import require
from equipoise_stats.intervals import Interval, normal_critical
from equipoise_stats.moments import FloatArray, Moments

# A tail thinner than this has no quantile worth an interval; nor have so few units.
SMALLEST_TAIL_EVENTS = 50
SMALLEST_UNITS = 100
# The columns of what `exceedance` makes.
EXCEEDING, EVENTS = "exceeding", "events"


class Ranked(Protocol):
    """Values that can be asked for by rank."""

    @property
    def n(self) -> int:
        """How many values there are."""

    def at_rank(self, rank: int) -> float:
        """The value of this rank, 1..n."""


@dataclass(frozen=True, slots=True, eq=False)
class Ordered:
    """All values, (n,), ascending."""

    values: FloatArray

    @classmethod
    def of(cls, values: ArrayLike) -> Ordered:
        """Order finite values; raises InputError when some are not."""
        given = np.sort(np.asarray(values, dtype=np.float64).ravel())
        require((bool(np.isfinite(given).all()), "values must be finite"))
        return cls(given)

    @property
    def n(self) -> int:
        """How many values there are."""
        return len(self.values)

    def at_rank(self, rank: int) -> float:
        """The value of this rank, 1..n."""
        return float(self.values[rank - 1])


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Counts by value: (b,) strictly ascending values and (b,) counts of 0 or more.

    Exact when the values are those that occurred; of binned values, as exact as the bins.
    Raises InputError with every fault.
    """

    values: FloatArray
    counts: np.ndarray[tuple[int, ...], np.dtype[np.int64]]

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float64)
        counts = np.array(self.counts)
        require(
            (values.ndim == 1 and values.shape == counts.shape, "give one count per value"),
            (bool(np.isfinite(values).all()), "values must be finite"),
            (bool((np.diff(values.ravel()) > 0).all()), "values must ascend"),
            (bool((counts >= 0).all() and (counts == np.round(counts)).all()), "counts are whole, 0 or more"),
        )
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "counts", counts.astype(np.int64))

    @property
    def n(self) -> int:
        """How many values there are."""
        return int(self.counts.sum())

    def at_rank(self, rank: int) -> float:
        """The value of this rank, 1..n."""
        return float(self.values[np.searchsorted(np.cumsum(self.counts), rank)])

    def merge(self, other: Histogram) -> Histogram:
        """The histogram of both sets of values; bins are equal when their values are."""
        values = np.union1d(self.values, other.values)
        counts = np.zeros(len(values), dtype=np.int64)
        for part in (self, other):
            counts[np.searchsorted(values, part.values)] += part.counts
        return Histogram(values, counts)


@dataclass(frozen=True, slots=True)
class QuantileEstimate:
    """One arm's quantile.

    n: values; units: randomised units (the same for unit-level quantiles). lower, upper: outer
    bounds at the stated confidence. standard_error: symmetric, for display. design_effect:
    variance against independent values, 1 at unit level.
    """

    n: int
    units: int
    value: float
    lower: float
    upper: float
    confidence: float
    standard_error: float
    design_effect: float


def order_statistic_ranks(n: int, quantile: float, alpha: float = 0.05) -> tuple[int, int] | None:
    """The ranks whose values bound a quantile, whatever the distribution; None when n is too small.

    binom.ppf(alpha/2) and binom.ppf(1 - alpha/2) + 1 (Conover 1999, sec. 3.2).
    """
    _check(quantile, alpha)
    lower, upper = (int(stats.binom.ppf(p, n, quantile)) for p in (alpha / 2, 1 - alpha / 2))
    return (lower, upper + 1) if n > 0 and lower >= 1 and upper < n else None


def unit_quantile(ranked: Ranked, quantile: float, alpha: float = 0.05) -> QuantileEstimate | Undefined:
    """A quantile over units, one value each, with exact bounds."""
    ranks = order_statistic_ranks(ranked.n, quantile, alpha)
    if ranks is None:
        return Undefined(Status.TOO_FEW_UNITS if ranked.n else Status.NO_UNITS)
    lower, upper = (ranked.at_rank(rank) for rank in ranks)
    value = ranked.at_rank(_rank(ranked.n, quantile))
    error = (upper - lower) / (2 * normal_critical(alpha / 2))
    return QuantileEstimate(ranked.n, ranked.n, value, lower, upper, 1 - alpha, error, 1.0)


def event_quantile(
    ranked: Ranked,
    beyond: Moments,
    quantile: float,
    *,
    alpha: float = 0.05,
    rank_error: float = 0.0,
    smallest_tail: float = SMALLEST_TAIL_EVENTS,
) -> QuantileEstimate | Undefined:
    """A quantile over events when units, each with several events, were randomised.

    beyond: per-unit moments of `exceedance(..., threshold=quantile value)`: how many events
    lie above it, and how many there are. rank_error: of a sketch, as a share of n, added outwards.
    smallest_tail: events beyond the quantile below which there is none.
    The share of events below the quantile varies by v_I over units; ranks n q ∓ z n sqrt(v_I)
    (Deng, Knoblich & Lu 2018, sec. 4; Yao, Li & Lu 2024, alg. 1).
    """
    _check(quantile, alpha)
    n, units = ranked.n, beyond.n
    if n * min(quantile, 1 - quantile) < smallest_tail:
        return Undefined(Status.TOO_FEW_EVENTS)
    share = ratio_estimate(beyond, EXCEEDING, EVENTS)
    if units < SMALLEST_UNITS or share.variance is None:
        return Undefined(Status.TOO_FEW_UNITS if units < SMALLEST_UNITS else share.status)
    z = normal_critical(alpha / 2)
    independent = quantile * (1 - quantile) / n
    effect = share.variance / independent
    # Two widths: of independent values for the standard error, of clustered ones for the bounds.
    inner = _bounds(ranked, quantile, z * math.sqrt(independent))
    outer = _bounds(ranked, quantile, z * math.sqrt(share.variance) + rank_error)
    if inner is None or outer is None:
        return Undefined(Status.TOO_FEW_EVENTS)
    error = (inner[1] - inner[0]) / (2 * z) * math.sqrt(effect)
    value = ranked.at_rank(_rank(n, quantile))
    return QuantileEstimate(n, units, value, *outer, 1 - alpha, error, effect)


def event_quantile_of(
    values: ArrayLike,
    units: ArrayLike,
    quantile: float,
    *,
    alpha: float = 0.05,
    smallest_tail: float = SMALLEST_TAIL_EVENTS,
) -> QuantileEstimate | Undefined:
    """The same from events: (n,) values and (n,) identities of their units."""
    ranked = Ordered.of(values)
    _check(quantile, alpha)
    if ranked.n == 0:
        return Undefined(Status.NO_UNITS)
    threshold = ranked.at_rank(_rank(ranked.n, quantile))
    beyond = exceedance(values, units, threshold=threshold)
    return event_quantile(ranked, beyond, quantile, alpha=alpha, smallest_tail=smallest_tail)


def quantile_difference(
    treatment: QuantileEstimate | Undefined, control: QuantileEstimate | Undefined
) -> Interval | Undefined:
    """The difference of two quantiles from their bounds, each side its own (Zou & Donner 2008).

    A tail's bounds are lopsided; a symmetric standard error would be too short on the far side.
    """
    if isinstance(treatment, Undefined):
        return treatment
    if isinstance(control, Undefined):
        return control
    require((treatment.confidence == control.confidence, "both bounds need the same confidence"))
    effect = treatment.value - control.value
    below = math.hypot(treatment.value - treatment.lower, control.upper - control.value)
    above = math.hypot(treatment.upper - treatment.value, control.value - control.lower)
    return Interval(effect, effect - below, effect + above, treatment.confidence)


def exceedance(values: ArrayLike, units: ArrayLike, *, threshold: float) -> Moments:
    """Per-unit moments of `exceeding` (events above the threshold) and `events`.

    values, units: (n,) each. Their ratio is the exceedance rate, P(value > threshold): with a
    threshold frozen at launch it takes every method of a ratio, also over time.
    """
    given = np.asarray(values, dtype=np.float64).ravel()
    identities = np.asarray(units).ravel()
    require(
        (given.shape == identities.shape, "give one unit per value"),
        (bool(np.isfinite(given).all()), "values must be finite"),
        (math.isfinite(threshold), "threshold must be finite"),
    )
    known, of = np.unique(identities, return_inverse=True)
    events = np.bincount(of, minlength=len(known))
    above = np.bincount(of, weights=given > threshold, minlength=len(known))
    return Moments.from_rows((EXCEEDING, EVENTS), np.column_stack((above, events)))


def _rank(n: int, quantile: float) -> int:
    """ceil(n q), safe from the rounding of n q."""
    return min(max(math.ceil(n * quantile - 1e-9), 1), n)


def _bounds(ranked: Ranked, quantile: float, reach: float) -> tuple[float, float] | None:
    """The values at ranks n (q ∓ reach), rounded outwards; None when there are none."""
    lower = math.floor(ranked.n * (quantile - reach))
    upper = math.ceil(ranked.n * (quantile + reach))
    if lower < 1 or upper > ranked.n:
        return None
    return ranked.at_rank(lower), ranked.at_rank(upper)


def _check(quantile: float, alpha: float) -> None:
    require(
        (0 < quantile < 1, f"quantile lies between 0 and 1, not {quantile}"),
        (0 < alpha < 1, f"alpha lies between 0 and 1, not {alpha}"),
    )
