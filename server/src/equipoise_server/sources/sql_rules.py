"""Which SQL a source may have: one SELECT that reads tables and nothing else. Pure.

What runs is written from the parsed statement again, so nothing that was not judged reaches an engine.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from equipoise_server.foundation.refusals import Problem
from equipoise_server.sources.values import ConnectionKind

LONGEST_SQL = 20_000
DIALECTS = {ConnectionKind.FILES: "duckdb", ConnectionKind.POSTGRESQL: "postgres"}
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_SYSTEM_SCHEMAS = {"pg_catalog", "information_schema", "pg_toast", "system", "temp"}
_SYSTEM_PREFIXES = ("pg_", "duckdb_", "sqlite_", "pragma_")
# Functions that SQLGlot has no class for, and that see nothing but their arguments.
_KNOWN_PURE = {
    "btrim", "date_part", "div", "epoch", "epoch_ms", "epoch_us", "isfinite", "isnan", "json_extract_string",
    "json_extract_path_text", "jsonb_extract_path_text", "json_value", "make_timestamp", "nullif",
    "octet_length", "regexp_match", "to_timestamp", "try_strptime", "width_bucket",
}  # fmt: skip
_WRITES = (
    exp.DML, exp.DDL, exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Drop, exp.Copy, exp.Into,
    exp.Attach, exp.Detach, exp.Command, exp.Set, exp.Pragma, exp.Lock, exp.TruncateTable, exp.Alter,
)  # fmt: skip
_READERS = (exp.ReadCSV, exp.ReadParquet)


def vetted(sql: str, kind: ConnectionKind) -> exp.Query:
    """The statement of a source that was judged when it was saved.

    :raises ValueError: it would be refused today.
    """
    query, problems = parsed(sql, kind)
    if query is None:
        raise ValueError(problems[0].message)
    return query


def parsed(sql: str, kind: ConnectionKind) -> tuple[exp.Query | None, list[Problem]]:
    """The statement, or everything that is wrong with it, each with its place."""
    if len(sql) > LONGEST_SQL:
        return None, [Problem("sql", f"A query has at most {LONGEST_SQL:,} characters; make it a view.")]
    try:
        with _quiet():
            statements = [one for one in sqlglot.parse(sql, read=DIALECTS[kind]) if one is not None]
    except (SqlglotError, RecursionError) as fault:
        return None, [Problem("sql", f"This is no SQL that can be read: {_first_line(fault)}")]
    if len(statements) != 1:
        told = f"Give one SELECT; there are {len(statements)} statements."
        return None, [Problem("sql", told)]
    (query,) = statements
    if not isinstance(query, exp.Query) or isinstance(query, exp.DML):
        told = f"Only a SELECT is run here; “{_written(query, kind)}” is none."
        return None, [Problem("sql", told)]
    problems = [Problem("sql", message) for message in dict.fromkeys(_faults(query, kind))]
    return (None, problems) if problems else (query, [])


def table_problems(table: str, kind: ConnectionKind) -> list[Problem]:
    """What is wrong with a table's name: `orders` or `shop.orders`."""
    parts = table.split(".")
    limit = 2 if kind is ConnectionKind.POSTGRESQL else 1
    if len(parts) > limit or not all(_PLAIN_NAME.fullmatch(part) for part in parts):
        form = "“orders” or “shop.orders”" if limit == 2 else "“orders”"  # noqa: PLR2004  # schema and table
        return [Problem("table", f"“{table}” is no table's name; write it like {form}.")]
    node = exp.to_table(table, dialect=DIALECTS[kind])
    return [Problem("table", message) for message in _table_faults(node, kind)]


def _faults(query: exp.Query, kind: ConnectionKind) -> Iterator[str]:
    for node in query.walk():
        if isinstance(node, _WRITES):
            yield f"A source only reads; take out “{_written(node, kind)}”."
        elif isinstance(node, exp.Table):
            yield from _table_faults(node, kind)
        elif isinstance(node, _READERS):
            yield f"A source reads tables, not files; take out “{_written(node, kind)}”."
        elif isinstance(node, exp.Anonymous | exp.AnonymousAggFunc) and _is_unknown(node):
            yield f"The function “{node.name}” may do more than compute; take it out, or make a view."
        elif isinstance(node, exp.Placeholder | exp.Parameter):
            yield f"A source has no parameters; write “{_written(node, kind)}” out."


def _table_faults(table: exp.Table, kind: ConnectionKind) -> Iterator[str]:
    if not isinstance(table.this, exp.Identifier):
        yield f"A source reads tables, not functions; take out “{_written(table, kind)}”."
        return
    name, schema = table.name, table.db
    if not all(_PLAIN_NAME.fullmatch(part) for part in (name, schema, table.catalog) if part):
        yield f"“{name}” is no table's name; files and addresses are not read here."
    elif schema.lower() in _SYSTEM_SCHEMAS or name.lower().startswith(_SYSTEM_PREFIXES):
        yield f"“{_written(table, kind)}” belongs to the database itself; a source reads tables of data."


def _is_unknown(function: exp.Expr) -> bool:
    return function.name.lower() not in _KNOWN_PURE


def _written(node: exp.Expr, kind: ConnectionKind) -> str:
    """What was found, short enough for a sentence."""
    text = " ".join(node.sql(dialect=DIALECTS[kind]).split())
    return text if len(text) <= 80 else f"{text[:79]}…"  # noqa: PLR2004  # a line


def _first_line(fault: Exception) -> str:
    return re.sub(r"\x1b\[[0-9]*m", "", str(fault)).split("\n", maxsplit=1)[0] or "it is nested too deeply."


@contextmanager
def _quiet() -> Iterator[None]:
    """What the parser does not know is refused here in words; it need not be logged as well."""
    logger = logging.getLogger("sqlglot")
    held = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(held)
