"""From a plan to SQL, as SQLGlot expressions in one plain subset. Executes nothing.

Stages: exposures seen → first exposure of each unit → its outcomes → one row per unit → sums per arm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations_with_replacement
from pathlib import Path

from sqlglot import exp

from equipoise_server.analysis.plan import Column, Plan, Span
from equipoise_server.events.values import LARGEST_VALUE
from equipoise_server.metrics.values import Aggregate, Fact

_NUMBER_TYPES = ("BIGINT", "UBIGINT", "HUGEINT", "DOUBLE")


def moments_query(
    plan: Plan, span: Span, *, exposures: Sequence[Path], tracks: Sequence[Path], pivots: Mapping[str, float]
) -> exp.Select:
    """One row per arm: units, crossed units, and for all columns sums, products and largest values."""
    names = [_y(place) for place in range(len(plan.columns))]
    shifted = [
        exp.Sub(this=exp.column(name, table="units"), expression=number(pivots.get(column.name, 0.0)))
        for name, column in zip(names, plan.columns, strict=True)
    ]
    sums = [exp.func("SUM", one.copy()) for one in shifted]
    products = [
        exp.func("SUM", exp.Mul(this=exp.paren(one.copy()), expression=exp.paren(other.copy())))
        for one, other in combinations_with_replacement(shifted, 2)
    ]
    largest = [exp.func("MAX", exp.column(name, table="units")) for name in names]
    query = exp.select(
        exp.column("arm", table="units"),
        exp.Count(this=exp.Star()),
        exp.func("SUM", exp.column("is_crossed", table="units")),
        *sums,
        *products,
        *largest,
    )
    return (
        query.from_("units")
        .group_by(exp.column("arm", table="units"))
        .with_("seen", as_=_seen(plan, span, exposures))
        .with_("firsts", as_=_firsts(span))
        .with_("outcomes", as_=_outcomes(plan, span, tracks))
        .with_("units", as_=_units(plan))
    )


def counts_query(plan: Plan, span: Span, *, exposures: Sequence[Path]) -> exp.Select:
    """One row per arm and day of first exposure: units and crossed units."""
    day = exp.func("DATE_TRUNC", exp.Literal.string("day"), exp.column("first_at", table="firsts"))
    return (
        exp.select(
            exp.column("arm", table="firsts"),
            exp.alias_(day, "first_day"),
            exp.Count(this=exp.Star()),
            exp.func("SUM", exp.column("is_crossed", table="firsts")),
        )
        .from_("firsts")
        .group_by("1", "2")
        .order_by("2", "1")
        .with_("seen", as_=_seen(plan, span, exposures))
        .with_("firsts", as_=_firsts(span))
    )


def strangers_query(plan: Plan, span: Span, *, exposures: Sequence[Path]) -> exp.Select:
    """Exposures that cannot be analysed, by variant: units of arms that the design does not have."""
    return (
        exp.select(
            exp.column("variant", table="seen"),
            exp.Count(this=exp.Distinct(expressions=[exp.column("unit", table="seen")])),
        )
        .from_("seen")
        .where(exp.column("variant", table="seen").isin(*plan.arms).not_())
        .group_by("1")
        .order_by("1")
        .with_("seen", as_=_exposures(plan, span, exposures))
    )


def unjoinable_query(plan: Plan, span: Span, *, tracks: Sequence[Path]) -> exp.Select:
    """Per event name: how many events there are, and how many carry an id of the plan's unit type."""
    track = _table("track")
    every, ours = track("id"), exp.case().when(track("unit_type").eq(plan.unit_type), track("id"))
    return (
        exp.select(
            track("name"),
            exp.Count(this=exp.Distinct(expressions=[every])),
            exp.Count(this=exp.Distinct(expressions=[ours])),
        )
        .from_(_tracks(tracks))
        .where(track("name").isin(*plan.events), *_between(track, plan.since, span.until))
        .group_by("1")
        .order_by("1")
    )


def _exposures(plan: Plan, span: Span, paths: Sequence[Path]) -> exp.Select:
    """The iteration's exposures in time; what claims to come from the future is left out."""
    exposure = _table("exposure")
    return (
        exp.select(exposure("unit"), exposure("variant"), exposure("derived_at"), exposure("id"))
        .from_(_read(paths, "exposure"))
        .where(
            exposure("experiment").eq(plan.experiment),
            exposure("iteration").eq(plan.iteration),
            exposure("unit_type").eq(plan.unit_type),
            *_between(exposure, plan.since, span.until),
        )
    )


def _seen(plan: Plan, span: Span, paths: Sequence[Path]) -> exp.Select:
    """Each exposure to an arm, its place in the unit's history, and whether the unit met several arms."""
    found = exp.to_identifier("exposures")
    column = _table("exposures")
    by_unit = {"partition_by": [column("unit")]}
    in_order = exp.Order(expressions=[exp.Ordered(this=column("derived_at")), exp.Ordered(this=column("id"))])
    crossed = exp.NEQ(
        this=exp.Window(this=exp.func("MIN", column("variant")), **by_unit),
        expression=exp.Window(this=exp.func("MAX", column("variant")), **by_unit),
    )
    return (
        exp.select(
            column("unit"),
            exp.alias_(column("variant"), "arm"),
            exp.alias_(column("derived_at"), "first_at"),
            exp.alias_(exp.Window(this=exp.RowNumber(), order=in_order, **by_unit), "place"),
            exp.alias_(exp.cast(crossed, "INT"), "is_crossed"),
        )
        .from_(exp.alias_(_exposures(plan, span, paths).subquery(), found, table=True))
        .where(column("variant").isin(*plan.arms))
    )


def _firsts(span: Span) -> exp.Select:
    """The first exposure of each unit decides its arm, whatever it met later."""
    seen = _table("seen")
    return (
        exp.select(seen("unit"), seen("arm"), seen("first_at"), seen("is_crossed"))
        .from_("seen")
        .where(seen("place").eq(1), exp.LT(this=seen("first_at"), expression=instant(span.exposed_before)))
    )


def _outcomes(plan: Plan, span: Span, paths: Sequence[Path]) -> exp.Select:
    """Per unit, what happened in [first exposure, first exposure + window) and before the data's end."""
    first, track = _table("firsts"), _table("track")
    numbers = [exp.alias_(_number_of(column), _y(place)) for place, column in enumerate(plan.columns)]
    joined = exp.and_(
        track("unit").eq(first("unit")),
        exp.GTE(this=track("derived_at"), expression=first("first_at")),
        exp.LT(this=track("derived_at"), expression=_after(first("first_at"), plan.longest_window)),
    )
    return (
        exp.select(first("unit"), *numbers)
        .from_("firsts")
        .join(_tracks(paths), on=joined)
        .where(
            track("unit_type").eq(plan.unit_type),
            track("name").isin(*plan.events),
            *_between(track, plan.since, span.until),
        )
        .group_by(first("unit"))
    )


def _units(plan: Plan) -> exp.Select:
    """One row per exposed unit; without events its numbers are zero."""
    first, outcome = _table("firsts"), _table("outcomes")
    return (
        exp.select(
            first("arm"),
            first("is_crossed"),
            *[exp.alias_(_capped(column, place), _y(place)) for place, column in enumerate(plan.columns)],
        )
        .from_("firsts")
        .join("outcomes", on=outcome("unit").eq(first("unit")), join_type="left")
    )


def _capped(column: Column, place: int) -> exp.Expr:
    value = exp.func("COALESCE", exp.column(_y(place), table="outcomes"), number(0.0))
    return value if column.cap is None else exp.func("LEAST", value, number(column.cap))


def _number_of(column: Column) -> exp.Expr:
    track = _table("track")
    start = exp.column("first_at", table="firsts")
    counted: exp.Expr = exp.and_(
        track("name").eq(column.fact.event),
        exp.LT(this=track("derived_at"), expression=_after(start, column.window)),
        *_matches(column.fact),
    )
    if column.fact.aggregate is Aggregate.SUM:
        added = _value(column.fact)
    else:
        added = number(1.0)
        if column.needs_value:
            counted = exp.and_(counted, exp.Not(this=exp.Is(this=_value(column.fact), expression=exp.Null())))
    total = exp.case().when(counted, added)
    return exp.func("MAX" if column.is_binary else "SUM", total)


def _value(fact: Fact) -> exp.Expr:
    """What one event adds: its value, or a numeric property; no number, nothing."""
    if not fact.property:
        return exp.column("value", table="track")
    found = _number_in(fact.property)
    usable = exp.and_(
        _type_of(fact.property).isin(*_NUMBER_TYPES),
        exp.LTE(this=exp.func("ABS", found.copy()), expression=number(LARGEST_VALUE)),
    )
    return exp.case().when(usable, found)


def _matches(fact: Fact) -> Iterator[exp.Expr]:
    """The properties that an event must have, each of the same type as the wanted value."""
    for key, wanted in sorted((fact.where or {}).items()):
        if isinstance(wanted, bool):
            yield _type_of(key).eq("BOOLEAN")
            yield _text_of(key).eq("true" if wanted else "false")
        elif isinstance(wanted, str):
            yield _type_of(key).eq("VARCHAR")
            yield _text_of(key).eq(wanted)
        else:
            yield _type_of(key).isin(*_NUMBER_TYPES)
            yield exp.EQ(this=_number_in(key), expression=number(wanted))


def _number_in(key: str) -> exp.Expr:
    """A member as a number; TRY, because engines may look at a value before its type."""
    return exp.TryCast(this=_text_of(key), to=exp.DataType.build("DOUBLE"))


def _text_of(key: str) -> exp.Expr:
    return exp.Anonymous(this="json_extract_string", expressions=[_properties(), _pointer(key)])


def _type_of(key: str) -> exp.Expr:
    return exp.Anonymous(this="json_type", expressions=[_properties(), _pointer(key)])


def _properties() -> exp.Expr:
    return exp.column("properties", table="track")


def _pointer(key: str) -> exp.Expr:
    """A JSON pointer to a member (RFC 6901)."""
    return exp.Literal.string("/" + key.replace("~", "~0").replace("/", "~1"))


def _between(column: _Table, since: datetime, until: datetime) -> Iterator[exp.Expr]:
    yield exp.GTE(this=column("derived_at"), expression=instant(since))
    yield exp.LT(this=column("derived_at"), expression=instant(until))
    yield exp.Not(this=column("is_early"))


def _after(start: exp.Expr, window: timedelta) -> exp.Expr:
    micros = exp.Literal.number(window // timedelta(microseconds=1))
    return exp.Add(this=start, expression=exp.Anonymous(this="to_microseconds", expressions=[micros]))


_EMPTY_TRACKS = {
    "id": "UUID", "unit": "VARCHAR", "unit_type": "VARCHAR", "name": "VARCHAR", "derived_at": "TIMESTAMP",
    "is_early": "BOOLEAN", "value": "DOUBLE", "properties": "VARCHAR",
}  # fmt: skip


def _tracks(paths: Sequence[Path]) -> exp.Expr:
    """The track events; without files, none of them."""
    if paths:
        return _read(paths, "track")
    nothing = [exp.alias_(exp.cast(exp.Null(), kind), name) for name, kind in _EMPTY_TRACKS.items()]
    return exp.select(*nothing).where(exp.false()).subquery("track")


def _read(paths: Sequence[Path], name: str) -> exp.Table:
    files = exp.Array(expressions=[exp.Literal.string(str(path)) for path in paths])
    rows = exp.Anonymous(this="read_parquet", expressions=[files])
    return exp.Table(this=rows, alias=exp.TableAlias(this=exp.to_identifier(name)))


def instant(at: datetime) -> exp.Expr:
    """An instant as the store keeps it: UTC without a zone."""
    return exp.cast(exp.Literal.string(at.astimezone(UTC).replace(tzinfo=None).isoformat(" ")), "TIMESTAMP")


def number(value: float) -> exp.Expr:
    """A number, exactly."""
    return exp.cast(exp.Literal.string(repr(float(value))), "DOUBLE")


def _y(place: int) -> str:
    return f"y{place}"


class _Table:
    """Columns of one table: every column is qualified."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, column: str) -> exp.Column:
        return exp.column(column, table=self._name)


def _table(name: str) -> _Table:
    return _Table(name)
