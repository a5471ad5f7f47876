"""A source as statements: rows of units in a time, how much there is, and how it spreads. Pure."""

from __future__ import annotations

from collections.abc import Sequence
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
