"""A source as statements: rows of units in a time, how much there is, and how it spreads. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sqlglot import exp

from equipoise_server.sources.sql_rules import DIALECTS, vetted
from equipoise_server.sources.values import Between, ColumnType, ConnectionKind, Shape

SAMPLE_ROWS = 20
RECENT_DAYS = (7, 28)
_CASTS = {ColumnType.NUMBER: "DOUBLE", ColumnType.TEXT: "TEXT", ColumnType.BOOLEAN: "BOOLEAN"}


def relation(shape: Shape, kind: ConnectionKind) -> exp.Query:
    """All rows of the source."""
    if shape.sql:
        return vetted(shape.sql, kind)
    quoted = exp.to_table(shape.table, dialect=DIALECTS[kind])
    for part in quoted.find_all(exp.Identifier):
        part.set("quoted", kind is ConnectionKind.FILES or part.this.lower() != part.this)
    return exp.select("*").from_(quoted)


def rows_between(
    shape: Shape, kind: ConnectionKind, unit_type: str, between: Between, units: Sequence[str] | None
) -> exp.Select:
    """Unit, time and every declared column, as texts and numbers; of these units, or of all."""
    listed = [
        exp.alias_(_cast(name, _CASTS[held]), f"c{n}") for n, (name, held) in enumerate(_columns(shape))
    ]
    unit, at = _cast(shape.units[unit_type], "TEXT"), _time(shape)
    query = exp.select(exp.alias_(unit, "unit"), exp.alias_(at, "moment"), *listed)
    query = query.from_(relation(shape, kind).subquery("found")).where(*_within(shape, between))
    if units is None:
        return query.where(_filled(unit))
    return query.where(exp.In(this=unit.copy(), expressions=[exp.Literal.string(one) for one in units]))


def only(rows: exp.Query, shape: Shape, where: Mapping[str, str]) -> exp.Query:
    """Of `rows_between`, those whose declared columns have these values; a number is written as digits."""
    if not where:
        return rows
    names = column_names(shape)
    wanted = []
    for name, value in where.items():
        is_number = shape.columns[name] is ColumnType.NUMBER
        literal = exp.cast(exp.Literal.string(value), "DOUBLE") if is_number else exp.Literal.string(value)
        wanted.append(exp.column(f"c{names.index(name)}", table="given").eq(literal))
    return exp.select("*").from_(rows.subquery("given")).where(*wanted)


def census(rows: exp.Query, shape: Shape, column: str) -> tuple[exp.Select, exp.Select, exp.Select]:
    """Of rows with their units: per value of a column; all in one row; and units that have several values."""
    given = {name: exp.column(name, table="given") for name in ("unit", "moment")}
    value = exp.column(f"c{column_names(shape).index(column)}", table="given")
    counts: list[exp.Expr] = [
        exp.Count(this=exp.Star()),
        exp.Count(this=exp.Distinct(expressions=[given["unit"].copy()])),
        _min(given["moment"]),
        _max(given["moment"]),
    ]
    by_value = exp.select(value, *(one.copy() for one in counts)).from_(rows.copy().subquery("given"))
    whole = exp.select(*counts).from_(rows.copy().subquery("given"))
    several = exp.GT(
        this=exp.Count(this=exp.Distinct(expressions=[value.copy()])), expression=exp.Literal.number(1)
    )
    crossed = exp.select(exp.alias_(given["unit"].copy(), "unit")).from_(rows.copy().subquery("given"))
    crossed = crossed.group_by(given["unit"].copy()).having(several)
    counted = exp.select(exp.Count(this=exp.Star())).from_(crossed.subquery("crossed"))
    return by_value.group_by(value.copy()), whole, counted


def nameless(shape: Shape, kind: ConnectionKind, unit_type: str) -> exp.Select:
    """One row: how many rows there are at all, without a unit, and without an instant."""
    unit, at = _cast(shape.units[unit_type], "TEXT"), _time(shape)
    lacks = exp.or_(exp.Is(this=unit, expression=exp.Null()), unit.copy().eq(exp.Literal.string("")))
    missing = (lacks, exp.Is(this=at, expression=exp.Null()))
    counts = [exp.Count(this=exp.Case(ifs=[exp.If(this=one, true=exp.Literal.number(1))])) for one in missing]
    found = relation(shape, kind).subquery("found")
    return exp.select(exp.Count(this=exp.Star()), *counts).from_(found)


def summary(shape: Shape, kind: ConnectionKind, unit_type: str, now: datetime) -> exp.Select:
    """One row: the first and last instant, and per number of days rows and units."""
    unit, at = _cast(shape.units[unit_type], "TEXT"), _time(shape)
    longest = Between(now - timedelta(days=max(RECENT_DAYS)), now)
    numbers: list[exp.Expr] = [_min(at), _max(at)]
    for days in RECENT_DAYS:
        is_recent = exp.GTE(this=at.copy(), expression=_instant(now - timedelta(days=days)))
        one = exp.Case(ifs=[exp.If(this=is_recent, true=exp.Literal.number(1))])
        whose = exp.Case(ifs=[exp.If(this=is_recent.copy(), true=unit.copy())])
        numbers += [exp.Count(this=one), exp.Count(this=exp.Distinct(expressions=[whose]))]
    query = exp.select(*numbers).from_(relation(shape, kind).subquery("found"))
    return query.where(*_within(shape, longest))


def sample(shape: Shape, kind: ConnectionKind, unit_type: str, now: datetime) -> exp.Select:
    """A few rows of the last weeks, as texts: unit, time and the declared columns."""
    between = Between(now - timedelta(days=max(RECENT_DAYS)), now)
    shown = [shape.units[unit_type], shape.time, *(name for name, _ in _columns(shape))]
    texts = [_to_the_second(shape) if name == shape.time else _cast(name, "TEXT") for name in shown]
    query = exp.select(*(exp.alias_(told, f"c{n}") for n, told in enumerate(texts)))
    query = query.from_(relation(shape, kind).subquery("found")).where(*_within(shape, between))
    return query.limit(SAMPLE_ROWS)


def spread(values: exp.Query, column: str) -> exp.Select:
    """One row: how the numbers of a column spread. Rows without one count as missing."""
    value = exp.column(exp.to_identifier(column, quoted=True), table="given")
    zero = exp.Case(ifs=[exp.If(this=value.copy().eq(0), true=exp.Literal.number(1))])
    quantiles = [_quantile(value, share) for share in (0.25, 0.5, 0.75)]
    numbers = [exp.Count(this=exp.Star()), exp.Count(this=value.copy()), exp.Count(this=zero)]
    return exp.select(*numbers, _min(value), *quantiles, _max(value)).from_(values.subquery("given"))


def _quantile(value: exp.Expr, share: float) -> exp.Expr:
    order = exp.Order(expressions=[exp.Ordered(this=value.copy())])
    return exp.WithinGroup(this=exp.PercentileCont(this=exp.Literal.number(str(share))), expression=order)


def _min(value: exp.Expr) -> exp.Expr:
    return exp.Min(this=value.copy())


def _max(value: exp.Expr) -> exp.Expr:
    return exp.Max(this=value.copy())


def _columns(shape: Shape) -> list[tuple[str, ColumnType]]:
    return sorted(shape.columns.items())


def column_names(shape: Shape) -> list[str]:
    """The declared columns in the order in which statements list them."""
    return [name for name, _ in _columns(shape)]


def _named(name: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True), table="found")


def _cast(name: str, kind: str) -> exp.Expr:
    return exp.Cast(this=_named(name), to=exp.DataType.build(kind))


def _time(shape: Shape) -> exp.Expr:
    """The session's zone is UTC, so an instant with a zone becomes UTC, and one without stays."""
    return exp.Cast(this=_named(shape.time), to=exp.DataType.build("TIMESTAMP", dialect="postgres"))


def _to_the_second(shape: Shape) -> exp.Expr:
    second = exp.TimestampTrunc(this=_time(shape), unit=exp.Literal.string("second"))
    return exp.Cast(this=second, to=exp.DataType.build("TEXT"))


def _within(shape: Shape, between: Between) -> list[exp.Expr]:
    at = _time(shape)
    return [
        exp.GTE(this=at, expression=_instant(between.since)),
        exp.LT(this=at.copy(), expression=_instant(between.until)),
    ]


def _filled(unit: exp.Expr) -> exp.Expr:
    return exp.Not(this=exp.Is(this=unit.copy(), expression=exp.Null()))


def _instant(at: datetime) -> exp.Expr:
    written = at.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
    return exp.Cast(this=exp.Literal.string(written), to=exp.DataType.build("TIMESTAMP", dialect="postgres"))
