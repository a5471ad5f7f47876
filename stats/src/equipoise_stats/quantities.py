"""Means and ratios as smooth functions of one arm's column means, with their influence on units.

Everything that needs several of them jointly (adjustment, composites, dilution) starts here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from equipoise_stats.estimates import Estimate, mean_estimate, ratio_estimate
from equipoise_stats.moments import FloatArray, Moments


@dataclass(frozen=True, slots=True)
class Quantity:
    """The mean of a column, or its total over the total of `denominator`."""

    numerator: str
    denominator: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The moments columns that it reads."""
        return (self.numerator,) if self.denominator is None else (self.numerator, self.denominator)


@dataclass(frozen=True, slots=True, eq=False)
class Tangent:
    """Quantities linearised at some column means.

    values: (q,) at those means. slopes: (q, k), so that a unit's influence is slopes @ (v - means)
    (Deng, Knoblich & Lu 2018, sec. 2.2). A ratio with a denominator of 0 or less has no tangent.
    """

    means: FloatArray
    values: FloatArray
    slopes: FloatArray

    def values_at(self, moments: Moments) -> FloatArray:
        """The linearised quantities (q,) of some of the units."""
        return np.asarray(self.values + self.slopes @ (moments.means - self.means), dtype=np.float64)

    def covariance(self, moments: Moments) -> FloatArray:
        """The covariance (q, q) of one unit's influences among some of the units; n of 2 or more."""
        spread = self.slopes @ moments.comoments @ self.slopes.T
        return np.asarray(spread / (moments.n - 1), dtype=np.float64)


def tangent(names: Sequence[str], means: FloatArray, quantities: Sequence[Quantity]) -> Tangent:
    """Linearise quantities at column means (k,) named by `names`; denominators must be positive."""
    values = np.zeros(len(quantities))
    slopes = np.zeros((len(quantities), len(names)))
    for row, quantity in enumerate(quantities):
        at = names.index(quantity.numerator)
        if quantity.denominator is None:
            values[row], slopes[row, at] = means[at], 1.0
            continue
        below = names.index(quantity.denominator)
        values[row] = means[at] / means[below]
        slopes[row, at] = 1 / means[below]
        slopes[row, below] = -values[row] / means[below]
    return Tangent(means, values, slopes)


def estimate_of(moments: Moments, quantity: Quantity) -> Estimate:
    """One arm's estimate of a quantity, with its status."""
    if quantity.denominator is None:
        return mean_estimate(moments, quantity.numerator)
    return ratio_estimate(moments, quantity.numerator, quantity.denominator)
