"""What a metric would read, for people: rows of each fact, how much of late, and how its numbers spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter
from uuid import UUID

import duckdb
from sqlglot import exp

from equipoise_server.access import reads as access
from equipoise_server.analysis.query import instant, tracks_of
from equipoise_server.analysis.sources.amounts import numbers_of, of_events, of_rows
from equipoise_server.events import reads as events
from equipoise_server.events.values import EventKind
from equipoise_server.metrics.values import Definition, Fact, MetricKind
from equipoise_server.sources import reads as sources
from equipoise_server.sources.values import Cost, Preview, Recent, Sample

NUMBER = "value"


@dataclass(frozen=True, slots=True)
class FactPreview:
    """One fact of a metric: its place in the definition, what it reads, and a look at it."""

    place: str
    reads: str
    preview: Preview


def preview_definition(
    project_id: UUID, environment_id: UUID, definition: Definition, *, now: datetime
) -> tuple[FactPreview, ...]:
    """A look at each fact of a metric: sources over their connections, events in one environment."""
    found = []
    for place, fact in definition.facts:
        kind = definition.kind if place == "fact" else MetricKind.SUM
        if fact.source:
            preview = _of_source(project_id, fact, kind, now=now)
        else:
            preview = _of_events(environment_id, fact, kind, now=now)
        found.append(FactPreview(place, fact.source or fact.event, preview))
    return tuple(found)


def _of_source(project_id: UUID, fact: Fact, kind: MetricKind, *, now: datetime) -> Preview:
    source = sources.source_by_ref(project_id, fact.source)
    columns = sources.column_names(source.shape)
    return sources.preview_rows(source, {NUMBER: of_rows(fact, kind, columns)}, now=now)


def _of_events(environment_id: UUID, fact: Fact, kind: MetricKind, *, now: datetime) -> Preview:
    began = perf_counter()
    longest = timedelta(days=max(sources.RECENT_DAYS))
    files = events.pinned_files(environment_id, EventKind.TRACK, since=now - longest, until=now).paths
    rows = of_events(fact, _recent_events(environment_id, fact, tracks_of(files), now=now))
    database = duckdb.connect(":memory:", config={"threads": 2})
    try:
        read = _Reader(database)
        first, last, *counts = read.all(_counts(rows, now))[0]
        shown = read.all(_shown(rows))
        spread = read.all(sources.spread(numbers_of(rows, kind), "number"))[0]
    finally:
        database.close()
    recent = [
        Recent(days, int(str(counts[2 * place])), int(str(counts[2 * place + 1])))
        for place, days in enumerate(sources.RECENT_DAYS)
    ]
    return Preview(
        sample=Sample(("unit", "time", NUMBER, "properties"), tuple(_cells(row) for row in shown)),
        recent=tuple(recent),
        distributions=(sources.distribution(NUMBER, spread),),
        cost=Cost(recent[-1].rows, perf_counter() - began, sum(path.stat().st_size for path in files)),
        estimate=None,
        sql=_without_paths(rows).sql(dialect="duckdb", pretty=True),
        first_at=first if isinstance(first, datetime) else None,
        last_at=last if isinstance(last, datetime) else None,
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    database: duckdb.DuckDBPyConnection

    def all(self, query: exp.Query) -> Sequence[Sequence[object]]:
        found: Sequence[Sequence[object]] = self.database.execute(query.sql(dialect="duckdb")).fetchall()
        return found


def _recent_events(environment_id: UUID, fact: Fact, tracks: exp.Expr, *, now: datetime) -> exp.Select:
    """The named events of the last weeks, of the project's usual unit type."""
    project = access.project(access.environment(environment_id).project_id)
    track = {name: exp.column(name, table="track") for name in ("unit_type", "name", "derived_at")}
    longest = timedelta(days=max(sources.RECENT_DAYS))
    return (
        exp.select("*")
        .from_(tracks)
        .where(
            track["unit_type"].eq(project.default_unit_type),
            track["name"].eq(fact.event),
            exp.GTE(this=track["derived_at"].copy(), expression=instant(now - longest)),
            exp.LT(this=track["derived_at"].copy(), expression=instant(now)),
        )
    )


def _counts(rows: exp.Query, now: datetime) -> exp.Select:
    moment, unit = exp.column("moment", table="given"), exp.column("unit", table="given")
    numbers: list[exp.Expr] = [exp.Min(this=moment.copy()), exp.Max(this=moment.copy())]
    for days in sources.RECENT_DAYS:
        is_recent = exp.GTE(this=moment.copy(), expression=instant(now - timedelta(days=days)))
        whose = exp.Case(ifs=[exp.If(this=is_recent, true=unit.copy())])
        numbers += [exp.Count(this=whose), exp.Count(this=exp.Distinct(expressions=[whose.copy()]))]
    return exp.select(*numbers).from_(rows.copy().subquery("given"))


def _shown(rows: exp.Query) -> exp.Select:
    names = ("unit", "moment", "added", "properties")
    texts = [exp.cast(exp.column(name, table="given"), "VARCHAR") for name in names]
    return exp.select(*texts).from_(rows.copy().subquery("given")).limit(sources.SAMPLE_ROWS)


def _cells(row: Sequence[object]) -> tuple[str, ...]:
    unit, *others = row
    return (sources.shortened(sources.cell(unit)), *(sources.cell(one) for one in others))


def _without_paths(rows: exp.Query) -> exp.Query:
    """The statement as people read it: the store's files are the table `events`."""
    shown = rows.copy()
    for table in list(shown.find_all(exp.Table)):
        if isinstance(table.this, exp.Anonymous):
            table.replace(exp.to_table("events", alias=table.alias))
    return shown
