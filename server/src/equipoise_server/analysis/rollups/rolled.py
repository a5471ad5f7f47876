"""Rollups as the source of every column: the same statement that reads raw events reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlglot import exp

from equipoise_server.analysis.dialects.measures import Measure, fact_name
from equipoise_server.analysis.dialects.sql import (
    col,
    eq,
    from_,
    lt,
    named,
    select,
    text,
    when,
    where,
    whole,
)
from equipoise_server.analysis.dialects.units import Totals, units_query
from equipoise_server.analysis.plan import Plan
from equipoise_server.analysis.rollups.shape import run_of, totals_name
from equipoise_server.metrics.values import Fact

UNTIL, EXPOSED_BEFORE = "until", "exposed_before"


@dataclass(frozen=True, slots=True)
class RolledSource:
    """One run's exposures and segments. `prefix` names copies that hold some units only.

    Two parameters remain open in every statement: $until, a midnight or the state's own instant, and
    $exposed_before.
    """

    plan: Plan
    prefix: str = ""

    def firsts(self) -> exp.Select:
        """The run's first exposures; crossed if it met another arm in time."""
        crossed = when(lt(col("held", "crossed_at"), _given(UNTIL)), whole(1), whole(0))
        query = select(
            named(col("held", "u"), "unit"),
            col("held", "arm"),
            col("held", "first_at"),
            named(crossed, "is_crossed"),
        )
        return where(
            from_(query, self._table("firsts")),
            eq(col("held", "run"), text(run_of(self.plan))),
            lt(col("held", "first_at"), _given(EXPOSED_BEFORE)),
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
        return where(from_(query, self._table(table)), lt(col("held", at), _given(UNTIL)))

    def _table(self, name: str) -> exp.Expr:
        return exp.Table(
            this=exp.to_identifier(f"{self.prefix}{name}"),
            alias=exp.TableAlias(this=exp.to_identifier("held")),
        )


def rows_statement(plan: Plan, prefix: str = "") -> str:
    """(arm's place in the plan, is_crossed, y0 … yk) per exposed unit."""
    rows = units_query(plan.columns, RolledSource(plan, prefix)).sql(dialect="duckdb")
    arms = ", ".join(text(arm).sql(dialect="duckdb") for arm in plan.arms)
    return (
        f"SELECT list_position([{arms}], rows.arm) AS arm, rows.* EXCLUDE (unit, arm, first_at)"
        f" FROM ({rows}) AS rows"
    )


def _given(name: str) -> exp.Expr:
    return exp.Parameter(this=exp.Var(this=name))
