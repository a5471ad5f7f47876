"""Caps on what one unit may count for: found once over all arms together, then frozen.

A cap found anew at each look would move what is being estimated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from equipoise_stats.faults import require
from equipoise_stats.moments import FloatArray
from equipoise_stats.quantiles import Histogram


def cap_at(arms: Iterable[ArrayLike], share: float = 0.995) -> float:
    """The cap that this share of all units stay under, all arms pooled; linear interpolation.

    arms: (n,) unit aggregates each, from before the experiment or its first look.
    """
    pooled = [np.asarray(arm, dtype=np.float64).ravel() for arm in arms]
    values = np.concatenate(pooled) if pooled else np.empty(0)
    _check(share, len(values))
    require((bool(np.isfinite(values).all()), "unit aggregates must be finite"))
    return float(np.quantile(values, share))


def cap_of_histogram(histogram: Histogram, share: float = 0.995) -> float:
    """The same from a histogram of unit aggregates."""
    _check(share, histogram.n)
    at = share * (histogram.n - 1) + 1
    lower, upper = histogram.at_rank(math.floor(at)), histogram.at_rank(math.ceil(at))
    return lower + (upper - lower) * (at - math.floor(at))


def capped(values: ArrayLike, cap: float) -> FloatArray:
    """Unit aggregates with everything above the cap at the cap; keep the uncapped ones too."""
    return np.minimum(np.asarray(values, dtype=np.float64), cap)


def _check(share: float, units: int) -> None:
    require(
        (0 < share < 1, f"share lies between 0 and 1, not {share}"),
        (units > 0, "a cap needs units"),
    )
