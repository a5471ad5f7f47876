"""What a fact adds, as SQL over rows of a source or over events, and per unit where the metric is. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlglot import exp

from equipoise_server.analysis.dialects.engines import DuckDb
from equipoise_server.analysis.dialects.measures import filter_of
from equipoise_server.analysis.dialects.raw import matches, properties, value_of
from equipoise_server.metrics.values import Aggregate, Fact, MetricKind

PER_EVENT = frozenset({MetricKind.MEAN, MetricKind.QUANTILE, MetricKind.EXCEEDANCE})


def of_rows(fact: Fact, kind: MetricKind, columns: list[str]) -> Callable[[exp.Query], exp.Query]:
    """From rows whose declared columns are c0, c1, … to the metric's numbers."""

    def numbers(rows: exp.Query) -> exp.Query:
        held = {name: exp.column(f"c{place}", table="held") for place, name in enumerate(columns)}
        wanted = [held[name].copy().eq(value) for name, value in (fact.where or {}).items()]
        of_property = held[fact.property].copy() if fact.property else None
        given = (
            exp.select(
                exp.column("unit", table="held"),
                exp.alias_(_added(fact, of_property), "added"),
                exp.alias_(of_property or exp.Null(), "told"),
            )
            .from_(rows.copy().subquery("held"))
            .where(*wanted)
        )
        return numbers_of(given, kind)

    return numbers


def of_events(fact: Fact, tracks: exp.Query) -> exp.Select:
    """From events to rows of unit, instant, what each adds, and the property's text."""
    engine = DuckDb()
    told = engine.text_in(properties(), fact.property) if fact.property else exp.Null()
    amount = value_of(engine, fact.property) if fact.aggregate is Aggregate.SUM else _added(fact, told)
    return (
        exp.select(
            exp.column("unit", table="track"),
            exp.alias_(exp.column("derived_at", table="track"), "moment"),
            exp.alias_(amount, "added"),
            exp.alias_(told.copy(), "told"),
            exp.alias_(properties(), "properties"),
        )
        .from_(tracks.subquery("track"))
        .where(*matches(engine, filter_of(fact)))
    )


def numbers_of(given: exp.Query, kind: MetricKind) -> exp.Query:
    """The metric's numbers from rows of unit, `added` and `told`."""
    added, told = exp.column("added", table="given"), exp.column("told", table="given")
    if kind in PER_EVENT:
        return exp.select(exp.alias_(added, "number", quoted=True)).from_(given.subquery("given"))
    whole: exp.Expr = exp.Sum(this=added)
    if kind is MetricKind.UNIQUE:
        whole = exp.Count(this=exp.Distinct(expressions=[told]))
    query = exp.select(exp.alias_(whole, "number", quoted=True)).from_(given.subquery("given"))
    return query.group_by(exp.column("unit", table="given"))


def _added(fact: Fact, of_property: exp.Expr | None) -> exp.Expr:
    if fact.aggregate is Aggregate.WEIGHT and of_property is not None:
        return exp.Case(ifs=list(_weights(fact, of_property)))
    if fact.aggregate is Aggregate.SUM and of_property is not None:
        return of_property.copy()
    return exp.Literal.number("1.0")


def _weights(fact: Fact, of_property: exp.Expr) -> Iterator[exp.If]:
    for said, weight in sorted((fact.weights or {}).items()):
        number = exp.Literal.number(repr(abs(weight)))
        yield exp.If(this=of_property.copy().eq(said), true=exp.Neg(this=number) if weight < 0 else number)
