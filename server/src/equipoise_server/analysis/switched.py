"""Regions switched by a schedule: a table of windows, judged once by drawing the schedule again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import numpy as np

import equipoise_stats as stats
from equipoise_server.access import reads as access
from equipoise_server.analysis import looks
from equipoise_server.analysis.clustered import Compared, look_of
from equipoise_server.analysis.columns import Reduction
from equipoise_server.analysis.evidence import Job, treatments_of
from equipoise_server.analysis.looks import LookFound
from equipoise_server.analysis.moments import Warehouse
from equipoise_server.analysis.plan import Column, MeasuredMetric, Plan, Span, columns_of
from equipoise_server.experiments.values import Schedule
from equipoise_stats.moments import FloatArray

DAY = timedelta(days=1)
DRAWS = 2000
_PER_EVENT = {Reduction.TOTAL, Reduction.ANY}


def last_switchback_look(job: Job) -> tuple[LookFound, ...]:
    """The only look: once the last window, or the stop, has come. Two arms take turns."""
    schedule, due = job.iteration.schedule, looks.final_look(job.iteration, now=job.now)
    if due is None or schedule is None:
        return ()
    (treatment,) = treatments_of(job.iteration)
    design = _design(job, schedule, treatment)
    span = Span(due.as_of, due.as_of)
    compared = [_compared(job, one, design, (schedule, span, treatment)) for one in job.measured]
    note = (
        "Each region's window is one observation, and p-values come from drawing the schedule again."
        " Units in the table are windows."
    )
    return look_of(job, due, compared, note)


def _design(job: Job, schedule: Schedule, treatment: str) -> stats.SwitchbackDesign:
    """The stored schedule with the plan that it was drawn from."""
    place = [arm.key for arm in job.iteration.design.arms].index(treatment)
    treated = np.array([[int(digit) == place for digit in row] for _, row in sorted(schedule.rows.items())])
    per_day = round(DAY / timedelta(seconds=schedule.window_seconds))
    plan = stats.SwitchbackPlan(
        len(schedule.rows), schedule.days, per_day, schedule.seed, stats.Pairing(schedule.pairing)
    )
    return stats.SwitchbackDesign(plan, treated.astype(np.int8))


def _compared(
    job: Job, one: MeasuredMetric, design: stats.SwitchbackDesign, seen: tuple[Schedule, Span, str]
) -> Compared:
    schedule, span, treatment = seen
    table = _table(job, one, schedule, span)
    observed = np.isfinite(table)
    treated = design.treated.astype(bool)
    means = tuple(
        float(table[observed & arm].mean()) if (observed & arm).any() else None for arm in (~treated, treated)
    )
    windows = int((observed & ~treated).sum()), int((observed & treated).sum())
    found: stats.ClusterEffect | stats.Undefined = stats.Undefined(stats.Status.NOT_IDENTIFIABLE)
    if min(windows) > 1:
        rng = np.random.default_rng(job.iteration.id.int % 2**32)
        effect = stats.switchback_effect(
            table, design, rng=rng, draws=DRAWS, alpha=job.iteration.design.alpha
        )
        found = effect if isinstance(effect, stats.Undefined) else _as_groups(effect, sum(windows))
    return Compared(one, treatment, found, (means[0], means[1]), windows)


def _as_groups(effect: stats.SwitchbackEffect, windows: int) -> stats.ClusterEffect:
    """The same answer in the shape of other grouped designs."""
    error = effect.robust_error if effect.clustered_error is None else effect.clustered_error
    return stats.ClusterEffect(
        effect.effect,
        error,
        float(windows - 2),
        effect.p_value,
        stats.ClusterMethod.CLUSTER_MEANS,
        permuted=True,
    )


def _table(job: Job, one: MeasuredMetric, schedule: Schedule, span: Span) -> FloatArray:
    """(regions, windows): what happened in each window after its burn-in; NaN for windows not over yet."""
    columns = tuple(
        column for column in columns_of(one.metric.key, one.metric.definition) if not column.before
    )
    places = kept_places(job.iteration.environment_id, job.plan.unit_type, schedule)
    table = window_table(job.warehouse, replace(job.plan, columns=columns), span, (schedule, places))
    ends = np.arange(1, schedule.windows + 1) * schedule.window_seconds
    is_over = ends <= (span.until - schedule.starts_at).total_seconds()
    return np.where(is_over[None, :], table, np.nan)


def kept_places(environment_id: UUID, unit_type: str, schedule: Schedule) -> dict[str, int]:
    """What events keep of a region's id → its place: a pseudonym where the project hides ids."""
    regions = sorted(schedule.rows)
    project_id = access.pseudonymised_by(environment_id)
    if project_id is None:
        return {region: place for place, region in enumerate(regions)}
    key = access.project_key(project_id)
    return {key.pseudonym(unit_type, region): place for place, region in enumerate(regions)}


def window_table(
    warehouse: Warehouse, plan: Plan, span: Span, of: tuple[Schedule, Mapping[str, int]]
) -> FloatArray:
    """(regions, windows): what a plan's columns, one or a ratio's two, come to in each; NaN where unknown."""
    schedule, places = of
    parts = []
    for column in plan.columns:
        table = np.zeros((len(places), schedule.windows))
        if not adds_up(column):
            return np.full_like(table, np.nan)  # it belongs to a unit, and a window has none
        for total in warehouse.windows(plan, span, column, schedule):
            if total.region in places and 0 <= total.window < schedule.windows:
                table[places[total.region], total.window] = total.total
        parts.append(table)
    if len(parts) == 1:
        return parts[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(parts[1] > 0, parts[0] / parts[1], np.nan)


def adds_up(column: Column) -> bool:
    """Whether events add to it without asking whose they are."""
    return column.reduction in _PER_EVENT and not column.touches
