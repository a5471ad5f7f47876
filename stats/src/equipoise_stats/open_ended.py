"""Looks at a metric that keeps growing for units already seen: bounds under other dependence.

A unit's later days are correlated with its earlier ones, so its z-statistics are no Brownian
motion at the unit counts (the "peeking problem 2.0").
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from equipoise_stats.faults import InputError, require
from equipoise_stats.group_sequential import FARTHEST_BOUND, Bounds, spent_by_look
from equipoise_stats.moments import FloatArray
from equipoise_stats.spending import DEFAULT_LOOKS, LookPlan, check_information

DRAWS = 400_000
# An increment that fewer draws than this would show is bounded by its own tail instead.
_FEWEST_TAIL_DRAWS = 50.0


def union_bounds(
    information: Sequence[float],
    alpha: float = 0.05,
    plan: LookPlan = DEFAULT_LOOKS,
    *,
    two_sided: bool = True,
    ended: bool = False,
) -> Bounds:
    """Bounds that hold under any dependence between looks: c_k = z of the tail spent at look k.

    information: shares of the planned time, fixed beforehand (calendar days, never units).
    For few looks: the last of 5 is 2.23, of 14 already 2.58. Raises InputError.
    """
    times = check_information(information)
    require((0 < alpha < 1, f"alpha must lie between 0 and 1, not {alpha}"))
    tail = alpha / 2 if two_sided else alpha
    spent = spent_by_look(times, (tail,), plan, ended=ended)
    critical = union_critical_values(spent)[:, 0]
    return Bounds(times, tuple(critical.tolist()), tuple(look[0] for look in spent))


def union_critical_values(spent: tuple[tuple[float, ...], ...]) -> FloatArray:
    """Critical values (looks, tails) of cumulative spending (looks, tails)."""
    increments = np.diff(np.array(spent), axis=0, prepend=0.0)
    possible = np.maximum(increments, np.finfo(np.float64).tiny)
    return np.asarray(np.minimum(-special.ndtri(possible), FARTHEST_BOUND))


def look_correlation(units: ArrayLike, covariances: ArrayLike) -> FloatArray:
    """The correlation of the looks' z-statistics, (looks, looks).

    units: (arms, looks), units of each arm at each look. covariances: (arms, looks, looks), of
    a unit's cumulative value at look j and at look k, over the units present at the earlier of
    the two. Cov(mean_j, mean_k) = cov_jk / n of the later look. Raises InputError.
    """
    n, cov = np.asarray(units, dtype=np.float64), np.asarray(covariances, dtype=np.float64)
    if n.ndim != 2 or cov.shape != (*n.shape, n.shape[-1]):  # noqa: PLR2004 - arms and looks
        raise InputError(("covariances must be (arms, looks, looks) for units (arms, looks)",))
    falls = bool((np.diff(n, axis=1) < 0).any()) or bool((n < 1).any())
    require((not falls, "units must be 1 or more and never fall from look to look"))
    later = np.maximum(n[:, :, None], n[:, None, :])
    total = (cov / later).sum(axis=0)
    error = np.sqrt(np.diagonal(total))
    require((bool((error > 0).all()), "covariances: the metric varies at no look"))
    return np.asarray(total / np.outer(error, error))


def correlated_bounds(
    correlation: ArrayLike,
    information: Sequence[float],
    alpha: float = 0.05,
    plan: LookPlan = DEFAULT_LOOKS,
    *,
    seed: int = 20_251_121,
    draws: int = DRAWS,
) -> Bounds:
    """Two-sided bounds for looks whose z-statistics have this correlation, by Monte Carlo.

    correlation: (looks, looks), of the design's own data. seed: fixed, so that an analysis can
    be repeated to the last digit. Standard error of a bound is near 0.005 at 400,000 draws.
    """
    times = check_information(information)
    rho = np.asarray(correlation, dtype=np.float64)
    require(
        (rho.shape == (len(times), len(times)), "correlation must be (looks, looks)"),
        (bool(np.isfinite(rho).all()), "correlation must be finite"),
    )
    spent = spent_by_look(times, (alpha / 2,), plan, ended=False)
    limits = union_critical_values(spent)[:, 0]
    sizes = np.abs(np.random.default_rng(seed).standard_normal((draws, len(times))) @ _root(rho).T)
    critical, earlier, alive = [], 0.0, np.ones(draws, dtype=bool)
    for k, (now,) in enumerate(spent):
        expected = 2 * (now - earlier) * draws
        bound = float(limits[k])
        if expected >= _FEWEST_TAIL_DRAWS:
            left = np.sort(sizes[alive, k])[::-1]
            # Rounded down, so no more is spent than planned.
            bound = min(bound, float(left[min(int(expected), len(left) - 1)]))
        alive &= sizes[:, k] <= bound
        critical.append(bound)
        earlier = now
    return Bounds(times, tuple(critical), tuple(look[0] for look in spent))


def _root(correlation: FloatArray) -> FloatArray:
    """A square root; estimated matrices may have eigenvalues just below 0."""
    values, vectors = np.linalg.eigh((correlation + correlation.T) / 2)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
