"""Several treatments against one control: they share its noise, so Bonferroni pays too much.

Knows z or t statistics and how they correlate through the control. Refuses to know metrics.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import optimize, special, stats

from equipoise_stats.faults import require
from equipoise_stats.moments import FloatArray
from equipoise_stats.sequences import SMALLEST_P

# Below this tail one minus a probability has lost its digits; Bonferroni is then as sharp.
_SMALLEST_TAIL = 1e-11
_NODES = 96


def control_shares(treatment_variances: Sequence[float], control_variance: float) -> tuple[float, ...]:
    """The share of the control's noise in each comparison, VC / (VT + VC).

    The correlation of two comparisons is the geometric mean of their shares. Raises InputError.
    """
    require(
        (control_variance > 0, "control_variance must be above 0"),
        (all(v > 0 for v in treatment_variances), "treatment_variances must be above 0"),
    )
    return tuple(control_variance / (v + control_variance) for v in treatment_variances)


def dunnett(
    statistics: Sequence[float], shares: Sequence[float], *, degrees_of_freedom: float | None = None
) -> tuple[float, ...]:
    """Single-step adjusted two-sided p-values, P(max |T| >= |t|) (Dunnett 1955).

    statistics: effect / SE by treatment. shares: from `control_shares`. degrees_of_freedom: of
    the common variance; None for large samples. Raises InputError.
    """
    _check(statistics, shares)
    sizes = np.abs(np.asarray(statistics, dtype=np.float64))
    inside = _inside(sizes, tuple(shares), degrees_of_freedom)
    one = _tail(sizes, degrees_of_freedom)
    union = np.minimum(len(sizes) * one, 1.0)
    p = np.where(1 - inside > _SMALLEST_TAIL, 1 - inside, union)
    return tuple(np.clip(p, np.maximum(one, SMALLEST_P), union).tolist())


def step_down_dunnett(
    statistics: Sequence[float], shares: Sequence[float], *, degrees_of_freedom: float | None = None
) -> tuple[float, ...]:
    """Step-down adjusted p-values: each among those no larger than itself (Dunnett & Tamhane 1991)."""
    _check(statistics, shares)
    order = np.argsort(-np.abs(np.asarray(statistics)), kind="stable")
    adjusted, largest = [0.0] * len(order), 0.0
    for rank, at in enumerate(order):
        left = order[rank:]
        step = dunnett(
            [statistics[i] for i in left], [shares[i] for i in left], degrees_of_freedom=degrees_of_freedom
        )
        largest = max(largest, step[0])
        adjusted[at] = largest
    return tuple(adjusted)


def dunnett_critical(
    shares: Sequence[float], alpha: float = 0.05, *, degrees_of_freedom: float | None = None
) -> float:
    """The bound that no |T| exceeds with probability 1 - alpha, for simultaneous intervals and power."""
    require(
        (0 < alpha < 1, f"alpha must lie between 0 and 1, not {alpha}"),
        (len(shares) > 0 and all(0 < share < 1 for share in shares), "shares lie between 0 and 1"),
    )

    def short(bound: float) -> float:
        return float(_inside(np.array([bound]), tuple(shares), degrees_of_freedom)[0]) - (1 - alpha)

    return float(optimize.brentq(short, 0.0, 1e4 if degrees_of_freedom else 60.0, xtol=1e-10))


def _inside(bounds: FloatArray, shares: tuple[float, ...], df: float | None) -> FloatArray:
    """P(all |T_i| < bound): given the control's mean x and the sd s the treatments are independent."""
    points, weights = _normal_nodes()
    scales, scale_weights = (np.ones(1), np.ones(1)) if df is None else _scale_nodes(df)
    edge = bounds[:, None, None] * scales[None, :, None]
    chance = np.ones((len(bounds), len(scales), len(points)))
    for share in shares:
        own, common = math.sqrt(1 - share), math.sqrt(share)
        chance *= special.ndtr((edge + common * points) / own) - special.ndtr((common * points - edge) / own)
    return np.asarray(chance @ weights @ scale_weights)


def _tail(sizes: FloatArray, df: float | None) -> FloatArray:
    tail = special.ndtr(-sizes) if df is None else special.stdtr(df, -sizes)
    return np.asarray(2 * tail, dtype=np.float64)


@lru_cache(maxsize=1)
def _normal_nodes() -> tuple[FloatArray, FloatArray]:
    points, weights = np.polynomial.legendre.leggauss(_NODES)
    x = 9.0 * points
    return x, 9.0 * weights * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


@lru_cache(maxsize=64)
def _scale_nodes(df: float) -> tuple[FloatArray, FloatArray]:
    """Quadrature of sqrt(chi2_df / df), between its extreme quantiles."""
    low, high = (math.sqrt(q / df) for q in (stats.chi2.ppf(1e-14, df), stats.chi2.isf(1e-14, df)))
    points, weights = np.polynomial.legendre.leggauss(64)
    s = (high + low) / 2 + (high - low) / 2 * points
    density = 2 * df * s * stats.chi2.pdf(df * s * s, df)
    scaled = (high - low) / 2 * weights * density
    return s, scaled / scaled.sum()


def _check(statistics: Sequence[float], shares: Sequence[float]) -> None:
    require(
        (len(statistics) > 0, "statistics: at least one treatment"),
        (len(statistics) == len(shares), "shares: one per statistic"),
        (all(math.isfinite(t) for t in statistics), "statistics must be finite"),
        (all(0 < share < 1 for share in shares), "shares lie between 0 and 1"),
    )
