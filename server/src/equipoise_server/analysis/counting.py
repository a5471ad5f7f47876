"""From units per arm and day to arm counts and exposures over time. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from equipoise_server.analysis.moments import DayCount
from equipoise_server.analysis.split import by_day
from equipoise_server.analysis.values import ArmCount, ExposurePoint
from equipoise_server.experiments.values import Design


def arm_counts(design: Design, counts: Sequence[DayCount]) -> tuple[ArmCount, ...]:
    """Units per arm beside the planned share, in the design's order."""
    exposed, crossed = _totals(counts)
    weights = sum(arm.weight for arm in design.arms)
    return tuple(
        ArmCount(arm.key, arm.name, exposed[arm.key], arm.weight / weights, crossed[arm.key])
        for arm in design.arms
    )


def exposures_over_time(design: Design, counts: Sequence[DayCount]) -> tuple[ExposurePoint, ...]:
    """Cumulative units per arm at the end of each day, without gaps."""
    return tuple(
        ExposurePoint(day, arm.key, so_far[arm.key]) for day, so_far in by_day(counts) for arm in design.arms
    )


def observed_days(since: datetime, until: datetime) -> float:
    """How long was observed, in days."""
    return max(0.0, (until - since) / timedelta(days=1))


def _totals(counts: Sequence[DayCount]) -> tuple[Counter[str], Counter[str]]:
    exposed: Counter[str] = Counter()
    crossed: Counter[str] = Counter()
    for count in counts:
        exposed[count.arm] += count.units
        crossed[count.arm] += count.crossed
    return exposed, crossed
