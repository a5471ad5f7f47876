"""The typed plan of one number per unit: which events count, when, and how they add up. Pure.

Every engine and every source of events computes these columns; none knows more of a metric than them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from equipoise_server.metrics.values import Aggregate, Align, Definition, Fact, MetricKind, Spread, Touch

BEFORE = ":before"
DENOMINATOR = ":denominator"
EVENTS_WITH_A_VALUE = ":events"


class Reduction(StrEnum):
    """How a unit's events become its number."""

    TOTAL = "total"
    """What they add, added up."""
    ANY = "any"
    """1 when there is one."""
    UNIQUE = "unique"
    """How many different texts the fact's property takes."""
    FUNNEL = "funnel"
    """1 when the fact and then every step happen, each strictly after the one before."""
    UNANSWERED = "unanswered"
    """How many of them no answer follows in time."""


@dataclass(frozen=True, slots=True)
class Column:
    """One number per unit, from events in [first exposure + delay, first exposure + window)."""

    name: str
    fact: Fact
    window: timedelta
    cap: float | None = None
    reduction: Reduction = Reduction.TOTAL
    needs_value: bool = False
    """Counts only events that carry the value: what a mean is divided by."""
    delay: timedelta = timedelta(0)
    align: Align = Align.EXACT
    threshold: float | None = None
    """Counts only events whose value is above."""
    steps: tuple[Fact, ...] = ()
    answer: Fact | None = None
    within: timedelta = timedelta(0)
    before: timedelta = timedelta(0)
    """Not zero: a covariate, from the midnight so long before the exposure's day up to the exposure."""
    touches: tuple[Touch, ...] = ()
    """Counts only events soon enough after one of these, itself at or after the exposure."""

    @property
    def reach(self) -> timedelta:
        """How long after its exposure a unit's number may still change."""
        if self.before:
            return timedelta(0)
        day = timedelta(days=1) if self.align is Align.DAY else timedelta(0)
        return self.window + day + self.within

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Every fact it reads."""
        answer = () if self.answer is None else (self.answer,)
        return (self.fact, *self.steps, *answer, *(touch.fact for touch in self.touches))


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile metric: which values it ranks, and at which share of them it lies."""

    column: Column
    """Whose values are ranked: what each event adds to it, or what it is of each unit."""
    share: float
    over: Spread = Spread.EVENTS

    @property
    def name(self) -> str:
        """The metric's key."""
        return self.column.name

    def beyond(self, threshold: float, name: str) -> Column:
        """How many of a unit's events lie above a threshold."""
        return replace(self.events(name), threshold=threshold)

    def events(self, name: str) -> Column:
        """How many of a unit's events have a value at all."""
        return replace(
            self.column, name=name, fact=_with(self.column.fact, Aggregate.COUNT), needs_value=True
        )


def quantile_of(key: str, definition: Definition) -> Quantile | None:
    """What a quantile metric ranks; None for every other kind."""
    if definition.kind is not MetricKind.QUANTILE:
        return None
    assert definition.quantile is not None, "the metrics room refuses a quantile without one"
    column = Column(key, definition.fact, definition.window, delay=definition.delay, align=definition.align)
    return Quantile(column, definition.quantile, definition.over)


def columns_of(key: str, definition: Definition) -> Iterator[Column]:
    """A metric's columns: its value, what it is divided by, and their covariates.

    What a quantile ranks is no number per unit; of it there is how many events carry one.
    """
    quantile = quantile_of(key, definition)
    if quantile is not None:
        yield quantile.events(f"{key}{EVENTS_WITH_A_VALUE}")
        return
    value = _value_column(key, definition)
    below = _divisor_column(key, definition)
    yield value
    if below is not None:
        yield below
    if definition.covariate_days:
        yield from (_before(column, definition.covariate_days) for column in (value, below) if column)


def _value_column(key: str, definition: Definition) -> Column:
    column = Column(
        key,
        definition.fact,
        definition.window,
        definition.cap,
        delay=definition.delay,
        align=definition.align,
        touches=definition.touches,
    )
    match definition.kind:
        case MetricKind.CONVERSION | MetricKind.RETENTION:
            return replace(column, reduction=Reduction.ANY)
        case MetricKind.MEAN:
            return replace(column, fact=_with(definition.fact, Aggregate.SUM))
        case MetricKind.UNIQUE:
            return replace(column, reduction=Reduction.UNIQUE)
        case MetricKind.FUNNEL:
            return replace(column, reduction=Reduction.FUNNEL, steps=definition.steps)
        case MetricKind.EXCEEDANCE:
            fact = _with(definition.fact, Aggregate.COUNT)
            return replace(column, fact=fact, needs_value=True, threshold=definition.threshold)
        case MetricKind.ABSENCE:
            within = definition.within or timedelta(0)
            return replace(column, reduction=Reduction.UNANSWERED, answer=definition.answer, within=within)
        case _:
            return column


def _divisor_column(key: str, definition: Definition) -> Column | None:
    """What the value is divided by, if anything: events (that carry the value), or another fact.

    Touches are asked of what is divided: orders that follow a click, per any session.
    """
    name, fact = f"{key}{DENOMINATOR}", definition.fact
    column = Column(name, fact, definition.window, delay=definition.delay, align=definition.align)
    match definition.kind:
        case MetricKind.RATIO:
            assert definition.denominator is not None
            return replace(column, fact=definition.denominator)
        case MetricKind.MEAN | MetricKind.EXCEEDANCE:
            counted = _with(fact, Aggregate.COUNT)
            return replace(column, fact=counted, needs_value=True, touches=definition.touches)
        case MetricKind.ABSENCE:
            return column
        case _:
            return None


def _before(column: Column, days: int) -> Column:
    """Everything that the unit did: what is touched may not have been there before."""
    return replace(column, name=f"{column.name}{BEFORE}", before=timedelta(days=days), touches=())


def _with(fact: Fact, aggregate: Aggregate) -> Fact:
    return Fact(fact.event, aggregate, fact.property, fact.where)
