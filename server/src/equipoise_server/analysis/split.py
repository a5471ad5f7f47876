"""The sample-ratio gate over time: withheld at once, confirmed at the next look, else released. Pure.

Hourly tests alone would falsely lock a healthy experiment now and then; evidence that may be looked at
at any time, or a second look, does not. After a lock that two people ended, units are judged anew.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import equipoise_stats as stats
from equipoise_server.analysis.moments import DayCount, StageCount, day_end
from equipoise_server.analysis.small_cells import is_small, shown_counts
from equipoise_server.analysis.values import Afterwards, Localisation, Srm, SrmPoint, SrmState, Stage, Suspect
from equipoise_server.experiments.values import Design, Iteration
from equipoise_stats.srm import LOCK_BELOW

CONFIRMED_FROM = math.log(1000)
MOST_SUSPECTS = 6
ByAttribute = Mapping[str, Mapping[str, Mapping[str, int]]]
"""Units by attribute, value and arm."""
_STATES = {
    stats.SrmVerdict.PASS: SrmState.PASS,
    stats.SrmVerdict.WARN: SrmState.WARN,
    stats.SrmVerdict.LOCKED: SrmState.ALERTED,
    stats.SrmVerdict.UNKNOWN: SrmState.NO_DATA,
}


@dataclass(frozen=True, slots=True)
class Watch:
    """What is kept between refreshes: up to which look it was judged, and what was found."""

    looked_at: datetime | None = None
    alerted_at: datetime | None = None
    confirmed_at: datetime | None = None
    cleared_through: date | None = None
    """The day of the last lock that was a false alarm."""

    def judged(self, counts: Sequence[DayCount]) -> Sequence[DayCount]:
        """The units that are to be judged."""
        cleared = self.cleared_through
        return counts if cleared is None else [count for count in counts if count.day > cleared]


def watched(
    iteration: Iteration, counts: Sequence[DayCount], held: Watch, *, now: datetime
) -> tuple[Srm, Watch]:
    """The gate now, and what to keep. Each closed day is a look; one look of an import is all there is."""
    design, counts = iteration.design, held.judged(counts)
    history: list[SrmPoint] = []
    watch = held
    for day, so_far in by_day(counts):
        closed = day_end(day)
        judged = judge(design, so_far)
        if judged.p_value is not None:
            history.append(SrmPoint(min(closed, now), judged.p_value))
        is_new = watch.looked_at is None or closed > watch.looked_at
        if closed <= now and is_new and not iteration.is_imported:
            watch = _looked(watch, judged, closed)
    latest = judge(design, sum((so_far for _, so_far in by_day(counts)[-1:]), Counter()))
    watch = _live(watch, latest, now)
    if watch.alerted_at is not None and (iteration.is_imported or iteration.stopped_at is not None):
        watch = replace(watch, confirmed_at=watch.confirmed_at or now)  # no other look will come
    state = _STATES[latest.verdict]
    if watch.alerted_at is not None:
        state = SrmState.ALERTED
    if watch.confirmed_at is not None:
        state = SrmState.LOCKED
    found = Srm(
        state, latest.p_value, tuple(history), latest.log_e_value, watch.alerted_at, watch.confirmed_at,
        afterwards=None if watch.confirmed_at is None else afterwards(design, counts, watch.confirmed_at),
        cleared_through=watch.cleared_through,
    )  # fmt: skip
    return found, watch


def day_of_lock(confirmed_at: datetime) -> date:
    """The day whose units made it; a look at midnight is of the day before."""
    return (confirmed_at - timedelta(microseconds=1)).date()


def afterwards(design: Design, counts: Sequence[DayCount], confirmed_at: datetime) -> Afterwards:
    """The units after the day of the lock, by themselves."""
    day = day_of_lock(confirmed_at)
    later = Counter[str]()
    for count in counts:
        if count.day > day:
            later[count.arm] += count.units
    before = sum(count.units for count in counts if count.day <= day)
    return Afterwards(later.total(), before, judge(design, later).log_e_value)


def judge(design: Design, exposed: Counter[str]) -> stats.Srm:
    """Units against weights."""
    return stats.judge_srm([exposed[arm.key] for arm in design.arms], weights_of(design))


def weights_of(design: Design) -> list[float]:
    """The planned weights, in the design's order."""
    return [float(arm.weight) for arm in design.arms]


def _looked(watch: Watch, judged: stats.Srm, at: datetime) -> Watch:
    watch = replace(watch, looked_at=at)
    if _is_certain(judged):
        return replace(watch, alerted_at=watch.alerted_at or at, confirmed_at=watch.confirmed_at or at)
    if judged.verdict is not stats.SrmVerdict.LOCKED:
        return watch if watch.confirmed_at else replace(watch, alerted_at=None)
    if watch.alerted_at is not None:
        return replace(watch, confirmed_at=watch.confirmed_at or at)
    return replace(watch, alerted_at=at)


def _live(watch: Watch, latest: stats.Srm, now: datetime) -> Watch:
    """Between looks an alarm may rise, and certainty confirms it; nothing is let go."""
    if _is_certain(latest):
        return replace(watch, alerted_at=watch.alerted_at or now, confirmed_at=watch.confirmed_at or now)
    if latest.verdict is stats.SrmVerdict.LOCKED:
        return replace(watch, alerted_at=watch.alerted_at or now)
    return watch


def _is_certain(judged: stats.Srm) -> bool:
    return judged.log_e_value is not None and judged.log_e_value >= CONFIRMED_FROM


def by_day(counts: Sequence[DayCount]) -> list[tuple[date, Counter[str]]]:
    """Cumulative units per arm at the end of each day, without gaps."""
    if not counts:
        return []
    new: dict[date, Counter[str]] = {}
    for count in counts:
        new.setdefault(count.day, Counter())[count.arm] += count.units
    found, so_far, day = [], Counter[str](), min(new)
    while day <= max(new):
        so_far.update(new.get(day, Counter()))
        found.append((day, Counter(so_far)))
        day += timedelta(days=1)
    return found


def localised(
    design: Design,
    counts: Sequence[DayCount],
    by_attribute: ByAttribute,
    stages: Sequence[StageCount],
) -> Localisation:
    """Which units stand out, since when, and at which stage of their way."""
    weights = weights_of(design)
    slices = stats.localise(
        {name: {value: _in_order(design, found) for value, found in values.items()}
         for name, values in by_attribute.items()},
        weights,
    )  # fmt: skip
    days = by_day(counts)
    onset = stats.find_onset(_new_units(design, days), weights)
    found = tuple(_stages(design, stages))
    broken = [one.name for one in found if one.p_value is not None and one.p_value < LOCK_BELOW]
    return Localisation(
        tuple(_suspect(one) for one in slices if not is_small(max(one.counts)))[:MOST_SUSPECTS],
        None if onset is None else days[onset.period - 1][0],
        found,
        broken[0] if broken else "",
    )


def standing_out(design: Design, by_attribute: ByAttribute, until_lock: ByAttribute) -> tuple[Suspect, ...]:
    """Which of the units since a lock are out of balance, by an attribute."""
    later = {
        name: {
            value: tuple(
                max(0, units.get(arm.key, 0) - until_lock.get(name, {}).get(value, {}).get(arm.key, 0))
                for arm in design.arms
            )
            for value, units in values.items()
        }
        for name, values in by_attribute.items()
    }
    return tuple(_suspect(one) for one in stats.localise(later, weights_of(design)) if one.is_suspect)


def _suspect(one: stats.Slice) -> Suspect:
    ((attribute, value),) = one.attributes.items()
    return Suspect(
        attribute, value, shown_counts(one.counts), one.adjusted_p_value, one.p_value_without, one.is_suspect
    )


def _stages(design: Design, stages: Sequence[StageCount]) -> Iterator[Stage]:
    """As far as exposures tell: nobody counts who was assigned but never met the variant."""
    held = {stage.arm: stage for stage in stages}
    reached = {
        "exposed": {arm: stage.exposed for arm, stage in held.items()},
        "in one arm alone": {arm: stage.kept for arm, stage in held.items()},
        "triggered": {arm: stage.triggered for arm, stage in held.items()},
    }
    for name, units in reached.items():
        if any(units.values()):
            counted = _in_order(design, units)
            yield Stage(name, counted, stats.judge_srm(counted, weights_of(design)).p_value)


def _new_units(design: Design, days: Sequence[tuple[date, Counter[str]]]) -> list[tuple[int, ...]]:
    before: Counter[str] = Counter()
    found = []
    for _, so_far in days:
        found.append(tuple(so_far[arm.key] - before[arm.key] for arm in design.arms))
        before = so_far
    return found


def _in_order(design: Design, units: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(units.get(arm.key, 0) for arm in design.arms)
