"""How many of a metric's events of late followed each of its clicks and views: for people who set windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import duckdb
from sqlglot import exp

from equipoise_server.access import reads as access
from equipoise_server.analysis.dialects.engines import DuckDb, written
from equipoise_server.analysis.dialects.raw import RawSource
from equipoise_server.analysis.dialects.sql import (
    add,
    aliased,
    col,
    eq,
    from_,
    group,
    lt,
    named,
    number,
    select,
    span,
    when,
    where,
    whole,
)
from equipoise_server.analysis.dialects.touches import touched, with_touches
from equipoise_server.analysis.plan import Plan, Span
from equipoise_server.analysis.query import tracks_of
from equipoise_server.events import reads as events
from equipoise_server.events.values import EventKind
from equipoise_server.metrics.values import Definition, Touch
from equipoise_server.sources import reads as sources


@dataclass(frozen=True, slots=True)
class Followed:
    """Events of the last weeks, each once: put down to a touch, or to none (None)."""

    touch: Touch | None
    events: int
    units: int


def followed_touches(environment_id: UUID, definition: Definition, *, now: datetime) -> tuple[Followed, ...]:
    """By touch, clicks before views, and at last those that follow none; of all units, exposed or not.

    Empty where the metric follows nothing, and where it reads tables: they are fetched for exposed units.
    """
    if not definition.touches or definition.sources:
        return ()
    since = now - timedelta(days=max(sources.RECENT_DAYS))
    unit_type = access.project(access.environment(environment_id).project_id).default_unit_type
    files = events.pinned_files(environment_id, EventKind.TRACK, since=since, until=now).paths
    everything = Plan("", 0, unit_type, (), since, ())
    source = RawSource(DuckDb(), everything, Span(now, now), exp.to_table("nobody"), tracks_of(files))
    database = duckdb.connect(":memory:", config={"threads": 2})
    try:
        rows = database.execute(written(_counted(definition, source), DuckDb())).fetchall()
    finally:
        database.close()
    found = {way: (counted, units) for way, counted, units in rows}
    ways = (*definition.touches, None)
    return tuple(Followed(touch, *found.get(place, (0, 0))) for place, touch in enumerate(ways))


def _counted(definition: Definition, source: RawSource) -> exp.Select:
    """(place of the touch, events, units)"""
    own = select(col("own", "unit"), col("own", "moment"), named(number(1.0), "counts"))
    rows = from_(own, aliased(source.instants(definition.fact), "own"))
    found = aliased(with_touches(rows, definition.touches, source.instants), "told")
    way = _way(definition.touches)
    unit = exp.Count(this=exp.Distinct(expressions=[col("told", "unit")]))
    query = from_(select(named(way, "way"), exp.Count(this=exp.Star()), unit), found)
    return group(where(query, eq(col("told", "counts"), number(1.0))), whole(1))


def _way(touches: Sequence[Touch]) -> exp.Expr:
    """The first touch that is recent enough."""
    found: exp.Expr = whole(len(touches))
    for place, touch in reversed([*enumerate(touches)]):
        until = add(col("told", touched(place)), whole(span(touch.within)))
        found = when(lt(col("told", "moment"), until), whole(place), found)
    return found
