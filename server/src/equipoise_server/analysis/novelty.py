"""Does the effect fade or grow with the days since exposure? Of units that were there for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

import numpy as np

import equipoise_stats as stats
from equipoise_server.analysis.columns import Column, Reduction
from equipoise_server.analysis.moments import ArmMoments
from equipoise_server.analysis.plan import MeasuredMetric, Plan, Span, columns_of
from equipoise_server.analysis.reading import Reading, pairs_of, shown
from equipoise_server.analysis.small_cells import TOO_FEW, is_small
from equipoise_server.analysis.values import NoveltyLine
from equipoise_server.metrics.values import Align

DAY = timedelta(days=1)
PANELS = (14, 7)
"""Days of tenure, the longest first that half of the time so far allows."""
FEWEST_RETURN = 0.2
"""Of what control does on its first day, so much it must do on a later one; else nothing could fade."""


def novelty_lines(reading: Reading) -> Iterator[NoveltyLine]:
    """One line per deciding metric × treatment whose numbers add up day by day."""
    job = reading.job
    observed = (reading.gathered.span.until - job.iteration.started_at) / DAY
    days = next((panel for panel in PANELS if observed >= 1.5 * panel), None)
    if days is None:
        return
    panels: dict[str, Mapping[str, ArmMoments]] = {}
    for one, treatment in pairs_of(reading):
        column = _column(one, days)
        if column is None:
            continue
        if one.metric.key not in panels:
            panels[one.metric.key] = _panel(reading, column, days)
        line = _line(reading, one, treatment, (panels[one.metric.key], days))
        if line is not None:
            yield line


def _column(one: MeasuredMetric, days: int) -> Column | None:
    """The metric's only column, if it adds up over so many days; a first conversion happens only once."""
    columns = [column for column in columns_of(one.metric.key, one.metric.definition) if not column.before]
    if len(columns) != 1 or columns[0].reduction is not Reduction.TOTAL or columns[0].window < days * DAY:
        return None
    return columns[0]


def _panel(reading: Reading, column: Column, days: int) -> Mapping[str, ArmMoments]:
    """Cumulative numbers up to each day of tenure, of units exposed at least so many days ago."""
    job, until = reading.job, reading.gathered.span.until
    cumulative = tuple(
        replace(
            column, name=f"until_{day}", window=day * DAY, delay=timedelta(0), cap=None, align=Align.EXACT
        )
        for day in range(1, days + 1)
    )
    plan = Plan(
        job.plan.experiment, job.plan.iteration, job.plan.unit_type, job.plan.arms, job.plan.since, cumulative
    )
    return job.warehouse.moments(plan, Span(until, until - days * DAY), {})


def _line(
    reading: Reading, one: MeasuredMetric, treatment: str, panel: tuple[Mapping[str, ArmMoments], int]
) -> NoveltyLine | None:
    arms, days = panel
    pair = treatment, reading.job.iteration.design.control
    if not set(pair) <= set(arms):
        return None
    t, c = (by_day(arms[arm].moments) for arm in pair)
    if is_small(t.n, c.n):
        return NoveltyLine(
            metric=one.metric.key, name=one.metric.name, arm=treatment, days=days, units=None,
            trend="unknown",
            slope=None, slope_interval=None, p_value=None, after=None, after_interval=None, reason=TOO_FEW,
        )  # fmt: skip
    first, *later = c.means.tolist()
    if sum(later) / len(later) < FEWEST_RETURN * first:
        return None
    found = stats.judge_tenure(t, c, t.names, after=days // 2, alpha=reading.level)
    slope = found.slope if isinstance(found.slope, stats.TenureContrast) else None
    after = found.after if isinstance(found.after, stats.TenureContrast) else None
    return NoveltyLine(
        metric=one.metric.key,
        name=one.metric.name,
        arm=treatment,
        days=days,
        units=t.n + c.n,
        trend=str(found.trend),
        slope=None if slope is None else slope.effect.value,
        slope_interval=None if slope is None else shown(slope.effect),
        p_value=None if slope is None else slope.p_value,
        after=None if after is None else after.effect.value,
        after_interval=None if after is None else shown(after.effect),
    )


def by_day(cumulative: stats.Moments) -> stats.Moments:
    """What each day added: a linear map of the cumulative numbers, so its moments follow from theirs."""
    k = len(cumulative.names)
    step = np.eye(k) - np.eye(k, k=-1)
    names = tuple(f"day_{day}" for day in range(1, k + 1))
    return stats.Moments(names, cumulative.n, step @ cumulative.means, step @ cumulative.comoments @ step.T)
