"""Which touches an event of a unit follows: the last of each sort up to its instant. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import reduce

from sqlglot import exp

from equipoise_server.analysis.dialects.sql import (
    add,
    aliased,
    all_of,
    col,
    eq,
    from_,
    gte,
    largest,
    lt,
    named,
    select,
    span,
    when,
    whole,
)
from equipoise_server.metrics.values import Fact, Touch


def with_touches(
    rows: exp.Select, touches: Sequence[Touch], instants: Callable[[Fact], exp.Select]
) -> exp.Select:
    """The rows (unit, moment, …), each with its unit's last touch of each sort; and rows that add nothing.

    instants: (unit, moment) of a fact's events. A touch at a row's own instant is before it.
    """
    names = [name for name in rows.named_selects if name not in {"unit", "moment"}]
    events = _row(aliased(rows, "event"), len(touches), [col("event", name) for name in names])
    both: exp.Query = events
    for part in _touch_rows(touches, instants, names):
        both = exp.Union(this=both, expression=part, distinct=False)
    held = [col("told", name) for name in ("unit", "moment", *names)]
    lasts = [named(_last(place), touched(place)) for place in range(len(touches))]
    return from_(select(*held, *lasts), aliased(both, "told"))


def follows_touch(touches: Sequence[Touch], table: str) -> exp.Expr:
    """Whether a row (moment, first_at, touched …) follows a touch since the exposure soon enough."""
    ways = [
        all_of(
            gte(col(table, touched(place)), col(table, "first_at")),
            lt(col(table, "moment"), add(col(table, touched(place)), whole(span(touch.within)))),
        )
        for place, touch in enumerate(touches)
    ]
    return exp.Paren(this=reduce(lambda one, other: exp.Or(this=one, expression=other), ways))


def touched(place: int) -> str:
    """What the last touch of a sort is called."""
    return f"touched_{place}"


def _touch_rows(
    touches: Sequence[Touch], instants: Callable[[Fact], exp.Select], names: Sequence[str]
) -> Iterator[exp.Select]:
    for place, touch in enumerate(touches):
        nothing = [named(_nothing(name), name) for name in names]
        yield _row(aliased(instants(touch.fact), "event"), place, nothing)


def _row(events: exp.Expr, sort: int, numbers: Sequence[exp.Expr]) -> exp.Select:
    """sort: which touch it is; events have the last, so that they come after touches of their instant."""
    found = (col("event", "unit"), col("event", "moment"), *numbers, named(whole(sort), "sort"))
    return from_(select(*found), events)


def _nothing(name: str) -> exp.Expr:
    kind = "TEXT" if name == "text" else "DOUBLE"
    return exp.Cast(this=exp.Null(), to=exp.DataType.build(kind))


def _last(place: int) -> exp.Expr:
    moment, sort = col("told", "moment"), col("told", "sort")
    order = exp.Order(expressions=[exp.Ordered(this=moment.copy()), exp.Ordered(this=sort.copy())])
    rows = exp.WindowSpec(kind="ROWS", start="UNBOUNDED", start_side="PRECEDING", end="CURRENT ROW")
    last = largest(when(eq(sort, whole(place)), moment))
    return exp.Window(this=last, partition_by=[col("told", "unit")], order=order, spec=rows)
