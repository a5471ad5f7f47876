"""One arm's estimate of one metric from its moments, or the named reason why there is none.

Refuses to know the other arm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from equipoise_stats.moments import Moments

_EPSILON = float(np.finfo(np.float64).eps)
# The normal approximation of a ratio needs a denominator known to about a tenth (Deng et al. 2018).
_NOISIEST_DENOMINATOR = 0.1


class Status(StrEnum):
    """OK, or why a number is not there."""

    OK = "ok"
    NO_UNITS = "no_units"
    TOO_FEW_UNITS = "too_few_units"
    TOO_EARLY = "too_early"
    NOT_AT_THE_END = "not_at_the_end"
    ZERO_VARIANCE = "zero_variance"
    ZERO_DENOMINATOR = "zero_denominator"
    NOISY_DENOMINATOR = "noisy_denominator"
    NOT_A_PROPORTION = "not_a_proportion"
    ZERO_CONTROL = "zero_control"
    NEGATIVE_CONTROL = "negative_control"
    NOT_POSITIVE = "not_positive"
    NOISY_CONTROL = "noisy_control"
    NO_EXPECTED_UNITS = "no_expected_units"
    LOOK_SKIPPED = "look_skipped"
    LOOKS_ENDED = "looks_ended"
    TOO_FEW_EVENTS = "too_few_events"
    TOO_FEW_CLUSTERS = "too_few_clusters"
    TOO_FEW_EXPERIMENTS = "too_few_experiments"
    NOT_IDENTIFIABLE = "not_identifiable"


@dataclass(frozen=True, slots=True)
class Undefined:
    """A number that cannot be given, and why."""

    reason: Status


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one arm says about one metric.

    n: units. value: the estimate, or None. unit_variance: of one unit's contribution.
    variance: of the estimate, unit_variance / n. Both variances are None unless status is OK.
    """

    n: int
    value: float | None
    variance: float | None
    unit_variance: float | None
    status: Status


def mean_estimate(moments: Moments, name: str) -> Estimate:
    """The mean of a column over units."""
    at = moments.names.index(name)
    value = float(moments.means[at])
    return _estimate(moments.n, value, float(moments.comoments[at, at]))


def proportion_estimate(moments: Moments, name: str) -> Estimate:
    """The share of units whose column is 1; variance p(1 - p)n/(n - 1) per unit.

    A column that holds anything but 0 and 1 answers NOT_A_PROPORTION.
    """
    at = moments.names.index(name)
    n, p = moments.n, float(moments.means[at])
    binary = n * p * (1 - p)
    comoment = float(moments.comoments[at, at])
    # The co-moment of zeros and ones is n p (1 - p), exactly.
    if not math.isclose(comoment, binary, rel_tol=1e-6, abs_tol=1e-7):
        return Estimate(n, None, None, None, Status.NOT_A_PROPORTION)
    return _estimate(n, min(max(p, 0.0), 1.0), binary)


def ratio_estimate(moments: Moments, numerator: str, denominator: str) -> Estimate:
    """Sum of one column over sum of another, units being what is randomised.

    Linearised: L = (Y - R D) / mean(D), so Var = [s_YY - 2R s_YD + R² s_DD] / (mean(D)² n)
    (Deng, Knoblich & Lu 2018, eq. 3).
    """
    y, d = moments.names.index(numerator), moments.names.index(denominator)
    n, size = moments.n, float(moments.means[d])
    if n == 0:
        return Estimate(0, None, None, None, Status.NO_UNITS)
    if size <= 0:
        return Estimate(n, None, None, None, Status.ZERO_DENOMINATOR)
    ratio = float(moments.means[y]) / size
    m = moments.comoments
    spread = float(m[y, y] - 2 * ratio * m[y, d] + ratio * ratio * m[d, d])
    # What is left below the rounding of its own terms is nothing.
    if spread <= 8 * _EPSILON * float(m[y, y] + ratio * ratio * m[d, d]):
        spread = 0.0
    estimate = _estimate(n, ratio, spread / (size * size))
    noise = math.sqrt(float(m[d, d]) / (n - 1) / n) / size if n > 1 else 0.0
    if estimate.status is Status.OK and noise >= _NOISIEST_DENOMINATOR:
        return Estimate(n, ratio, None, None, Status.NOISY_DENOMINATOR)
    return estimate


def _estimate(n: int, value: float, comoment: float) -> Estimate:
    if n == 0:
        return Estimate(0, None, None, None, Status.NO_UNITS)
    if n == 1:
        return Estimate(1, value, None, None, Status.TOO_FEW_UNITS)
    unit_variance = comoment / (n - 1)
    # A spread below the rounding of the mean itself is a constant column.
    if unit_variance <= (16 * _EPSILON * value) ** 2:
        return Estimate(n, value, None, None, Status.ZERO_VARIANCE)
    return Estimate(n, value, unit_variance / n, unit_variance, Status.OK)
