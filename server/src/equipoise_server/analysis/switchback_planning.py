"""What a planned switchback could find: its schedule, drawn again and again over its regions' past weeks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np

import equipoise_stats as stats
from equipoise_server.access.values import KeyMissing
from equipoise_server.analysis.columns import columns_of
from equipoise_server.analysis.moments import Files, Warehouse
from equipoise_server.analysis.plan import Plan, Span
from equipoise_server.analysis.power_values import SwitchbackPower, WeekMde
from equipoise_server.analysis.switched import adds_up, kept_places, window_table
from equipoise_server.events import reads as events
from equipoise_server.events.values import EventKind
from equipoise_server.experiments.values import Design, Schedule, Switchback
from equipoise_server.metrics.values import Metric, MetricKind
from equipoise_stats.moments import FloatArray

MOST_DAYS, FEWEST_DAYS = 28, 14
DRAWS = 200
MOST_NAMED = 3
WEEKS, DAYS_IN_WEEK = 8, 7
MINUTES_A_DAY = 1_440
DAY = timedelta(days=1)


class _Unknown(Exception):
    """Why nothing can be told."""


def switchback_power(
    environment_id: UUID, design: Design, metric: Metric, *, now: datetime
) -> SwitchbackPower:
    """What a draft's switchback could find of the metric that decides, or why that is not known."""
    try:
        return _power(environment_id, design, metric, now)
    except _Unknown as why:
        return SwitchbackPower(reason=str(why))


def _power(environment_id: UUID, design: Design, metric: Metric, now: datetime) -> SwitchbackPower:
    switchback = design.switchback
    if switchback is None:
        raise _Unknown("the draft is no switchback")
    plan, target = _plan(switchback), _target(design)
    table = _past(environment_id, design, switchback, of=metric, now=now)
    per_day, block = plan.windows_per_day, 2 * plan.block_days
    days = table.shape[1] // per_day // block * block
    if days < FEWEST_DAYS:
        raise _Unknown(f"“{metric.name}” is not known of two weeks of these regions yet")
    rng = np.random.default_rng(0)
    found = stats.switchback_power(table[:, -days * per_day :], plan, rng=rng, draws=DRAWS, target=target)
    if isinstance(found, stats.Undefined) or found.mean <= 0:
        raise _Unknown(f"the past of these regions cannot be compared by “{metric.name}”")
    return _answer(design, found, windows_a_day=per_day * plan.regions, past_days=days)


def _answer(
    design: Design, found: stats.SwitchbackPower, *, windows_a_day: int, past_days: int
) -> SwitchbackPower:
    wanted = design.mde_relative
    by_week = tuple(
        WeekMde(
            week,
            windows_a_day * DAYS_IN_WEEK * week,
            found.detectable_after(DAYS_IN_WEEK * week) / found.mean,
        )
        for week in range(1, WEEKS + 1)
    )
    return SwitchbackPower(
        mde_relative=found.detectable_effect / found.mean,
        days_needed=found.days_needed(wanted * found.mean) if wanted and wanted > 0 else None,
        by_week=by_week,
        past_days=past_days,
    )


def _plan(switchback: Switchback) -> stats.SwitchbackPlan:
    minutes = switchback.window_minutes
    if minutes < 1 or MINUTES_A_DAY % minutes:
        raise _Unknown("the windows do not divide a day")
    try:
        plan = stats.SwitchbackPlan(
            len(set(switchback.regions)), switchback.days, MINUTES_A_DAY // minutes, 0,
            stats.Pairing(switchback.pairing),
        )  # fmt: skip
        stats.switchback_design(plan)
    except stats.InputError as fault:
        raise _Unknown(f"no schedule can be drawn: {fault}") from fault
    return plan


def _target(design: Design) -> stats.PowerTarget:
    try:
        return stats.PowerTarget(design.alpha, design.power)
    except ValueError as fault:
        raise _Unknown(str(fault)) from fault


def _past(
    environment_id: UUID, design: Design, switchback: Switchback, *, of: Metric, now: datetime
) -> FloatArray:
    """The windows of whole days up to the last midnight, since the first event of any region."""
    columns = tuple(one for one in columns_of(of.key, of.definition) if not one.before)
    ranks = of.definition.kind is MetricKind.QUANTILE
    if ranks or of.definition.sources or not all(map(adds_up, columns)):
        raise _Unknown(f"“{of.name}” does not add up over a region's window, from events alone")
    until = now.replace(hour=0, minute=0, second=0, microsecond=0)
    schedule = _schedule(switchback, until - MOST_DAYS * DAY)
    try:
        places = kept_places(environment_id, design.unit_type, schedule)
    except KeyMissing as fault:
        raise _Unknown(str(fault)) from fault
    pinned = events.pinned_files(environment_id, EventKind.TRACK, since=schedule.starts_at, until=until)
    warehouse = Warehouse(Files((), pinned.paths))
    try:
        plan = Plan("", 0, design.unit_type, (), schedule.starts_at, columns)
        return _since_the_first(warehouse, plan, Span(until, until), (schedule, places))
    finally:
        warehouse.close()


def _since_the_first(
    warehouse: Warehouse, plan: Plan, span: Span, of: tuple[Schedule, Mapping[str, int]]
) -> FloatArray:
    """Refuses a region without any event: most likely its id is another."""
    schedule, places = of
    last = plan.columns[-1]  # of a ratio what it is divided by
    totals = [one for one in warehouse.windows(plan, span, last, schedule) if one.region in places]
    met = {one.region for one in totals}
    silent = [region for region, kept in zip(sorted(schedule.rows), places, strict=True) if kept not in met]
    if silent:
        told = ", ".join(f"“{region}”" for region in silent[:MOST_NAMED])
        raise _Unknown(f"no “{last.fact.event}” of the last {MOST_DAYS} days came from {told}")
    per_day = round(DAY / timedelta(seconds=schedule.window_seconds))
    first = min(one.window for one in totals) // per_day * per_day
    return window_table(warehouse, plan, span, of)[:, first:]


def _schedule(switchback: Switchback, starts_at: datetime) -> Schedule:
    """The windows of the past, under no variant."""
    windows = MOST_DAYS * MINUTES_A_DAY // switchback.window_minutes
    return Schedule(
        0, switchback.pairing, starts_at, switchback.window_minutes * 60, switchback.burn_in_minutes * 60,
        MOST_DAYS, dict.fromkeys(switchback.regions, "0" * windows),
    )  # fmt: skip
