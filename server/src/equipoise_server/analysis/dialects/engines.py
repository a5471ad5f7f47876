"""What engines say differently: instants, and members of a JSON text. Everything else is one plain subset."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect

from equipoise_server.analysis.dialects.sql import eq, mul, one_of, text, when, whole

_MICROS_PER_SECOND = 1_000_000


class Engine(Protocol):
    """One engine's words. `dialect` is SQLGlot's name for it."""

    dialect: str

    def micros(self, at: exp.Expr) -> exp.Expr:
        """A timestamp column as microseconds since 1970."""

    def instant(self, at: datetime) -> exp.Expr:
        """An instant as the engine's timestamp without zone, in UTC."""

    def ordered(self, identifier: exp.Expr) -> exp.Expr:
        """An event's id as something that every engine orders alike."""

    def text_in(self, properties: exp.Expr, key: str) -> exp.Expr:
        """A scalar member as text; null when it is absent or no scalar."""

    def is_type(self, properties: exp.Expr, key: str, kind: str) -> exp.Expr:
        """Whether the member is there and a `text`, `number` or `boolean`."""


class _Iso:
    """Engines that read an ISO text as a timestamp."""

    def instant(self, at: datetime) -> exp.Expr:
        """An instant in UTC without a zone."""
        written = at.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
        return exp.Cast(this=text(written), to=exp.DataType.build("TIMESTAMP", dialect="duckdb"))

    def ordered(self, identifier: exp.Expr) -> exp.Expr:
        """Ids of this engine order like their bytes."""
        return identifier


class DuckDb(_Iso):
    """The embedded engine."""

    dialect = "duckdb"
    _TYPES = {
        "text": ("VARCHAR",),
        "number": ("BIGINT", "UBIGINT", "HUGEINT", "DOUBLE"),
        "boolean": ("BOOLEAN",),
    }

    def micros(self, at: exp.Expr) -> exp.Expr:
        """Exact: timestamps are microseconds."""
        return exp.Anonymous(this="epoch_us", expressions=[at])

    def text_in(self, properties: exp.Expr, key: str) -> exp.Expr:
        """A JSON pointer (RFC 6901) finds the member."""
        return exp.Anonymous(this="json_extract_string", expressions=[properties, _pointer(key)])

    def is_type(self, properties: exp.Expr, key: str, kind: str) -> exp.Expr:
        """By the type that the parser gave it."""
        found = exp.Anonymous(this="json_type", expressions=[properties, _pointer(key)])
        return one_of(found, self._TYPES[kind])


class PostgreSql(_Iso):
    """PostgreSQL 14 and later."""

    dialect = "postgres"
    _TYPES = {"text": "string", "number": "number", "boolean": "boolean"}

    def micros(self, at: exp.Expr) -> exp.Expr:
        """EXTRACT gives an exact numeric since version 14."""
        seconds = exp.Extract(this=exp.Var(this="EPOCH"), expression=at)
        return exp.Cast(this=mul(seconds, whole(_MICROS_PER_SECOND)), to=exp.DataType.build("BIGINT"))

    def text_in(self, properties: exp.Expr, key: str) -> exp.Expr:
        """A member of a json object."""
        return exp.Anonymous(this="jsonb_extract_path_text", expressions=[_jsonb(properties), text(key)])

    def is_type(self, properties: exp.Expr, key: str, kind: str) -> exp.Expr:
        """By the type that the parser gave it."""
        member = exp.Anonymous(this="jsonb_extract_path", expressions=[_jsonb(properties), text(key)])
        return eq(exp.Anonymous(this="jsonb_typeof", expressions=[member]), text(self._TYPES[kind]))


class ClickHouse(_Iso):
    """ClickHouse 24 and later. Timestamps are DateTime64(6, 'UTC')."""

    dialect = "clickhouse"
    _TYPES = {"text": ("String",), "number": ("Int64", "UInt64", "Double"), "boolean": ("Bool",)}

    def micros(self, at: exp.Expr) -> exp.Expr:
        """Exact: DateTime64(6) counts microseconds."""
        return exp.Anonymous(this="toUnixTimestamp64Micro", expressions=[at])

    def instant(self, at: datetime) -> exp.Expr:
        """As DateTime64(6) in UTC."""
        written = at.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
        return exp.Anonymous(this="toDateTime64", expressions=[text(written), whole(6), text("UTC")])

    def ordered(self, identifier: exp.Expr) -> exp.Expr:
        """Its UUIDs order by their second half; their texts order like bytes."""
        return exp.Anonymous(this="toString", expressions=[identifier])

    def text_in(self, properties: exp.Expr, key: str) -> exp.Expr:
        """A text without its quotes; other scalars as they are written."""
        string = exp.Anonymous(this="JSONExtractString", expressions=[properties, text(key)])
        raw = exp.Anonymous(this="JSONExtractRaw", expressions=[properties.copy(), text(key)])
        return when(
            self.is_type(properties.copy(), key, "text"),
            string,
            when(
                one_of(_click_type(properties.copy(), key), (*self._TYPES["number"], "Bool")), raw, exp.Null()
            ),
        )

    def is_type(self, properties: exp.Expr, key: str, kind: str) -> exp.Expr:
        """By the type that the parser gave it."""
        return one_of(_click_type(properties, key), self._TYPES[kind])


class Spark(_Iso):
    """Spark 4 and later: a JSON text is parsed into a variant, which knows its types."""

    dialect = "spark"
    _TYPES = {
        "text": ("STRING",),
        "number": ("BIGINT", "DOUBLE", "TINYINT", "SMALLINT", "INT"),
        "boolean": ("BOOLEAN",),
    }

    def micros(self, at: exp.Expr) -> exp.Expr:
        """Exact: timestamps are microseconds; the session's zone is UTC."""
        return exp.Anonymous(this="unix_micros", expressions=[exp.Cast(this=at, to=_zoned())])

    def text_in(self, properties: exp.Expr, key: str) -> exp.Expr:
        """A member of the variant as text."""
        return exp.Anonymous(
            this="try_variant_get", expressions=[_variant(properties), _member(key), text("string")]
        )

    def is_type(self, properties: exp.Expr, key: str, kind: str) -> exp.Expr:
        """By the schema of the member; decimals are numbers of any precision."""
        member = exp.Anonymous(
            this="try_variant_get", expressions=[_variant(properties), _member(key), text("variant")]
        )
        found = exp.Anonymous(this="schema_of_variant", expressions=[member])
        if kind != "number":
            return one_of(found, self._TYPES[kind])
        is_decimal = exp.Anonymous(this="startswith", expressions=[found.copy(), text("DECIMAL")])
        return exp.Paren(this=exp.Or(this=one_of(found, self._TYPES[kind]), expression=is_decimal))


def written(query: exp.Select, engine: Engine, *, is_laid_out: bool = False) -> str:
    """The statement as the engine reads it.

    PostgreSQL is told to make each common table once: without statistics it would make them again per row.
    Nothing that is ordered is ever missing, so nothing is said of where it would stand: not all let one.
    """
    is_small = Dialect.get_or_raise(engine.dialect).NULL_ORDERING == "nulls_are_small"
    for ordered in query.find_all(exp.Ordered):
        ordered.set("nulls_first", is_small)  # a member of SQLGlot's
    if engine.dialect == "postgres":
        for table in query.ctes:
            table.set("materialized", True)  # a member of SQLGlot's
    return query.sql(dialect=engine.dialect, pretty=is_laid_out)


def number_in(engine: Engine, properties: exp.Expr, key: str) -> exp.Expr:
    """A member that is a JSON number; null otherwise. TRY: engines may look at a value before its type."""
    found = engine.text_in(properties, key)
    usable = engine.is_type(properties.copy(), key, "number")
    if engine.dialect == "postgres":  # has no TRY_CAST, and CASE guards its branches
        return when(usable, exp.Cast(this=found, to=exp.DataType.build("DOUBLE")))
    return when(usable, exp.TryCast(this=found, to=exp.DataType.build("DOUBLE")))


def _pointer(key: str) -> exp.Expr:
    return text("/" + key.replace("~", "~0").replace("/", "~1"))


def _jsonb(properties: exp.Expr) -> exp.Expr:
    return exp.Cast(this=properties, to=exp.DataType.build("JSONB", dialect="postgres"))


def _click_type(properties: exp.Expr, key: str) -> exp.Expr:
    found = exp.Anonymous(this="JSONType", expressions=[properties, text(key)])
    return exp.Anonymous(this="toString", expressions=[found])


def _variant(properties: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this="parse_json", expressions=[properties])


def _member(key: str) -> exp.Expr:
    escaped = key.replace("\\", "\\\\").replace("'", "\\'")
    return text(f"$['{escaped}']")


def _zoned() -> exp.DataType:
    return exp.DataType.build("TIMESTAMPLTZ", dialect="spark")
