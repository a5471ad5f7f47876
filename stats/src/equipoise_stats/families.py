"""Corrections for many comparisons: adjusted p-values and intervals, in the order given.

Knows p-values, e-values and estimates alone. Which comparisons form a family is the caller's plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from equipoise_stats.faults import require
from equipoise_stats.intervals import Interval
from equipoise_stats.moments import FloatArray
from equipoise_stats.sequences import SMALLEST_P


def bonferroni(p_values: Sequence[float]) -> tuple[float, ...]:
    """p times the size of the family; any dependence."""
    p = _checked(p_values)
    return _capped(p * len(p))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Step-down Bonferroni (Holm 1979); family-wise error under any dependence."""
    p = _checked(p_values)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return _capped(_back(stepped, order))


def benjamini_hochberg(p_values: Sequence[float]) -> tuple[float, ...]:
    """False discovery rate, independent or positively dependent tests (Benjamini & Hochberg 1995)."""
    p = _checked(p_values)
    return _step_up(p, 1.0)


def benjamini_yekutieli(p_values: Sequence[float]) -> tuple[float, ...]:
    """False discovery rate under any dependence (Benjamini & Yekutieli 2001)."""
    p = _checked(p_values)
    return _step_up(p, float(np.sum(1 / np.arange(1, len(p) + 1))))


def weighted_bonferroni(p_values: Sequence[float], weights: Sequence[float]) -> tuple[float, ...]:
    """p over the hypothesis's share of alpha; weights are positive and need not add up to 1."""
    p, share = _checked(p_values), np.asarray(weights, dtype=np.float64)
    require(
        (share.shape == p.shape, "weights: one per p-value"),
        (bool((share > 0).all()), "weights must be above 0"),
    )
    return _capped(p * share.sum() / share)


def fixed_sequence(p_values: Sequence[float]) -> tuple[float, ...]:
    """Tested in the order given, each at full alpha, until the first that fails (Maurer et al. 1995)."""
    return _capped(np.maximum.accumulate(_checked(p_values)))


def e_benjamini_hochberg(log_e_values: Sequence[float], alpha: float = 0.05) -> tuple[bool, ...]:
    """Which hypotheses e-BH rejects: the k* largest, k* = max{k: e_(k) >= m / (k alpha)}.

    False discovery rate under any dependence and any stopping (Wang & Ramdas 2022, eq. 4).
    log_e_values: ln E, so evidence too large for a float counts in full. Raises InputError.
    """
    log_e = np.asarray(log_e_values, dtype=np.float64)
    require(
        (not bool(np.isnan(log_e).any()), "log_e_values must be numbers; leave out what has none"),
        (0 < alpha < 1, f"alpha must lie between 0 and 1, not {alpha}"),
    )
    order = np.argsort(-log_e, kind="stable")
    k = np.arange(1, len(log_e) + 1)
    enough = np.flatnonzero(log_e[order] >= np.log(len(log_e) / (k * alpha)))
    rejected = np.zeros(len(log_e), dtype=bool)
    rejected[order[: enough[-1] + 1 if len(enough) else 0]] = True
    return tuple(rejected.tolist())


@dataclass(frozen=True, slots=True)
class Gatekeeping:
    """What a hierarchy of families claims. Adjusted p-values in the order given.

    secondary: None for each while the gate is closed. exploratory is a label, never a claim.
    """

    primary: tuple[float, ...]
    secondary: tuple[float | None, ...]
    exploratory: tuple[float, ...]
    gate_open: bool


def gatekeep(
    primary: Sequence[float],
    secondary: Sequence[float],
    exploratory: Sequence[float] = (),
    *,
    alpha: float = 0.05,
    in_fixed_order: bool = False,
) -> Gatekeeping:
    """Serial gatekeeping (Westfall & Krishen 2001): secondaries only after all primaries succeed.

    Primaries and secondaries by Holm, or secondaries in the order that their owner fixed;
    exploratory by Benjamini-Hochberg. Primary p-values stand for the good direction.
    """
    first = holm(primary)
    is_open = bool(first) and max(first) <= alpha
    second = fixed_sequence(secondary) if in_fixed_order else holm(secondary)
    shown = second if is_open else (None,) * len(second)
    return Gatekeeping(first, shown, benjamini_hochberg(exploratory), is_open)


@dataclass(frozen=True, slots=True)
class Selected:
    """The effects that Benjamini-Hochberg selects, with intervals that know of the selection.

    p_values: two-sided, normal. intervals: None for what is not selected.
    """

    p_values: tuple[float, ...]
    intervals: tuple[Interval | None, ...]
    critical: float | None


def fcr_intervals(
    effects: Sequence[float], standard_errors: Sequence[float], alpha: float = 0.05
) -> Selected:
    """Intervals of level 1 - R alpha / m for the R effects that BH selects out of m.

    False coverage rate (Benjamini & Yekutieli 2005, def. 1). Raises InputError.
    """
    value, error = np.asarray(effects, dtype=np.float64), np.asarray(standard_errors, dtype=np.float64)
    require(
        (value.shape == error.shape, "standard_errors: one per effect"),
        (bool((error > 0).all()), "standard_errors must be above 0"),
    )
    p = np.clip(2 * special.ndtr(-np.abs(value / error)), SMALLEST_P, 1.0)
    chosen = [adjusted <= alpha for adjusted in benjamini_hochberg(p.tolist())]
    if not any(chosen):
        return Selected(tuple(p.tolist()), (None,) * len(chosen), None)
    level = sum(chosen) * alpha / len(chosen)
    critical = float(-special.ndtri(level / 2))
    intervals = tuple(
        Interval(v, v - critical * e, v + critical * e, 1 - level) if taken else None
        for v, e, taken in zip(value.tolist(), error.tolist(), chosen, strict=True)
    )
    return Selected(tuple(p.tolist()), intervals, critical)


def _step_up(p: FloatArray, penalty: float) -> tuple[float, ...]:
    order = np.argsort(p, kind="stable")
    ranked = p[order] * (penalty * len(p)) / np.arange(1, len(p) + 1)
    stepped = np.minimum.accumulate(ranked[::-1])[::-1]
    return _capped(_back(stepped, order))


def _back(stepped: FloatArray, order: np.ndarray[tuple[int, ...], np.dtype[np.intp]]) -> FloatArray:
    original = np.empty_like(stepped)
    original[order] = stepped
    return original


def _capped(p: FloatArray) -> tuple[float, ...]:
    return tuple(np.minimum(p, 1.0).tolist())


def _checked(p_values: Sequence[float]) -> FloatArray:
    p = np.asarray(p_values, dtype=np.float64)
    if not bool(((p >= 0) & (p <= 1)).all()):
        raise ValueError("p-values lie in 0..1; leave out what has none")
    return p
