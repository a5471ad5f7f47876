"""The deciding metrics by declared attributes: shrunk toward the whole, small cells hidden."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import equipoise_stats as stats
from equipoise_server.analysis.marks import Mark, MarkKind
from equipoise_server.analysis.moments import ArmMoments
from equipoise_server.analysis.plan import MeasuredMetric
from equipoise_server.analysis.reading import USUAL_REACH, Reading, estimate_of, pairs_of, shown
from equipoise_server.analysis.small_cells import TOO_FEW, is_small
from equipoise_server.analysis.values import SegmentLine, SegmentTable

MOST_VALUES = 30


@dataclass(frozen=True, slots=True)
class _Cells:
    """One metric × treatment by an attribute's values: units (control, treatment), and what is comparable."""

    attribute: str
    one: MeasuredMetric
    treatment: str
    units: Mapping[str, tuple[int, int]]
    segments: tuple[stats.Segment, ...]
    hidden: int


def segment_tables(reading: Reading) -> tuple[SegmentTable, ...]:
    """A table per attribute, deciding metric and treatment; false discoveries are held over all of them."""
    cells = list(_cells(reading))
    p_values = [[_p_value(segment) for segment in one.segments] for one in cells]
    tables = []
    for place, one in enumerate(cells):
        others = [p for at, family in enumerate(p_values) if at != place for p in family]
        tables.append(_table(one, others))
    return tuple(tables)


def _cells(reading: Reading) -> Iterator[_Cells]:
    job = reading.job
    for attribute in job.iteration.design.breakdowns:
        by_value = job.warehouse.moments_by(
            job.plan, reading.gathered.span, reading.pivots, Mark(MarkKind.ATTRIBUTE, attribute)
        )
        if 1 < len(by_value) <= MOST_VALUES:
            for one, treatment in pairs_of(reading):
                yield _cells_of(reading, attribute, (one, treatment), by_value)


def _cells_of(
    reading: Reading,
    attribute: str,
    compared: tuple[MeasuredMetric, str],
    by_value: Mapping[str, Mapping[str, ArmMoments]],
) -> _Cells:
    one, treatment = compared
    control = reading.job.iteration.design.control
    total = sum(
        arms[arm].moments.n for arms in by_value.values() for arm in (treatment, control) if arm in arms
    )
    units, segments, hidden = {}, [], 0
    for value, arms in by_value.items():
        t, c = (estimate_of(arms, arm, one) for arm in (treatment, control))
        if is_small(t.n, c.n):
            hidden += 1
            continue
        units[value] = (c.n, t.n)
        segment = _segment(value, (t, c), total, reading.reach)
        if segment is not None:
            segments.append(segment)
    return _Cells(attribute, one, treatment, units, tuple(segments), hidden)


def _segment(
    value: str, arms: tuple[stats.Estimate, stats.Estimate], total: int, reach: float
) -> stats.Segment | None:
    """The lift with its error by the delta method, as wide as the look asks; None without a lift."""
    t, c = arms
    if t.value is None or c.value is None or t.variance is None or c.variance is None or c.value <= 0:
        return None
    ratio = t.value / c.value
    error = math.sqrt(t.variance + ratio**2 * c.variance) / c.value
    return stats.Segment(value, ratio - 1, error * reach / USUAL_REACH, (t.n + c.n) / total)


def _p_value(segment: stats.Segment) -> float:
    return math.erfc(abs(segment.effect / segment.standard_error) / math.sqrt(2))


def _table(cells: _Cells, others: list[float]) -> SegmentTable:
    direction = stats.Direction(cells.one.metric.direction)
    judged = stats.judge_segments(cells.segments, direction=direction, other_p_values=others)
    found = {one.key: one for one in judged.segments} if isinstance(judged, stats.Heterogeneity) else {}
    return SegmentTable(
        attribute=cells.attribute,
        metric=cells.one.metric.key,
        name=cells.one.metric.name,
        arm=cells.treatment,
        lines=tuple(
            _line(value, units, found.get(value))
            for value, units in sorted(cells.units.items(), key=_by_size)
        ),
        hidden=cells.hidden,
        differs_p_value=judged.p_value if isinstance(judged, stats.Heterogeneity) else None,
        hidden_reason=TOO_FEW if cells.hidden else "",
    )


def _by_size(entry: tuple[str, tuple[int, int]]) -> tuple[int, str]:
    value, units = entry
    return -sum(units), value


def _line(value: str, units: tuple[int, int], found: stats.SegmentFinding | None) -> SegmentLine:
    control, treatment = units
    if found is None:
        return SegmentLine(value, control, treatment, None, None, None, needs_check=False)
    return SegmentLine(
        value,
        control,
        treatment,
        found.interval.value,
        shown(found.interval),
        found.adjusted_p_value,
        found.needs_check,
    )
