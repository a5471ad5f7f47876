"""Corrections for many comparisons: adjusted p-values, in the order given.

Knows p-values alone. Which comparisons form a family is the caller's plan.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from equipoise_stats.moments import FloatArray


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
