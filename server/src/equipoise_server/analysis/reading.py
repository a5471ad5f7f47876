"""One look as its further readings see it: the evidence, and how far the look's own intervals reach."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import equipoise_stats as stats
from equipoise_server.analysis.evidence import Gathered, Job, treatments_of
from equipoise_server.analysis.judging import STATS_KINDS, deciding_by_moments
from equipoise_server.analysis.moments import ArmMoments
from equipoise_server.analysis.plan import MeasuredMetric
from equipoise_server.analysis.values import Interval

USUAL_REACH = 1.959964


@dataclass(frozen=True, slots=True)
class Reading:
    """A look, and how many standard errors its own intervals reach."""

    job: Job
    pivots: Mapping[str, float]
    gathered: Gathered
    reach: float

    @property
    def level(self) -> float:
        """The two-sided alpha of one test that reaches as far."""
        return math.erfc(self.reach / math.sqrt(2))

    @property
    def deciding(self) -> tuple[MeasuredMetric, ...]:
        """The OEC, or its parts; none when it is a quantile."""
        return deciding_by_moments(self.job.measured)


def reach_of(results: stats.Results) -> float:
    """How far the deciding metric's interval reaches, in its standard errors."""
    reaches = [USUAL_REACH]
    for row in results.metrics:
        arms = row.treatment_estimate, row.control_estimate
        if row.role is not stats.MetricRole.OEC or isinstance(row.effect, stats.Undefined):
            continue
        if row.look is not None:
            reaches.append(row.look.critical)
        elif results.method is stats.Method.CONFIDENCE_SEQUENCE:
            spread = sum(arm.variance or 0.0 for arm in arms) * (1 - (row.variance_reduction or 0.0))
            reaches.append((row.effect.upper - row.effect.lower) / 2 / math.sqrt(spread))
    return max(reaches)


def estimate_of(arms: Mapping[str, ArmMoments], arm: str, one: MeasuredMetric) -> stats.Estimate:
    """One arm's number of one metric."""
    plan = stats.MetricPlan(
        one.metric.key, STATS_KINDS[one.metric.definition.kind], stats.MetricRole.DIAGNOSTIC
    )
    return stats.estimate(arms[arm].moments if arm in arms else None, plan)


def shown(found: stats.Interval | stats.Undefined | None) -> Interval | None:
    """Bounds as doors show them."""
    if not isinstance(found, stats.Interval):
        return None
    ends = [end if math.isfinite(end) else None for end in (found.lower, found.upper)]
    return Interval(ends[0], ends[1])


def pairs_of(reading: Reading) -> Sequence[tuple[MeasuredMetric, str]]:
    """Every deciding metric × treatment."""
    return [(one, arm) for one in reading.deciding for arm in treatments_of(reading.job.iteration)]
