"""Does an effect differ between segments, or is it noise? Overall first, segments shrunk.

Segments by attributes known before exposure only; anything later is itself a result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from equipoise_stats.estimates import Status, Undefined
from equipoise_stats.families import benjamini_hochberg
from equipoise_stats.faults import require
from equipoise_stats.intervals import Interval, normal_critical
from equipoise_stats.moments import FloatArray
from equipoise_stats.plan import Direction
from equipoise_stats.sequences import SMALLEST_P

# Harm in a segment with at least this share of units is put before people.
LARGE_SEGMENT = 0.1


@dataclass(frozen=True, slots=True)
class Segment:
    """The effect in one segment. share: of all units."""

    key: str
    effect: float
    standard_error: float
    share: float


@dataclass(frozen=True, slots=True)
class SegmentFinding:
    """One segment, shrunk toward the overall effect. Exploratory, whatever its p-value.

    interval: of the shrunk effect; p_value: of the plain one; adjusted over all cells given.
    needs_check: significantly worse, in a segment of at least a tenth of the units.
    """

    key: str
    interval: Interval
    p_value: float
    adjusted_p_value: float
    needs_check: bool


@dataclass(frozen=True, slots=True)
class Heterogeneity:
    """Do effects differ? overall: inverse-variance mean. i2: the share of spread that is no noise.

    tau2: the variance of true effects (DerSimonian & Laird 1986), 0 when the spread is all noise.
    """

    overall: Interval
    q: float
    degrees_of_freedom: int
    p_value: float
    i2: float
    tau2: float
    segments: tuple[SegmentFinding, ...]


def judge_segments(
    segments: Sequence[Segment],
    *,
    direction: Direction = Direction.INCREASE,
    other_p_values: Sequence[float] = (),
    alpha: float = 0.05,
) -> Heterogeneity | Undefined:
    """Test the overall effect, then whether segments differ, then each segment.

    Q = sum (e - m)²/se² (Cochran 1954). other_p_values: of other metrics' segments, so that the
    false discovery rate holds over all segment × metric cells shown together.
    """
    _check(segments, alpha)
    if len(segments) < 2:  # noqa: PLR2004 - nothing to compare
        return Undefined(Status.TOO_FEW_UNITS)
    e = np.array([s.effect for s in segments], dtype=np.float64)
    v = np.array([s.standard_error for s in segments], dtype=np.float64) ** 2
    weights = 1 / v
    fixed = float(np.average(e, weights=weights))
    q, df = float(np.sum(weights * (e - fixed) ** 2)), len(e) - 1
    scale = float(weights.sum() - np.sum(weights**2) / weights.sum())
    tau2 = max((q - df) / scale, 0.0)
    critical = normal_critical(alpha / 2)
    reach = critical / float(np.sqrt(weights.sum()))
    return Heterogeneity(
        Interval(fixed, fixed - reach, fixed + reach, 1 - alpha),
        q,
        df,
        max(float(special.chdtrc(df, q)), SMALLEST_P),
        max((q - df) / q, 0.0) if q > 0 else 0.0,
        tau2,
        _findings(segments, _shrunk(e, v, fixed, tau2), direction, other_p_values, alpha=alpha),
    )


def _shrunk(e: FloatArray, v: FloatArray, fixed: float, tau2: float) -> tuple[FloatArray, FloatArray]:
    """Effects pulled toward the overall one, and their errors: all the way when tau² is 0."""
    weight = tau2 / (tau2 + v)
    # The overall effect's own noise comes with what is pulled to it.
    noise = weight * v + (1 - weight) ** 2 / float(np.sum(1 / v))
    return fixed + weight * (e - fixed), np.sqrt(noise)


def _findings(
    segments: Sequence[Segment],
    shrunk: tuple[FloatArray, FloatArray],
    direction: Direction,
    others: Sequence[float],
    *,
    alpha: float,
) -> tuple[SegmentFinding, ...]:
    z = [s.effect / s.standard_error for s in segments]
    p = [min(max(2 * float(special.ndtr(-abs(x))), SMALLEST_P), 1.0) for x in z]
    adjusted = benjamini_hochberg([*p, *others])
    critical = normal_critical(alpha / 2)
    found = []
    for at, segment in enumerate(segments):
        value, reach = float(shrunk[0][at]), critical * float(shrunk[1][at])
        worse = z[at] < 0 if direction is Direction.INCREASE else z[at] > 0
        check = worse and adjusted[at] <= alpha and segment.share >= LARGE_SEGMENT
        interval = Interval(value, value - reach, value + reach, 1 - alpha)
        found.append(SegmentFinding(segment.key, interval, p[at], adjusted[at], check))
    return tuple(found)


def _check(segments: Sequence[Segment], alpha: float) -> None:
    require(
        (len({s.key for s in segments}) == len(segments), "segments: keys must differ"),
        (all(np.isfinite(s.effect) for s in segments), "effects must be finite"),
        (all(s.standard_error > 0 for s in segments), "standard errors must be more than 0"),
        (all(0 <= s.share <= 1 for s in segments), "shares lie in 0..1"),
        (0 < alpha < 1, "alpha lies between 0 and 1"),
    )
