"""What the state must hold so that a set of plans can be computed from it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from hashlib import blake2b

from equipoise_server.analysis.columns import Column, Reduction
from equipoise_server.analysis.dialects.measures import Measure, fact_name, measure_of
from equipoise_server.analysis.dialects.sql import span
from equipoise_server.analysis.dialects.units import ADDITIVE
from equipoise_server.analysis.plan import Plan
from equipoise_server.metrics.values import Align, Fact

_MOST_SAID = 100_000
_FIELDS = {kind: tuple(field.name for field in fields(kind)) for kind in (Column, Fact)}
_said: dict[tuple[object, ...], str] = {}
_said_of: dict[int, tuple[Column, str]] = {}
_SEGMENTED = {*ADDITIVE, Reduction.UNIQUE}


@dataclass(frozen=True, slots=True)
class FactTable:
    """A table of what sums cannot tell: texts by segment, or instants."""

    name: str
    fact: Fact
    is_of_texts: bool


@dataclass(frozen=True, slots=True)
class EventShape:
    """What is kept of the events of one name."""

    event: str
    measures: tuple[Measure, ...]
    tables: tuple[FactTable, ...]

    @property
    def totals(self) -> str:
        """The table with one row per unit and segment."""
        return totals_name(self.event)

    @property
    def held_tables(self) -> tuple[str, ...]:
        """All tables of the event."""
        return (self.totals, *(table.name for table in self.tables))

    def instant_column(self, table: str) -> str:
        """Which column of one of its tables says when: segments have a start."""
        is_of_instants = any(table == one.name and not one.is_of_texts for one in self.tables)
        return "moment" if is_of_instants else "start"

    @property
    def names(self) -> frozenset[str]:
        """Everything that must be there: more of it may be, less means building it again."""
        return frozenset((*(one.name for one in self.measures), *(one.name for one in self.tables)))


def totals_name(event: str) -> str:
    """The name of an event's table of sums."""
    return f"totals_{blake2b(event.encode(), digest_size=8).hexdigest()}"


def shapes_of(plans: Sequence[Plan]) -> tuple[EventShape, ...]:
    """By event, all measures and tables that some plan reads."""
    columns = [*{said(column): column for plan in plans for column in plan.columns}.values()]
    measures = dict.fromkeys(measure_of(column) for column in columns if column.reduction in ADDITIVE)
    tables = {table.name: table for column in columns for table in _tables(column)}
    events = dict.fromkeys(fact.event for column in columns for fact in column.facts)
    return tuple(
        EventShape(
            event,
            tuple(one for one in measures if one.event == event),
            tuple(one for one in tables.values() if one.fact.event == event),
        )
        for event in events
    )


def _tables(column: Column) -> tuple[FactTable, ...]:
    match column.reduction:
        case Reduction.UNIQUE:
            return (FactTable(fact_name("texts", column.fact), column.fact, is_of_texts=True),)
        case Reduction.FUNNEL | Reduction.UNANSWERED:
            return tuple(
                FactTable(fact_name("instants", fact), fact, is_of_texts=False) for fact in column.facts
            )
        case _:
            return ()


def cuts_of(plan: Plan) -> tuple[int, ...]:
    """How long after a first exposure segments must begin, so that every window is made of whole segments."""
    windows = [
        cut
        for column in plan.columns
        if column.reduction in _SEGMENTED and not column.before
        for cut in (column.delay, *([column.window] if column.align is Align.EXACT else []))
    ]
    return tuple(sorted({0, *(span(cut) for cut in windows)}))


def run_of(plan: Plan) -> str:
    """What one iteration's exposures are filed under."""
    return run_named(plan.experiment, plan.iteration)


def run_named(experiment: str, iteration: int) -> str:
    """What an experiment's iteration is filed under."""
    return f"{experiment}#{iteration}"


def plan_hash(plan: Plan) -> str:
    """Equal when the same numbers are asked for of the same exposures."""
    asked = repr((replace(plan, columns=()), *map(said, plan.columns)))
    return blake2b(asked.encode(), digest_size=16).hexdigest()


def said(column: Column) -> str:
    """The column in words that are equal when it is. Kept: finding them costs more than most refreshes."""
    held = _said_of.get(id(column))
    if held is not None:
        return held[1]
    for kept in (_said, _said_of):
        if len(kept) >= _MOST_SAID:
            kept.clear()
    key = _key(column)
    if key not in _said:
        _said[key] = repr(column)
    _said_of[id(column)] = column, _said[key]  # while it is kept, no other column gets its id
    return _said[key]


def _key(value: Column | Fact) -> tuple[object, ...]:
    """All fields, as something with a hash."""
    return tuple([_hashable(getattr(value, name)) for name in _FIELDS[type(value)]])


def _hashable(value: object) -> object:
    match value:
        case Fact():
            return _key(value)
        case tuple():
            return tuple([_hashable(one) for one in value])
        case Mapping():  # true, 1 and 1.0 are equal, and three different filters
            return tuple([(key, type(one), one) for key, one in value.items()])
        case _:
            return value
