"""Short words for SQLGlot expressions in the plain subset that every engine takes. Nothing is ever copied."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sqlglot import exp

DAY = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(at: datetime) -> int:
    """An instant as microseconds since 1970."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def span(length: timedelta) -> int:
    """A length in microseconds."""
    return length // timedelta(microseconds=1)


def col(table: str, name: str) -> exp.Column:
    """A column, qualified by its table."""
    return exp.Column(this=exp.to_identifier(name), table=exp.to_identifier(table))


def whole(value: int) -> exp.Expr:
    """A whole number."""
    return exp.Literal.number(value)


def number(value: float) -> exp.Expr:
    """A floating number, exactly."""
    return exp.Cast(this=exp.Literal.string(repr(float(value))), to=exp.DataType.build("DOUBLE"))


def text(value: str) -> exp.Expr:
    """A text."""
    return exp.Literal.string(value)


def add(one: exp.Expr, other: exp.Expr) -> exp.Expr:
    """one + other"""
    return exp.Paren(this=exp.Add(this=one, expression=other))


def sub(one: exp.Expr, other: exp.Expr) -> exp.Expr:
    """one − other"""
    return exp.Paren(this=exp.Sub(this=one, expression=other))


def mul(one: exp.Expr, other: exp.Expr) -> exp.Expr:
    """one × other"""
    return exp.Mul(this=one, expression=other)


def day_of(at: exp.Expr) -> exp.Expr:
    """The midnight (UTC) at or before an instant after 1970."""
    return sub(at, exp.Paren(this=exp.Mod(this=at.copy(), expression=whole(DAY))))


def all_of(*conditions: exp.Expr) -> exp.Expr:
    """Every condition holds."""
    found = conditions[0]
    for condition in conditions[1:]:
        found = exp.And(this=found, expression=condition)
    return found


def eq(one: exp.Expr, other: exp.Expr) -> exp.Expr:
    """one = other"""
    return exp.EQ(this=one, expression=other)


def gt(one: exp.Expr, other: exp.Expr) -> exp.Expr:
    """one > other"""
    return exp.GT(this=one, expression=other)


def gte(one: exp.Expr, other: exp.Expr) -> exp.Expr:
    """one ≥ other"""
    return exp.GTE(this=one, expression=other)


def lt(one: exp.Expr, other: exp.Expr) -> exp.Expr:
    """one < other"""
    return exp.LT(this=one, expression=other)


def lte(one: exp.Expr, other: exp.Expr) -> exp.Expr:
    """one ≤ other"""
    return exp.LTE(this=one, expression=other)


def is_null(value: exp.Expr) -> exp.Expr:
    """The value is missing."""
    return exp.Is(this=value, expression=exp.Null())


def not_null(value: exp.Expr) -> exp.Expr:
    """The value is there."""
    return exp.Not(this=is_null(value))


def one_of(value: exp.Expr, texts: Iterable[str]) -> exp.Expr:
    """The value is one of some texts."""
    return exp.In(this=value, expressions=[text(one) for one in texts])


def when(condition: exp.Expr, value: exp.Expr, otherwise: exp.Expr | None = None) -> exp.Expr:
    """The value where the condition holds; else the other one, or nothing."""
    return exp.Case(ifs=[exp.If(this=condition, true=value)], default=otherwise)


def total(value: exp.Expr) -> exp.Expr:
    """The sum."""
    return exp.Sum(this=value)


def smallest(value: exp.Expr) -> exp.Expr:
    """The minimum."""
    return exp.Min(this=value)


def largest(value: exp.Expr) -> exp.Expr:
    """The maximum."""
    return exp.Max(this=value)


def named(value: exp.Expr, name: str) -> exp.Expr:
    """value AS name"""
    return exp.Alias(this=value, alias=exp.to_identifier(name))


def select(*values: exp.Expr) -> exp.Select:
    """SELECT values"""
    return exp.Select(expressions=list(values))


def from_(query: exp.Select, source: str | exp.Expr) -> exp.Select:
    """The query, from a table or from something named."""
    return query.from_(exp.to_table(source) if isinstance(source, str) else source, copy=False)


def join(query: exp.Select, source: str | exp.Expr, on: exp.Expr, *, side: str = "") -> exp.Select:
    """The query, joined with a table or something named."""
    table = exp.to_table(source) if isinstance(source, str) else source
    return query.join(table, on=on, join_type=side or None, copy=False)


def where(query: exp.Select, *conditions: exp.Expr) -> exp.Select:
    """The query, where all conditions hold."""
    return query.where(*conditions, copy=False)


def group(query: exp.Select, *values: exp.Expr) -> exp.Select:
    """The query, one row per distinct values."""
    return query.group_by(*values, copy=False)


def aliased(query: exp.Expr, name: str) -> exp.Expr:
    """(query) AS name"""
    return exp.Subquery(this=query, alias=exp.TableAlias(this=exp.to_identifier(name)))


def within(query: exp.Select, name: str, part: exp.Select) -> exp.Select:
    """WITH name AS (part) query"""
    return query.with_(name, as_=part, copy=False)
