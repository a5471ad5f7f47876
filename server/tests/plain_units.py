"""One row of numbers per exposed unit, from the definitions in words, as plain Python loops; for tests."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from equipoise_server.analysis.columns import Column, Quantile, Reduction
from equipoise_server.analysis.plan import Plan
from equipoise_server.events.values import LARGEST_VALUE
from equipoise_server.metrics.values import Aggregate, Align, Fact, Spread

MICROSECOND = timedelta(microseconds=1)
DAY = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Met:
    """A unit met a variant; instants are microseconds since 1970."""

    id: str
    unit: str
    at: int
    variant: str
    experiment: str = "checkout"


@dataclass(frozen=True, slots=True)
class Did:
    """Something happened to a unit."""

    id: str
    unit: str
    at: int
    name: str
    value: float | None = None
    properties: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class UnitRow:
    """A unit's arm, whether it met another one, and its numbers in the plan's order."""

    unit: str
    arm: str
    is_crossed: bool
    numbers: tuple[float, ...]


def unit_rows(
    plan: Plan, met: Iterable[Met], did: Iterable[Did], *, until: int, exposed_before: int
) -> dict[str, UnitRow]:
    """What the statement must give, unit by unit."""
    seen = sorted(
        (one for one in met if one.experiment == plan.experiment and one.variant in plan.arms),
        key=lambda one: (one.at, one.id),
    )
    since = (plan.since - _EPOCH) // MICROSECOND
    seen = [one for one in seen if since <= one.at < until]
    done, variants = defaultdict[str, list[Did]](list), defaultdict[str, set[str]](set)
    for event in did:
        if event.at < until:
            done[event.unit].append(event)
    for one in seen:
        variants[one.unit].add(one.variant)
    rows = {}
    for one in seen:
        if one.unit not in rows and one.at < exposed_before:
            mine, is_crossed = done[one.unit], len(variants[one.unit]) > 1
            numbers = tuple(_number(column, one.at, mine) for column in plan.columns)
            rows[one.unit] = UnitRow(one.unit, one.variant, is_crossed, numbers)
    return rows


def bins(
    plan: Plan,
    quantile: Quantile,
    happened: tuple[Iterable[Met], Iterable[Did]],
    *,
    until: int,
    exposed_before: int,
) -> Counter[tuple[str, int]]:
    """By arm and bin, how many values a quantile ranks: of all counted events, or of all units."""
    met, did = ([*one] for one in happened)
    alone = replace(plan, columns=(quantile.column,))
    rows = unit_rows(alone, met, did, until=until, exposed_before=exposed_before)
    if quantile.over is Spread.UNITS:
        return Counter((row.arm, plain_bin(row.numbers[0])) for row in rows.values())
    first = first_instants(plan, met, until)
    values = (
        (rows[one.unit].arm, _value(quantile.column.fact, one))
        for one in did
        if one.unit in rows
        and one.at < until
        and _is_of(quantile.column.fact, one)
        and _is_in(quantile.column, first[one.unit], one.at)
    )
    return Counter((arm, plain_bin(value)) for arm, value in values if value is not None)


def plain_bin(value: float) -> int:
    """Bins a thousandth wide around the powers of 1.001; the one around 1 is bin a million."""
    if value == 0:
        return 0
    return (1 if value > 0 else -1) * (1_000_000 + math.floor(math.log(abs(value)) / math.log(1.001) + 0.5))


def first_instants(plan: Plan, met: Iterable[Met], until: int) -> dict[str, int]:
    """When each unit first met an arm of the plan."""
    since, found = (plan.since - _EPOCH) // MICROSECOND, dict[str, int]()
    for one in met:
        if one.experiment == plan.experiment and one.variant in plan.arms and since <= one.at < until:
            found[one.unit] = min(one.at, found.get(one.unit, one.at))
    return found


def _number(column: Column, first: int, done: Sequence[Did]) -> float:
    counted = [
        one
        for one in done
        if _is_of(column.fact, one) and _is_in(column, first, one.at) and _follows(column, first, one, done)
    ]
    match column.reduction:
        case Reduction.ANY:
            number = 1.0 if counted else 0.0
        case Reduction.UNIQUE:
            texts = (_text(one, column.fact.property) for one in counted)
            number = float(len({text for text in texts if text is not None}))
        case Reduction.FUNNEL:
            number = _funnel(column, first, done)
        case Reduction.UNANSWERED:
            number = float(sum(not _is_answered(column, one, done) for one in counted))
        case Reduction.TOTAL:
            number = sum(_amount(column, one) for one in counted)
    return number if column.cap is None else min(number, column.cap)


def _amount(column: Column, event: Did) -> float:
    fact = column.fact
    if fact.aggregate is Aggregate.WEIGHT:
        said = (event.properties or {}).get(fact.property)
        return (fact.weights or {}).get(said, 0.0) if isinstance(said, str) else 0.0
    value = _value(fact, event)
    if fact.aggregate is Aggregate.SUM:
        return value or 0.0
    if column.needs_value and value is None:
        return 0.0
    return 1.0 if column.threshold is None or (value is not None and value > column.threshold) else 0.0


def _value(fact: Fact, event: Did) -> float | None:
    if not fact.property:
        return event.value
    found = (event.properties or {}).get(fact.property)
    if isinstance(found, bool) or not isinstance(found, int | float) or abs(found) > LARGEST_VALUE:
        return None
    return float(found)


def _text(event: Did, name: str) -> str | None:
    found = (event.properties or {}).get(name)
    if isinstance(found, bool):
        return "true" if found else "false"
    return None if found is None else str(found)


def _is_of(fact: Fact, event: Did) -> bool:
    held = event.properties or {}
    return event.name == fact.event and all(
        isinstance(held.get(key), bool) == isinstance(wanted, bool)
        and isinstance(held.get(key), str) == isinstance(wanted, str)
        and held.get(key) == wanted
        for key, wanted in (fact.where or {}).items()
    )


def _is_in(column: Column, first: int, at: int) -> bool:
    if column.before:
        return first - first % DAY - column.before // MICROSECOND <= at < first
    end = first + column.window // MICROSECOND
    if column.align is Align.DAY:
        end = end - end % DAY + DAY
    return first + column.delay // MICROSECOND <= at < end


def _follows(column: Column, first: int, event: Did, done: Sequence[Did]) -> bool:
    """Whether any touch since the exposure is recent enough; without touches everything counts."""
    return not column.touches or any(
        _is_of(touch.fact, one) and first <= one.at <= event.at < one.at + touch.within // MICROSECOND
        for touch in column.touches
        for one in done
    )


def _funnel(column: Column, first: int, done: Sequence[Did]) -> float:
    reached: int | None = None
    for step in (column.fact, *column.steps):
        later = list(_instants(step, column, first, done))
        after = [at for at in later if reached is None or at > reached]
        if not after:
            return 0.0
        reached = min(after)
    return 1.0


def _instants(fact: Fact, column: Column, first: int, done: Sequence[Did]) -> Iterator[int]:
    return (one.at for one in done if _is_of(fact, one) and _is_in(column, first, one.at))


def _is_answered(column: Column, asked: Did, done: Sequence[Did]) -> bool:
    assert column.answer is not None
    last = asked.at + column.within // MICROSECOND
    return any(_is_of(column.answer, one) and asked.at < one.at <= last for one in done)
