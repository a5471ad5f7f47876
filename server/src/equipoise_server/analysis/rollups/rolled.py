"""Rollups as the source of every column: the same statement that reads raw events reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlglot import exp

from equipoise_server.analysis.columns import Column
from equipoise_server.analysis.dialects.measures import Measure, fact_name
from equipoise_server.analysis.dialects.sql import (
    add,
    col,
    eq,
    from_,
    join,
    lt,
    mul,
    named,
    select,
    when,
    where,
    whole,
)
from equipoise_server.analysis.dialects.units import Totals, units_query
from equipoise_server.analysis.rollups.shape import totals_name
from equipoise_server.metrics.values import Fact

UNTIL, EXPOSED_BEFORE = "until", "exposed_before"
PAIRS = 2**40
"""More than there are units: a pair's number says its run and its unit."""
AFTER = PAIRS // 2
"""Added to a unit's number where a copy holds it twice: as it was, and as it is."""
_PREFIX = "prefix_of_copies_"


@dataclass(frozen=True, slots=True)
class RolledSource:
    """Exposures and segments of the runs that are `asked`. `prefix` names copies that hold some units only.

    Parameters remain open in every statement: $exposed_before, $until (a midnight or the state's own
    instant), and $shard of $shards. So runs share a statement.
    """

    prefix: str = ""

    def firsts(self) -> exp.Select:
        """The runs' first exposures; crossed if the unit met another arm in time."""
        crossed = when(lt(col("held", "crossed_at"), _given(UNTIL)), whole(1), whole(0))
        query = select(
            named(add(mul(col("asked", "place"), whole(PAIRS)), col("held", "u")), "pair"),
            named(col("held", "u"), "unit"),
            col("held", "arm"),
            col("held", "first_at"),
            named(crossed, "is_crossed"),
        )
        query = from_(query, self._table("firsts"))
        return where(
            join(query, "asked", eq(col("asked", "run"), col("held", "run"))),
            lt(col("held", "first_at"), _given(EXPOSED_BEFORE)),
            self._in_shard(),
        )

    def totals(self, measures: Sequence[Measure]) -> Iterator[Totals]:
        """One part per event."""
        for event in dict.fromkeys(one.event for one in measures):
            mine = frozenset(one for one in measures if one.event == event)
            numbers = [col("held", one.name) for one in measures if one in mine]
            yield Totals(self._rows(totals_name(event), "start", *numbers), mine)

    def texts(self, fact: Fact) -> exp.Select:
        """Each text once per segment."""
        return self._rows(fact_name("texts", fact), "start", col("held", "text"))

    def instants(self, fact: Fact) -> exp.Select:
        """When each of the fact's events happened."""
        return self._rows(fact_name("instants", fact), "moment")

    def _rows(self, table: str, at: str, *more: exp.Expr) -> exp.Select:
        query = select(named(col("held", "u"), "unit"), named(col("held", at), "moment"), *more)
        query = from_(query, self._table(table))
        return where(query, lt(col("held", at), _given(UNTIL)), self._in_shard())

    def _in_shard(self) -> exp.Expr:
        """Some of the units at a time, so that memory is bounded."""
        return eq(exp.Mod(this=col("held", "u"), expression=_given("shards")), _given("shard"))

    def _table(self, name: str) -> exp.Expr:
        return exp.Table(
            this=exp.to_identifier(f"{self.prefix}{name}"),
            alias=exp.TableAlias(this=exp.to_identifier("held")),
        )


def rows_statement(columns: Sequence[Column]) -> str:
    """(run's place, is_after, arm's place, is_crossed, y0 … yk) per exposed unit; see `named_tables`."""
    rows = units_query(columns, RolledSource(_PREFIX)).sql(dialect="duckdb")
    return (
        f"SELECT rows.pair // {PAIRS} AS run, rows.unit >= {AFTER} AS is_after,"
        f" rows.* EXCLUDE (pair, unit, first_at) FROM ({rows}) AS rows"
    )


def named_tables(statement: str, prefix: str) -> str:
    """The statement for tables whose names have this prefix: writing it once is enough."""
    return statement.replace(_PREFIX, prefix)


def _given(name: str) -> exp.Expr:
    return exp.Parameter(this=exp.Var(this=name))
