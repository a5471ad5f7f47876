"""Warehouses whose statements are written but that nobody here can run: BigQuery, Snowflake and Trino.

BigQuery's are accepted by the analyzer of its language; of the other two the text is kept. Nobody runs them.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlglot import exp

from equipoise_server.analysis.dialects.sql import eq, mul, not_null, number, one_of, text, when


class BigQuery:
    """BigQuery. Timestamps are TIMESTAMP, properties a STRING of JSON."""

    dialect = "bigquery"
    _TYPES = {"text": "string", "number": "number", "boolean": "boolean"}

    def micros(self, at: exp.Expr) -> exp.Expr:
        """Exact: timestamps are microseconds."""
        return exp.Anonymous(this="UNIX_MICROS", expressions=[at])

    def instant(self, at: datetime) -> exp.Expr:
        """A timestamp, which is always in UTC."""
        return exp.Anonymous(this="TIMESTAMP", expressions=[text(_utc(at) + "+00")])

    def ordered(self, identifier: exp.Expr) -> exp.Expr:
        """Texts order like their bytes."""
        return identifier

    def text_in(self, properties: exp.Expr, key: str) -> exp.Expr:
        """A scalar member as text."""
        return exp.Anonymous(this="JSON_VALUE", expressions=[_parsed(properties, key)])

    def is_type(self, properties: exp.Expr, key: str, kind: str) -> exp.Expr:
        """By the type that the parser gave it."""
        found = exp.Anonymous(this="JSON_TYPE", expressions=[_parsed(properties, key)])
        return eq(found, text(self._TYPES[kind]))


class Snowflake:
    """Snowflake. Timestamps are TIMESTAMP_NTZ in UTC, properties a VARCHAR of JSON."""

    dialect = "snowflake"
    _TYPES = {"text": ("VARCHAR",), "number": ("INTEGER", "DECIMAL", "DOUBLE"), "boolean": ("BOOLEAN",)}

    def micros(self, at: exp.Expr) -> exp.Expr:
        """Exact: it counts from 1970 in whole microseconds."""
        part = exp.Var(this="EPOCH_MICROSECOND")
        return exp.Anonymous(this="DATE_PART", expressions=[part, at])

    def instant(self, at: datetime) -> exp.Expr:
        """A timestamp without a zone."""
        kind = exp.DataType.build("TIMESTAMP_NTZ", dialect="snowflake")
        return exp.Cast(this=text(_utc(at)), to=kind)

    def ordered(self, identifier: exp.Expr) -> exp.Expr:
        """Texts order like their bytes."""
        return identifier

    def text_in(self, properties: exp.Expr, key: str) -> exp.Expr:
        """A scalar member as text; an object or a list is none."""
        scalars = [kind for kinds in self._TYPES.values() for kind in kinds]
        found = exp.Cast(this=_got(properties, key), to=exp.DataType.build("TEXT"))
        return when(one_of(_typeof(properties.copy(), key), scalars), found)

    def is_type(self, properties: exp.Expr, key: str, kind: str) -> exp.Expr:
        """By the type that the parser gave it."""
        return one_of(_typeof(properties, key), self._TYPES[kind])


class Trino:
    """Trino. Timestamps are TIMESTAMP(6) in UTC, properties a VARCHAR of JSON."""

    dialect = "trino"

    def micros(self, at: exp.Expr) -> exp.Expr:
        """Exact until 2255: seconds as a double are off by less than half a microsecond, and are rounded."""
        seconds = exp.Anonymous(this="to_unixtime", expressions=[at])
        return exp.Cast(this=exp.Round(this=mul(seconds, number(1e6))), to=exp.DataType.build("BIGINT"))

    def instant(self, at: datetime) -> exp.Expr:
        """A timestamp without a zone."""
        kind = exp.DataType.build("TIMESTAMP(6)", dialect="trino")
        return exp.Cast(this=text(_utc(at)), to=kind)

    def ordered(self, identifier: exp.Expr) -> exp.Expr:
        """Texts order like their bytes."""
        return identifier

    def text_in(self, properties: exp.Expr, key: str) -> exp.Expr:
        """A scalar member as text; an object or a list is none."""
        return exp.Anonymous(this="json_extract_scalar", expressions=[properties, _path(key)])

    def is_type(self, properties: exp.Expr, key: str, kind: str) -> exp.Expr:
        """By how the member is written: quoted, as a truth value, or as what reads as a number."""
        found = exp.Anonymous(this="json_extract", expressions=[properties, _path(key)])
        said = exp.Anonymous(this="json_format", expressions=[found])
        if kind == "text":
            return exp.Anonymous(this="starts_with", expressions=[said, text('"')])
        if kind == "boolean":
            return one_of(said, ("true", "false"))
        return not_null(exp.TryCast(this=said, to=exp.DataType.build("DOUBLE")))


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ")


def _parsed(properties: exp.Expr, key: str) -> exp.Expr:
    """The member by its name, whatever characters it has; numbers longer than a double are rounded."""
    mode = exp.Kwarg(this=exp.Var(this="wide_number_mode"), expression=text("round"))
    parsed = exp.Anonymous(this="PARSE_JSON", expressions=[properties, mode])
    return exp.Bracket(this=parsed, expressions=[text(key)])


def _got(properties: exp.Expr, key: str) -> exp.Expr:
    parsed = exp.Anonymous(this="PARSE_JSON", expressions=[properties])
    return exp.Anonymous(this="GET", expressions=[parsed, text(key)])


def _typeof(properties: exp.Expr, key: str) -> exp.Expr:
    return exp.Anonymous(this="TYPEOF", expressions=[_got(properties, key)])


def _path(key: str) -> exp.Expr:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return text(f'$["{escaped}"]')
