"""Does an effect fade or grow with the days since exposure? Novelty and primacy.

Works on a balanced panel: units observed on every compared day, one moments column per day.
Over all units available a day, newcomers and leavers look like an effect that changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from equipoise_stats.estimates import Estimate, Undefined, mean_estimate
from equipoise_stats.faults import require
from equipoise_stats.intervals import Interval, t_p_value, unusable, welch, welch_degrees_of_freedom
from equipoise_stats.moments import FloatArray, Moments

# A trend is told only below this p-value: most effects do change a little.
TREND_BELOW = 0.01
_WEEK = 7


class Trend(StrEnum):
    """NOVELTY fades, PRIMACY starts out reversed and turns, GROWING grows from the start."""

    STABLE = "stable"
    NOVELTY = "novelty"
    PRIMACY = "primacy"
    GROWING = "growing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class TenureContrast:
    """The difference between arms of a weighted sum of days, and its p-value."""

    effect: Interval
    p_value: float


@dataclass(frozen=True, slots=True)
class TenureReport:
    """The effect over all days, its slope per day, week 2 minus week 1, and after the novelty.

    second_minus_first: None for panels shorter than two weeks.
    """

    trend: Trend
    overall: TenureContrast | Undefined
    slope: TenureContrast | Undefined
    second_minus_first: TenureContrast | Undefined | None
    after: TenureContrast | Undefined


def judge_tenure(
    treatment: Moments, control: Moments, days: Sequence[str], *, after: int = _WEEK, alpha: float = 0.05
) -> TenureReport:
    """How an effect changes over `days`, the columns of one arm's moments in order of tenure.

    Per unit s = sum_k w_k Y_k with w_k = (k - mean k)/sum (k - mean k)², so Welch on s has the
    covariance of days exactly. after: the first day that no longer counts as novelty.
    """
    k = len(days)
    require(
        (k >= 2, "days: at least two"),  # noqa: PLR2004 - a slope needs two
        (0 <= after < max(k, 1), f"after lies in 0..{k - 1}, not {after}"),
    )
    weeks = _weights(k, range(_WEEK, 2 * _WEEK)) - _weights(k, range(_WEEK)) if k >= 2 * _WEEK else None
    overall, slope, late = (
        _contrast(treatment, control, days, weights, alpha=alpha)
        for weights in (_weights(k, range(k)), slope_weights(k), _weights(k, range(after, k)))
    )
    second = None if weeks is None else _contrast(treatment, control, days, weights=weeks, alpha=alpha)
    early = _contrast(treatment, control, days, _weights(k, range(max(after, 1))), alpha=alpha)
    return TenureReport(_trend(overall, slope, early), overall, slope, second, late)


def slope_weights(days: int) -> FloatArray:
    """The weights (days,) whose sum over a unit's days is its own least-squares slope. Raises InputError."""
    require((days > 1, f"days must be more than 1, not {days}"))
    centred = np.arange(days) - (days - 1) / 2
    return np.asarray(centred / np.sum(centred**2), dtype=np.float64)


def weighted_days(moments: Moments, days: Sequence[str], weights: ArrayLike) -> Estimate:
    """The mean over units of a weighted sum of day columns."""
    part = moments.select(tuple(days))
    w = np.asarray(weights, dtype=np.float64)
    require((w.shape == (len(days),), f"weights must have shape ({len(days)},)"))
    value, spread = float(w @ part.means), max(float(w @ part.comoments @ w), 0.0)
    return mean_estimate(Moments(("s",), part.n, np.array([value]), np.array([[spread]])), "s")


@dataclass(frozen=True, slots=True, eq=False)
class BalancedPanel:
    """The rows (units, days) observed on every day, and which of the given rows they are."""

    rows: FloatArray
    kept: np.ndarray[tuple[int, ...], np.dtype[np.intp]]

    def moments(self) -> Moments:
        """Their moments, columns named day_0, day_1, …"""
        return Moments.from_rows(tuple(f"day_{k}" for k in range(self.rows.shape[1])), self.rows)


def balanced_panel(rows: ArrayLike) -> BalancedPanel:
    """Keep the units with a value on every day; rows (units, days) with NaN where not observed."""
    table = np.asarray(rows, dtype=np.float64)
    require((table.ndim == 2, "rows must be units × days"))  # noqa: PLR2004 - a table has two axes
    kept = np.nonzero(np.isfinite(table).all(axis=1))[0]
    return BalancedPanel(table[kept], kept)


def _weights(days: int, chosen: range) -> FloatArray:
    weights = np.zeros(days)
    weights[list(chosen)] = 1 / len(chosen)
    return weights


def _contrast(
    treatment: Moments, control: Moments, days: Sequence[str], weights: FloatArray, *, alpha: float
) -> TenureContrast | Undefined:
    t, c = (weighted_days(arm, days, weights) for arm in (treatment, control))
    found = welch(t, c, alpha)
    if isinstance(found, Undefined) or t.variance is None or c.variance is None:
        return Undefined(unusable(t, c) or t.status)
    df = welch_degrees_of_freedom(t.variance, t.n, c.variance, c.n)
    z = found.value / np.sqrt(t.variance + c.variance)
    return TenureContrast(found, float(t_p_value(z, df)))


def _trend(
    overall: TenureContrast | Undefined,
    slope: TenureContrast | Undefined,
    early: TenureContrast | Undefined,
) -> Trend:
    if isinstance(overall, Undefined) or isinstance(slope, Undefined) or isinstance(early, Undefined):
        return Trend.UNKNOWN
    if slope.p_value >= TREND_BELOW:
        return Trend.STABLE
    rises = slope.effect.value > 0
    if rises is not (overall.effect.value > 0):
        return Trend.NOVELTY
    return Trend.GROWING if rises is (early.effect.value > 0) else Trend.PRIMACY
