"""Atoms straight from raw exposures and events, as the event store and warehouses keep them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlglot import exp

from equipoise_server.analysis.dialects.engines import Engine, number_in
from equipoise_server.analysis.dialects.measures import Filter, Measure, filter_of
from equipoise_server.analysis.dialects.sql import (
    all_of,
    col,
    eq,
    from_,
    gt,
    gte,
    largest,
    lt,
    lte,
    named,
    not_null,
    number,
    one_of,
    select,
    smallest,
    text,
    when,
    where,
    whole,
)
from equipoise_server.analysis.dialects.units import Totals
from equipoise_server.analysis.plan import Plan, Span
from equipoise_server.events.values import LARGEST_VALUE
from equipoise_server.metrics.values import Aggregate, Fact


@dataclass(frozen=True, slots=True)
class RawSource:
    """Exposures and events of one iteration, in tables that have the event store's columns."""

    engine: Engine
    plan: Plan
    span: Span
    exposures: exp.Expr
    tracks: exp.Expr

    def firsts(self) -> exp.Select:
        """The first exposure of each unit decides its arm, whatever it met later."""
        seen = exp.Subquery(this=self._seen(), alias=exp.TableAlias(this=exp.to_identifier("seen")))
        held = (col("seen", name) for name in ("unit", "arm", "first_at", "is_crossed"))
        query = select(named(col("seen", "unit"), "pair"), *held)
        is_first = eq(col("seen", "place"), whole(1))
        until = exposed_before(self.engine, self.span)
        return where(from_(query, seen), is_first, lt(col("seen", "seen_at"), until))

    def _seen(self) -> exp.Select:
        """Each exposure to an arm, its place in the unit's history, and whether the unit met several arms."""
        exposure = {name: col("exposure", name) for name in ("unit", "variant", "derived_at", "id")}
        order = exp.Order(
            expressions=[
                exp.Ordered(this=exposure["derived_at"].copy()),
                exp.Ordered(this=self.engine.ordered(exposure["id"])),
            ]
        )
        crossed = exp.NEQ(
            this=_over_unit(smallest(exposure["variant"].copy())),
            expression=_over_unit(largest(exposure["variant"].copy())),
        )
        query = select(
            exposure["unit"],
            named(exposure["variant"].copy(), "arm"),
            named(exposure["derived_at"].copy(), "seen_at"),
            named(self.engine.micros(exposure["derived_at"].copy()), "first_at"),
            named(_over_unit(exp.RowNumber(), order), "place"),
            named(when(crossed, whole(1), whole(0)), "is_crossed"),
        )
        return where(
            from_(query, _as(self.exposures, "exposure")),
            eq(col("exposure", "experiment"), text(self.plan.experiment)),
            eq(col("exposure", "iteration"), whole(self.plan.iteration)),
            eq(col("exposure", "unit_type"), text(self.plan.unit_type)),
            one_of(col("exposure", "variant"), self.plan.arms),
            *self._between("exposure", self.plan.since),
        )

    def totals(self, measures: Sequence[Measure]) -> Iterator[Totals]:
        """One pass over all events."""
        numbers = [named(added(self.engine, one), one.name) for one in measures]
        yield Totals(self._events({one.event for one in measures}, *numbers), frozenset(measures))

    def texts(self, fact: Fact) -> exp.Select:
        """The property's text in each of the fact's events."""
        found = self.engine.text_in(properties(), fact.property)
        query = self._events({fact.event}, named(found, "text"))
        return where(query, *matches(self.engine, filter_of(fact)))

    def instants(self, fact: Fact) -> exp.Select:
        """When each of the fact's events happened."""
        return where(self._events({fact.event}), *matches(self.engine, filter_of(fact)))

    def _events(self, names: set[str], *numbers: exp.Expr) -> exp.Select:
        at = named(self.engine.micros(col("track", "derived_at")), "moment")
        query = from_(select(col("track", "unit"), at, *numbers), _as(self.tracks, "track"))
        return where(
            query,
            eq(col("track", "unit_type"), text(self.plan.unit_type)),
            one_of(col("track", "name"), sorted(names)),
            *self._between("track", self.plan.since - self.plan.longest_past),
        )

    def _between(self, table: str, since: datetime) -> Iterator[exp.Expr]:
        yield gte(col(table, "derived_at"), self.engine.instant(since))
        yield lt(col(table, "derived_at"), self.engine.instant(self.span.until))
        yield exp.Not(this=col(table, "is_early"))


def exposed_before(engine: Engine, span: Span) -> exp.Expr:
    """Before when a unit must have been exposed."""
    return engine.instant(span.exposed_before)


def added(engine: Engine, measure: Measure) -> exp.Expr:
    """What one event adds to a measure; nothing when it does not count."""
    counts = [eq(col("track", "name"), text(measure.event)), *matches(engine, measure.where)]
    if measure.needs_value:
        counts.append(not_null(value_of(engine, measure.value_of)))
    if measure.threshold is not None:
        counts.append(gt(value_of(engine, measure.value_of), number(measure.threshold)))
    return when(all_of(*counts), _amount(engine, measure))


def _amount(engine: Engine, measure: Measure) -> exp.Expr:
    match measure.aggregate:
        case Aggregate.COUNT:
            return number(1.0)
        case Aggregate.SUM:
            return value_of(engine, measure.value_of)
        case Aggregate.WEIGHT:
            return _weight(engine, measure)


def _weight(engine: Engine, measure: Measure) -> exp.Expr:
    weighed = exp.Case(
        ifs=[
            exp.If(this=eq(engine.text_in(properties(), measure.value_of), text(said)), true=number(weight))
            for said, weight in measure.weights
        ]
    )
    return when(engine.is_type(properties(), measure.value_of, "text"), weighed)


def value_of(engine: Engine, name: str) -> exp.Expr:
    """An event's own value, or a numeric property; no number, nothing."""
    if not name:
        return col("track", "value")
    found = number_in(engine, properties(), name)
    usable = lte(exp.Abs(this=found.copy()), number(LARGEST_VALUE))
    return when(usable, found)


def matches(engine: Engine, wanted: Filter) -> Iterator[exp.Expr]:
    """The properties that an event must have, each of the same type as the wanted value."""
    for key, kind, value in wanted:
        if kind == "number":
            yield eq(number_in(engine, properties(), key), number(float(value)))
        else:
            yield engine.is_type(properties(), key, kind)
            yield eq(engine.text_in(properties(), key), text(value))


def properties() -> exp.Expr:
    """An event's properties, as JSON text."""
    return col("track", "properties")


def _over_unit(value: exp.Expr, order: exp.Order | None = None) -> exp.Expr:
    return exp.Window(this=value, partition_by=[col("exposure", "unit")], order=order)


def _as(table: exp.Expr, name: str) -> exp.Expr:
    named_table = table.copy()
    named_table.set("alias", exp.TableAlias(this=exp.to_identifier(name)))
    return named_table
