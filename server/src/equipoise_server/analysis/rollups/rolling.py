"""From events to segments: cut where windows begin or end, added up, and split again when a cut is new."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from equipoise_server.analysis.dialects.engines import DuckDb
from equipoise_server.analysis.dialects.measures import Measure, filter_of
from equipoise_server.analysis.dialects.raw import added, matches, properties
from equipoise_server.analysis.dialects.sql import DAY, all_of, col, eq, named, text, total
from equipoise_server.analysis.rollups.arrivals import Head, Segment, read_days
from equipoise_server.analysis.rollups.firsts import intern
from equipoise_server.analysis.rollups.shape import EventShape, FactTable
from equipoise_server.analysis.rollups.state import State

_ENGINE = DuckDb()
_CUTS = """
CREATE OR REPLACE TEMP TABLE cuts AS
SELECT DISTINCT firsts.u, firsts.first_at + offsets.cut AS moment
FROM firsts JOIN (SELECT runs.run, UNNEST(runs.cuts) AS cut FROM runs) AS offsets ON offsets.run = firsts.run
WHERE firsts.u IN (SELECT numbered.u FROM numbered)
"""
_NUMBERED = """
CREATE OR REPLACE TEMP TABLE numbered AS
SELECT known.u, n.name, n.moment, n.value, n.properties FROM new_tracks AS n
JOIN known ON known.unit_type = n.unit_type AND known.unit = n.unit
"""
_SPLIT = f"""
CREATE OR REPLACE TEMP TABLE track AS
SELECT n.u, n.name, n.moment, n.value, n.properties,
  GREATEST(n.moment - n.moment % {DAY}, COALESCE(cuts.moment, 0)) AS start
FROM numbered AS n ASOF LEFT JOIN cuts ON cuts.u = n.u AND n.moment >= cuts.moment
"""
_STRADDLING = """
INSERT INTO torn SELECT DISTINCT ?, held.u, held.start - held.start % {day}
FROM {totals} AS held
JOIN moved ON moved.u = held.u AND held.start < moved.moment AND held.last >= moved.moment
"""
_MOVED = """
CREATE OR REPLACE TEMP TABLE moved AS
SELECT DISTINCT changed.u, changed.first_at + offsets.cut AS moment
FROM changed
JOIN (SELECT runs.run, UNNEST(runs.cuts) AS cut FROM runs) AS offsets ON offsets.run = changed.run
"""


def number_tracks(state: State) -> None:
    """`numbered`: `new_tracks` with the numbers of their units, which are `known`."""
    state.run(_NUMBERED)


def drop_unused(state: State, shape: EventShape, held: frozenset[str]) -> None:
    """Let go of what no plan reads any more, so that what is there is always whole."""
    for name in sorted(held - shape.names):
        if name.startswith("m_"):
            state.run(f"ALTER TABLE {shape.totals} DROP COLUMN {name}")
        else:
            state.run(f"DROP TABLE {name}")


def make_tables(state: State, shape: EventShape) -> None:
    """Empty tables for an event, in place of any that there were."""
    measures = "".join(f", {one.name} DOUBLE" for one in shape.measures)
    state.run(
        f"CREATE OR REPLACE TABLE {shape.totals} (u BIGINT, start BIGINT, last BIGINT, n BIGINT{measures})"
    )
    for table in shape.tables:
        columns = "u BIGINT, start BIGINT, text VARCHAR" if table.is_of_texts else "u BIGINT, moment BIGINT"
        state.run(f"CREATE OR REPLACE TABLE {table.name} ({columns})")


def roll(state: State, shapes: Sequence[EventShape]) -> None:
    """Add `numbered` events to the tables of their names."""
    state.run(_CUTS)
    state.run(_SPLIT)
    for shape in shapes:
        state.run(_totals_of(shape))
        for table in shape.tables:
            state.run(_facts_of(table))


def split_again(state: State, shapes: Sequence[EventShape], files: Sequence[Segment], head: Head) -> int:
    """Make the unit-days anew whose segments reach across a cut of `changed` exposures; how many."""
    state.run(_MOVED)
    state.run("CREATE OR REPLACE TEMP TABLE torn (event VARCHAR, u BIGINT, day BIGINT)")
    for shape in shapes:
        state.run(_STRADDLING.format(totals=shape.totals, day=DAY), [shape.event])
    days = [day for (day,) in state.run("SELECT DISTINCT torn.day FROM torn ORDER BY torn.day")]
    if not days:
        return 0
    for shape in shapes:
        for name in _without_instants(shape).held_tables:
            state.run(
                f"DELETE FROM {name} USING torn WHERE torn.event = ? AND torn.u = {name}.u"
                f" AND torn.day = {name}.start - {name}.start % {DAY}",
                [shape.event],
            )
    read_days(state, files, head, days, _of_torn(days))
    intern(state, "new_tracks")
    number_tracks(state)
    state.run(
        f"DELETE FROM numbered WHERE (numbered.name, numbered.u, numbered.moment - numbered.moment % {DAY})"
        " NOT IN (SELECT (torn.event, torn.u, torn.day) FROM torn)"
    )
    roll(state, [_without_instants(shape) for shape in shapes])
    return int(state.run("SELECT COUNT(*) FROM torn")[0][0])


def _of_torn(days: Sequence[int]) -> str:
    """A condition on raw events `e` that only torn unit-days can meet."""
    return (  # our own numbers and names
        f"epoch_us(e.derived_at) >= {days[0]} AND epoch_us(e.derived_at) < {days[-1] + DAY}"
        " AND (e.unit_type, e.unit) IN (SELECT (units.unit_type, units.unit) FROM units"
        " WHERE units.u IN (SELECT torn.u FROM torn))"
    )


def _without_instants(shape: EventShape) -> EventShape:
    """Instants have no segments: a new cut leaves them alone."""
    return EventShape(
        shape.event, shape.measures, tuple(table for table in shape.tables if table.is_of_texts)
    )


def _totals_of(shape: EventShape) -> str:
    numbers = "".join(f", {_sum(one)}" for one in shape.measures)
    columns = "".join(f", {one.name}" for one in shape.measures)
    return (
        f"INSERT INTO {shape.totals} (u, start, last, n{columns})"
        f" SELECT track.u, track.start, MAX(track.moment), COUNT(*){numbers} FROM track"
        f" WHERE {_sql(eq(col('track', 'name'), text(shape.event)))} GROUP BY track.u, track.start"
    )


def _sum(measure: Measure) -> str:
    return _sql(named(total(added(_ENGINE, measure)), measure.name))


def _facts_of(table: FactTable) -> str:
    fact = table.fact
    counts = _sql(all_of(eq(col("track", "name"), text(fact.event)), *matches(_ENGINE, filter_of(fact))))
    if not table.is_of_texts:
        return f"INSERT INTO {table.name} SELECT track.u, track.moment FROM track WHERE {counts}"
    found = _sql(_ENGINE.text_in(properties(), fact.property))
    return (
        f"INSERT INTO {table.name} SELECT DISTINCT track.u, track.start, {found} FROM track"
        f" WHERE {counts} AND {found} IS NOT NULL"
    )


def _sql(expression: exp.Expr) -> str:
    return expression.sql(dialect=_ENGINE.dialect)
