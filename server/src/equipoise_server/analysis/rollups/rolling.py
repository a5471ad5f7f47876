"""From events to segments: cut where windows begin or end, added up, and split again when a cut is new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from sqlglot import exp

from equipoise_server.analysis.dialects.engines import DuckDb
from equipoise_server.analysis.dialects.measures import Measure, filter_of
from equipoise_server.analysis.dialects.raw import added, matches, properties
from equipoise_server.analysis.dialects.sql import DAY, all_of, col, eq, named, text, total
from equipoise_server.analysis.rollups.arrivals import Head, Segment, read_days
from equipoise_server.analysis.rollups.firsts import intern
from equipoise_server.analysis.rollups.rolled import AFTER
from equipoise_server.analysis.rollups.shape import EventShape, FactTable, totals_name
from equipoise_server.analysis.rollups.state import State
from equipoise_server.analysis.rollups.touching import TOUCHED

_ENGINE = DuckDb()
SECOND = 1_000_000
"""Segments say how many of these after their start, rounded up, their last event was."""
_AMONG_TOUCHED = "SEMI JOIN touched ON touched.u = track.u"
_BY_DAY = f"ORDER BY track.start // {DAY}, track.u"
_CUTS = """
CREATE OR REPLACE TEMP TABLE cuts AS
SELECT DISTINCT firsts.u, firsts.first_at + offsets.cut AS moment
FROM {firsts} AS firsts
JOIN (SELECT runs.run, UNNEST(runs.cuts) AS cut FROM runs) AS offsets ON offsets.run = firsts.run
WHERE firsts.u IN (SELECT numbered.u FROM numbered)
  AND firsts.first_at + offsets.cut > (SELECT MIN(numbered.moment) FROM numbered) - {day}
  AND firsts.first_at + offsets.cut <= (SELECT MAX(numbered.moment) FROM numbered)
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
JOIN moved ON moved.u = held.u AND held.start < moved.moment
  AND held.start + held.seconds::BIGINT * {second} >= moved.moment
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
    state.run(f"CREATE OR REPLACE TABLE {shape.totals} (u BIGINT, start BIGINT, seconds INTEGER{measures})")
    for table in shape.tables:
        columns = "u BIGINT, start BIGINT, text VARCHAR" if table.is_of_texts else "u BIGINT, moment BIGINT"
        state.run(f"CREATE OR REPLACE TABLE {table.name} ({columns})")


@dataclass(frozen=True, slots=True)
class Where:
    """Where first exposures of the units in the news are, and whether copies of touched units follow.

    is_of_all: not news but whole weeks of events: they are laid down by day, so that news look at few.
    """

    firsts: str = "firsts"
    has_copies: bool = False
    is_of_all: bool = False


def roll(state: State, shapes: Sequence[EventShape], where: Where) -> None:
    """Add `numbered` events to the tables of their names."""
    state.run(_CUTS.format(firsts=where.firsts, day=DAY))
    state.run(_SPLIT)
    for shape in shapes:
        for statement in (_totals_of(shape.event, shape.measures), *map(_facts_of, shape.tables)):
            order = _BY_DAY if where.is_of_all else ""
            state.run(statement.format(prefix="", after=0, among="", order=order))
            if where.has_copies:
                state.run(statement.format(prefix=TOUCHED, after=AFTER, among=_AMONG_TOUCHED, order=""))


def split_again(
    state: State, shapes: Sequence[EventShape], news: tuple[Sequence[Segment], Head], where: Where
) -> int:
    """Make the unit-days anew whose segments reach across a cut of `changed` exposures; how many."""
    files, head = news
    if not state.run("SELECT COUNT(*) FROM changed")[0][0]:
        return 0
    state.run(_MOVED)
    state.run("CREATE OR REPLACE TEMP TABLE torn (event VARCHAR, u BIGINT, day BIGINT)")
    # First exposures that are near are of touched units: their copies tell as much as everything.
    prefix = TOUCHED if where.has_copies and where.firsts != "firsts" else ""
    for shape in shapes:
        state.run(_STRADDLING.format(totals=f"{prefix}{shape.totals}", day=DAY, second=SECOND), [shape.event])
    days = [day for (day,) in state.run("SELECT DISTINCT torn.day FROM torn ORDER BY torn.day")]
    if not days:
        return 0
    segmented = [_without_instants(shape) for shape in shapes]
    for shape in segmented:
        _take_torn(state, shape, where)
    read_days(state, files, head, days, _of_torn(days))
    intern(state, "new_tracks")
    number_tracks(state)
    state.run(
        f"DELETE FROM numbered WHERE (numbered.name, numbered.u, numbered.moment - numbered.moment % {DAY})"
        " NOT IN (SELECT (torn.event, torn.u, torn.day) FROM torn)"
    )
    roll(state, segmented, where)
    return int(state.run("SELECT COUNT(*) FROM torn")[0][0])


def _take_torn(state: State, shape: EventShape, where: Where) -> None:
    for name in shape.held_tables:
        for table, after in ((name, 0), (f"{TOUCHED}{name}", AFTER))[: 1 + where.has_copies]:
            state.run(
                f"DELETE FROM {table} USING torn WHERE torn.event = ? AND torn.u + {after} = {table}.u"
                f" AND torn.day = {table}.start - {table}.start % {DAY}",
                [shape.event],
            )


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


@lru_cache(maxsize=1_000)
def _totals_of(event: str, measures: tuple[Measure, ...]) -> str:
    """To be completed with `prefix`, `after` and `among`; writing SQL costs more than running it on news."""
    numbers = "".join(f", {_sum(one)}" for one in measures)
    columns = "".join(f", {one.name}" for one in measures)
    return (
        f"INSERT INTO {{prefix}}{totals_name(event)} (u, start, seconds{columns})"
        f" SELECT track.u + {{after}}, track.start,"
        f" CAST((MAX(track.moment) - track.start + {SECOND - 1}) // {SECOND} AS INTEGER){numbers}"
        f" FROM track {{among}}"
        f" WHERE {_sql(eq(col('track', 'name'), text(event)))} GROUP BY track.u, track.start {{order}}"
    )


def _sum(measure: Measure) -> str:
    return _sql(named(total(added(_ENGINE, measure)), measure.name))


def _facts_of(table: FactTable) -> str:
    fact = table.fact
    counts = _sql(all_of(eq(col("track", "name"), text(fact.event)), *matches(_ENGINE, filter_of(fact))))
    if not table.is_of_texts:
        return (
            f"INSERT INTO {{prefix}}{table.name} SELECT track.u + {{after}}, track.moment"
            f" FROM track {{among}} WHERE {counts} {{order}}"
        )
    found = _sql(_ENGINE.text_in(properties(), fact.property))
    return (
        f"INSERT INTO {{prefix}}{table.name} SELECT DISTINCT track.u + {{after}}, track.start, {found}"
        f" FROM track {{among}} WHERE {counts} AND {found} IS NOT NULL"
    )


def _sql(expression: exp.Expr) -> str:
    """For str.format: what people wrote may have braces."""
    return expression.sql(dialect=_ENGINE.dialect).replace("{", "{{").replace("}", "}}")
