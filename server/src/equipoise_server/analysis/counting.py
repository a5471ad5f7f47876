"""From units per arm and day to arm counts, exposures over time and the sample-ratio test. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

import equipoise_stats as stats
from equipoise_server.analysis.moments import DayCount, day_end
from equipoise_server.analysis.values import ArmCount, ExposurePoint, Srm, SrmPoint, SrmState
from equipoise_server.experiments.values import Design, Iteration

_STATES = {
    stats.SrmVerdict.PASS: SrmState.PASS,
    stats.SrmVerdict.WARN: SrmState.WARN,
    stats.SrmVerdict.LOCKED: SrmState.LOCKED,
    stats.SrmVerdict.UNKNOWN: SrmState.NO_DATA,
}


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
        ExposurePoint(day, arm.key, so_far[arm.key]) for day, so_far in _by_day(counts) for arm in design.arms
    )


def srm_of(iteration: Iteration, counts: Sequence[DayCount], *, now: datetime) -> Srm:
    """The test now and at each closed day. Locked on a closed day stays locked.

    An import is looked at once, as a whole.
    """
    design = iteration.design
    history: list[SrmPoint] = []
    was_locked = False
    for day, so_far in _by_day(counts):
        closed = day_end(day)
        judged = _judge(design, so_far)
        if judged.p_value is not None:
            history.append(SrmPoint(min(closed, now), judged.p_value))
        is_looked_at = closed <= now and not iteration.is_imported
        was_locked = was_locked or (is_looked_at and judged.verdict is stats.SrmVerdict.LOCKED)
    exposed, _ = _totals(counts)
    latest = _judge(design, exposed)
    state = SrmState.LOCKED if was_locked else _STATES[latest.verdict]
    return Srm(state, latest.p_value, tuple(history))


def observed_days(since: datetime, until: datetime) -> float:
    """How long was observed, in days."""
    return max(0.0, (until - since) / timedelta(days=1))


def _judge(design: Design, exposed: Counter[str]) -> stats.Srm:
    return stats.judge_srm(
        [exposed[arm.key] for arm in design.arms], [float(arm.weight) for arm in design.arms]
    )


def _totals(counts: Sequence[DayCount]) -> tuple[Counter[str], Counter[str]]:
    exposed: Counter[str] = Counter()
    crossed: Counter[str] = Counter()
    for count in counts:
        exposed[count.arm] += count.units
        crossed[count.arm] += count.crossed
    return exposed, crossed


def _by_day(counts: Sequence[DayCount]) -> Iterator[tuple[date, Counter[str]]]:
    if not counts:
        return
    so_far: Counter[str] = Counter()
    day, last = min(count.day for count in counts), max(count.day for count in counts)
    while day <= last:
        so_far.update({count.arm: count.units for count in counts if count.day == day})
        yield day, Counter(so_far)
        day += timedelta(days=1)
