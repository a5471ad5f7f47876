"""From a plan's columns to one row per exposed unit and to sums per arm: the one statement of all engines.

Stages: first exposures → what each unit did around its own → one row per unit → sums.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Protocol

from sqlglot import exp

from equipoise_server.analysis.columns import Column, Reduction
from equipoise_server.analysis.dialects.measures import Measure, measure_of
from equipoise_server.analysis.dialects.sql import (
    DAY,
    add,
    aliased,
    all_of,
    col,
    day_of,
    eq,
    from_,
    group,
    gt,
    gte,
    is_null,
    join,
    largest,
    lt,
    mul,
    named,
    not_null,
    number,
    select,
    smallest,
    span,
    sub,
    total,
    when,
    where,
    whole,
    within,
)
from equipoise_server.analysis.dialects.touches import follows_touch, with_touches
from equipoise_server.metrics.values import Align, Fact

_FIRSTS = ("pair", "unit", "arm", "first_at", "is_crossed")
ADDITIVE = {Reduction.TOTAL, Reduction.ANY}


@dataclass(frozen=True, slots=True)
class Totals:
    """Rows (unit, moment, one column per measure, named by it) whose numbers may be added."""

    rows: exp.Select
    measures: frozenset[Measure]


class Source(Protocol):
    """Where atoms come from: raw events of some engine, or rollups."""

    def firsts(self) -> exp.Select:
        """(pair, unit, arm, first_at, is_crossed) of every unit of the arms; a pair is a unit in one run."""

    def totals(self, measures: Sequence[Measure]) -> Iterator[Totals]:
        """Rows for all measures, in as many parts as the source has."""

    def texts(self, fact: Fact) -> exp.Select:
        """(unit, moment, text) for the fact's property."""

    def instants(self, fact: Fact) -> exp.Select:
        """(unit, moment) of the fact's events."""


def units_query(columns: Sequence[Column], source: Source) -> exp.Select:
    """(pair, unit, arm, first_at, is_crossed, y0 … yk) per exposed unit; without events its numbers are 0."""
    stages = [*_stages(columns, source)]
    held = {name: stage for stage in stages for name in stage.names}
    numbers = [
        named(_final(column, held[y(place)].name, y(place)), y(place)) for place, column in enumerate(columns)
    ]
    query = select(*(col("firsts", name) for name in _FIRSTS), *numbers)
    query = from_(query, "firsts")
    for stage in stages:
        query = join(query, stage.name, eq(col(stage.name, "pair"), col("firsts", "pair")), side="left")
    query = within(query, "firsts", source.firsts())
    for stage in stages:
        for name, part in stage.parts:
            query = within(query, name, part)
    return query


def sums_query(columns: Sequence[Column], source: Source, pivots: Mapping[str, float]) -> exp.Select:
    """(arm, units, crossed, sums, products, largest) per arm: what an engine hands over instead of rows."""
    shifted = [
        sub(col("units", y(place)), number(pivots.get(column.name, 0.0)))
        for place, column in enumerate(columns)
    ]
    sums = [total(one) for one in shifted]
    products = [
        total(mul(one.copy(), other.copy())) for one, other in combinations_with_replacement(shifted, 2)
    ]
    tops = [largest(col("units", y(place))) for place in range(len(columns))]
    crossed = total(col("units", "is_crossed"))
    query = select(col("units", "arm"), exp.Count(this=exp.Star()), crossed, *sums, *products, *tops)
    query = group(from_(query, "units"), col("units", "arm"))
    rows = units_query(columns, source)
    for part in rows.ctes:
        query.with_(part.alias, as_=part.this, copy=False)
    rows.set("with_", None)
    return within(query, "units", rows)


def y(place: int) -> str:
    """How the column at a place is called."""
    return f"y{place}"


@dataclass(frozen=True, slots=True)
class _Stage:
    """A common table with one row per unit and some of the numbers, and those that it needs before it."""

    name: str
    names: tuple[str, ...]
    parts: tuple[tuple[str, exp.Select], ...]


def _stages(columns: Sequence[Column], source: Source) -> Iterator[_Stage]:
    placed = [*enumerate(columns)]
    for group_, additive in enumerate(_by_touches(placed)):
        yield from _additive(f"touched{group_}_" if group_ else "totals", additive, source)
    for place, column in placed:
        match column.reduction:
            case Reduction.UNIQUE:
                yield _unique(place, column, source)
            case Reduction.FUNNEL:
                yield _funnel(place, column, source)
            case Reduction.UNANSWERED:
                yield _unanswered(place, column, source)
            case _:
                pass


def _by_touches(placed: Sequence[tuple[int, Column]]) -> Iterator[list[tuple[int, Column]]]:
    """Additive columns that follow the same touches share a pass; first come those that follow none."""
    groups: dict[str, list[tuple[int, Column]]] = {repr(()): []}
    for place, column in placed:
        if column.reduction in ADDITIVE:
            groups.setdefault(repr(column.touches), []).append((place, column))
    yield from groups.values()


def _additive(prefix: str, additive: Sequence[tuple[int, Column]], source: Source) -> Iterator[_Stage]:
    measures = [*dict.fromkeys(measure_of(column) for _, column in additive)]
    for number_, rows in enumerate(source.totals(measures) if measures else ()):
        mine = [(place, column) for place, column in additive if measure_of(column) in rows.measures]
        name, touches = f"{prefix}{number_}", mine[0][1].touches
        found = with_touches(rows.rows, touches, source.instants) if touches else rows.rows
        yield _Stage(name, tuple(y(place) for place, _ in mine), ((name, _totals(mine, found)),))


def _totals(placed: Sequence[tuple[int, Column]], rows: exp.Select) -> exp.Select:
    numbers = [named(added_up(column), y(place)) for place, column in placed]
    found = joined([column for _, column in placed], rows)
    return group(from_(select(col("done", "pair"), *numbers), aliased(found, "done")), col("done", "pair"))


def joined(columns: Sequence[Column], rows: exp.Select, *, held: Sequence[str] = ()) -> exp.Select:
    """The rows of exposed units between the earliest and the latest instant that a column looks at.

    held: what else of the unit's first exposure each row carries.
    """
    at, first = col("atoms", "moment"), col("firsts", "first_at")
    names = [name for name in rows.named_selects if name not in {"unit", "moment"}]
    query = select(
        col("firsts", "pair"), named(at, "moment"), first, named(sub(at.copy(), first.copy()), "after"),
        *(col("firsts", name) for name in held), *(col("atoms", name) for name in names),
    )  # fmt: skip
    query = from_(query, "firsts")
    reach = max(span(column.window) + (DAY if column.align is Align.DAY else 0) for column in columns)
    past = max(span(column.before) + (DAY if column.before else 0) for column in columns)
    return join(
        query,
        aliased(rows, "atoms"),
        all_of(
            eq(col("atoms", "unit"), col("firsts", "unit")),
            gte(at.copy(), sub(first.copy(), whole(past)) if past else first.copy()),
            lt(at.copy(), add(first.copy(), whole(reach))),
        ),
    )


def added_up(column: Column) -> exp.Expr:
    """An additive column from rows `done` (moment, first_at, after, measures), to be grouped by unit."""
    value = col("done", measure_of(column).name)
    counted = in_window(column)
    if column.reduction is Reduction.ANY:
        return largest(when(all_of(counted, gt(value, whole(0))), number(1.0)))
    return total(when(counted, value))


def in_window(column: Column, table: str = "done") -> exp.Expr:
    """Whether a row (moment, first_at, after) lies in the column's window, and after a touch if it must."""
    at, first, after = (col(table, name) for name in ("moment", "first_at", "after"))
    if column.before:
        return all_of(lt(after, whole(0)), gte(at, sub(day_of(first), whole(span(column.before)))))
    counted = [gte(after, whole(span(column.delay)))]
    if column.touches:
        counted.append(follows_touch(column.touches, table))
    if column.align is Align.EXACT:
        return all_of(*counted, lt(after.copy(), whole(span(column.window))))
    midnight = add(day_of(add(first, whole(span(column.window)))), whole(DAY))
    return all_of(*counted, lt(at, midnight))


def _unique(place: int, column: Column, source: Source) -> _Stage:
    name = f"unique{place}"
    counted = exp.Count(this=exp.Distinct(expressions=[when(in_window(column), col("done", "text"))]))
    rows, touches = source.texts(column.fact), column.touches
    found = joined([column], with_touches(rows, touches, source.instants) if touches else rows)
    number_ = exp.Cast(this=counted, to=exp.DataType.build("DOUBLE"))
    query = from_(select(col("done", "pair"), named(number_, y(place))), aliased(found, "done"))
    return _Stage(name, (y(place),), ((name, group(query, col("done", "pair"))),))


def _funnel(place: int, column: Column, source: Source) -> _Stage:
    """The earliest way through: each step's first instant after the one before, all within the window."""
    parts: list[tuple[str, exp.Select]] = []
    for step, fact in enumerate((column.fact, *column.steps)):
        name, before = f"funnel{place}_{step}", f"funnel{place}_{step - 1}"
        found = from_(
            where(select(col("done", "pair"), named(col("done", "moment"), "moment")), in_window(column)),
            aliased(joined([column], source.instants(fact)), "done"),
        )
        query = select(col("taken", "pair"), named(smallest(col("taken", "moment")), "step_at"))
        query = from_(query, aliased(found, "taken"))
        if step:
            later = gt(col("taken", "moment"), col(before, "step_at"))
            query = join(query, before, all_of(eq(col(before, "pair"), col("taken", "pair")), later))
        parts.append((name, group(query, col("taken", "pair"))))
    last = f"funnel{place}"
    through = select(col(parts[-1][0], "pair"), named(number(1.0), y(place)))
    parts.append((last, from_(through, parts[-1][0])))
    return _Stage(last, (y(place),), tuple(parts))


def _unanswered(place: int, column: Column, source: Source) -> _Stage:
    """Events with no answer strictly after them and within the time; of one instant, answers come first."""
    assert column.answer is not None
    name, asked = f"unanswered{place}", f"asked{place}"
    found = joined([column], from_(_next_answers(), aliased(_asks_and_answers(column, source), "said")))
    late = gt(col("done", "answered_at"), add(col("done", "moment"), whole(span(column.within))))
    is_open = exp.Paren(this=exp.Or(this=is_null(col("done", "answered_at")), expression=late))
    counted = when(all_of(eq(col("done", "asks"), whole(1)), in_window(column), is_open), number(1.0))
    query = from_(select(col("done", "pair"), named(total(counted), y(place))), asked_as(asked))
    return _Stage(name, (y(place),), ((asked, found), (name, group(query, col("done", "pair")))))


def asked_as(name: str) -> exp.Expr:
    """The named common table as `done`."""
    return exp.Table(this=exp.to_identifier(name), alias=exp.TableAlias(this=exp.to_identifier("done")))


def _asks_and_answers(column: Column, source: Source) -> exp.Expr:
    assert column.answer is not None
    parts = [
        from_(
            select(col("event", "unit"), col("event", "moment"), named(whole(asks), "asks")),
            aliased(source.instants(fact), "event"),
        )
        for asks, fact in ((1, column.fact), (0, column.answer))
    ]
    return exp.Union(this=parts[0], expression=parts[1], distinct=False)


def _next_answers() -> exp.Select:
    unit, at, asks = (col("said", name) for name in ("unit", "moment", "asks"))
    answers = smallest(when(eq(asks.copy(), whole(0)), at.copy()))
    order = exp.Order(expressions=[exp.Ordered(this=at.copy()), exp.Ordered(this=asks.copy())])
    rows = exp.WindowSpec(
        kind="ROWS", start=whole(1), start_side="FOLLOWING", end="UNBOUNDED", end_side="FOLLOWING"
    )
    following = exp.Window(this=answers, partition_by=[unit.copy()], order=order, spec=rows)
    return select(unit, at, asks, named(following, "answered_at"))


def _final(column: Column, stage: str, name: str) -> exp.Expr:
    found: exp.Expr = exp.Coalesce(this=col(stage, name), expressions=[number(0.0)])
    return found if column.cap is None else exp.Least(this=found, expressions=[number(column.cap)])


__all__ = [
    "Source", "Totals", "added_up", "aliased", "in_window", "joined", "not_null", "sums_query", "units_query",
    "y",
]  # fmt: skip
