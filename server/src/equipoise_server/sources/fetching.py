"""Rows of a source as files: facts with the event store's columns, or a table under its own names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import duckdb
from django.conf import settings
from sqlglot import exp

from equipoise_server.sources.counting import refuse_changed
from equipoise_server.sources.previewing import connection_of
from equipoise_server.sources.sessions import opened
from equipoise_server.sources.statements import column_names, only, rows_between
from equipoise_server.sources.values import (
    Between,
    ColumnType,
    Cost,
    Fetched,
    Source,
    unusable,
)

UNITS_AT_ONCE = 50_000
_TYPES = {ColumnType.NUMBER: "DOUBLE", ColumnType.TEXT: "VARCHAR", ColumnType.BOOLEAN: "BOOLEAN"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows: of these units (None: of all), of one type, in a time."""

    source: Source
    unit_type: str
    between: Between
    units: Sequence[str] | None
    hidden: Callable[[str], str] | None = None
    """What events keep in place of an id, where ids are hidden; all rows come over then, to be sifted."""
    where: Mapping[str, str] = field(default_factory=dict)
    """Values that declared columns must have."""


def fetch_facts(wanted: Wanted, name: str, directory: Path) -> Fetched:
    """The rows as events called `name`, whose properties are the declared columns."""
    columns = wanted.source.shape.columns
    pairs = (
        f"{_text(column)}, {_finite(f'c{n}', columns[column])}"
        for n, column in enumerate(column_names(wanted.source.shape))
    )
    shaped = (
        "CAST(md5(CAST(row_number() OVER () AS VARCHAR)) AS UUID) AS id, "
        f"r.unit, {_text(wanted.unit_type)} AS unit_type, {_text(name)} AS name, "
        "r.moment AS derived_at, false AS is_early, CAST(NULL AS DOUBLE) AS value, "
        f"CAST(json_object({', '.join(pairs)}) AS VARCHAR) AS properties"
    )
    return _fetched(wanted, shaped, directory)


def fetch_table(wanted: Wanted, directory: Path) -> Fetched:
    """The rows under the source's own names."""
    shape = wanted.source.shape
    named = [("unit", shape.units[wanted.unit_type]), ("moment", shape.time)]
    named += [(f"c{n}", column) for n, column in enumerate(column_names(shape))]
    kept = dict((column, held) for held, column in reversed(named))  # noqa: C402  # the first of a name stays
    shaped = ", ".join(f"r.{held} AS {_identifier(column)}" for column, held in kept.items())
    return _fetched(wanted, shaped, directory)


def fetch_rows(wanted: Wanted, directory: Path) -> Fetched:
    """The rows as `unit`, `moment`, and the declared columns in their order as texts `c0`, `c1`, …."""
    shape = wanted.source.shape
    texts = (
        f"{_as_text(f'c{n}', shape.columns[name])} AS c{n}" for n, name in enumerate(column_names(shape))
    )
    return _fetched(wanted, ", ".join(("r.unit AS unit", "r.moment AS moment", *texts)), directory)


def _fetched(wanted: Wanted, shaped: str, directory: Path) -> Fetched:
    """Read in batches, then write one Parquet file."""
    began = perf_counter()
    parts = list(_exported(wanted, directory))
    target = directory / f"{wanted.source.version_id}.parquet"
    rows = _written(wanted, parts, shaped, target)
    for part, _ in parts:
        part.unlink()
    if rows > settings.SOURCE_ROWS:
        told = (
            f"it has more than {settings.SOURCE_ROWS:,} rows of these units; read fewer, or let the operator"
            " raise EQUIPOISE_SOURCE_ROWS."
        )
        raise unusable(wanted.source.ref, "sql", told)
    return Fetched(target, Cost(rows, perf_counter() - began, sum(size for _, size in parts)))


def _exported(wanted: Wanted, directory: Path) -> Iterator[tuple[Path, int]]:
    """One file per batch of units; one transaction for all of them."""
    source = wanted.source
    connection = connection_of(source)
    left = settings.SOURCE_BYTES
    with opened(connection, source=source.ref) as session:
        refuse_changed(session, source, connection)
        for place, units in enumerate(_batches(None if wanted.hidden else wanted.units)):
            rows = rows_between(source.shape, connection.kind, wanted.unit_type, wanted.between, units)
            part = directory / f"{source.version_id}-{place}.csv"
            limited = only(rows, source.shape, wanted.where).limit(settings.SOURCE_ROWS + 1)
            size = session.export(limited, part, most_bytes=left)
            left -= size
            yield part, size


def _batches(units: Sequence[str] | None) -> Iterator[Sequence[str] | None]:
    if units is None:
        yield None
        return
    # NUL is in no text of a database, and would end the statement.
    known = [one for one in units if "\x00" not in one]
    for begin in range(0, len(known), UNITS_AT_ONCE):
        yield known[begin : begin + UNITS_AT_ONCE]


def _written(wanted: Wanted, parts: Sequence[tuple[Path, int]], shaped: str, target: Path) -> int:
    held = {"unit": "VARCHAR", "moment": "TIMESTAMP"}
    shape = wanted.source.shape
    held |= {f"c{n}": _TYPES[shape.columns[name]] for n, name in enumerate(column_names(shape))}
    types = ", ".join(f"'{name}': '{kind}'" for name, kind in held.items())
    files = ", ".join(_text(str(part)) for part, size in parts if size)
    read = (
        f"read_csv([{files}], auto_detect = false, header = false, delim = ',', quote = '\"', escape = '\"', "
        f"nullstr = '\\N', allow_quoted_nulls = false, columns = {{{types}}})"
    )
    empty = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in held.items())
    rows = read if files else f"(SELECT {empty} WHERE false)"
    raw = rows
    if wanted.hidden:
        joined = f"{rows} AS x JOIN kept AS k ON k.raw = x.unit"
        rows = f"(SELECT k.kept AS unit, x.* EXCLUDE (unit) FROM {joined})"  # noqa: S608  # as below
    chosen = f"SELECT {shaped} FROM {rows} AS r WHERE r.unit <> '' ORDER BY r.unit, r.moment"  # noqa: S608  # quoted by SQLGlot
    database = duckdb.connect(":memory:", config={"threads": 2})
    try:
        if wanted.hidden:
            _keep_pseudonyms(database, wanted, raw)
        found = database.execute(
            f"COPY ({chosen}) TO {_text(str(target))} (FORMAT PARQUET, COMPRESSION ZSTD)"
        ).fetchall()
    finally:
        database.close()
    return int(found[0][0])


def _keep_pseudonyms(database: duckdb.DuckDBPyConnection, wanted: Wanted, rows: str) -> None:
    """A table of ids and what events keep in their place, of the units that are wanted."""
    assert wanted.hidden is not None
    known = None if wanted.units is None else frozenset(wanted.units)
    found = database.execute(f"SELECT DISTINCT r.unit FROM {rows} AS r").fetchall()  # noqa: S608  # quoted by SQLGlot
    raw = [unit for (unit,) in found if unit]
    pairs = [(unit, wanted.hidden(unit)) for unit in raw]
    fitting = [(unit, kept) for unit, kept in pairs if known is None or kept in known]
    database.execute("CREATE TABLE kept (raw VARCHAR, kept VARCHAR)")
    database.execute(
        "INSERT INTO kept SELECT UNNEST($raw), UNNEST($kept)",
        {"raw": [unit for unit, _ in fitting], "kept": [kept for _, kept in fitting]},
    )


def _finite(column: str, kind: ColumnType) -> str:
    """JSON has no infinities; what is no number is nothing."""
    return (
        f"CASE WHEN isfinite(r.{column}) THEN r.{column} END" if kind is ColumnType.NUMBER else f"r.{column}"
    )


def _as_text(column: str, kind: ColumnType) -> str:
    """Whole numbers without a point; true and false in small letters."""
    if kind is not ColumnType.NUMBER:
        return f"CAST(r.{column} AS VARCHAR)"
    is_whole = f"isfinite(r.{column}) AND r.{column} = trunc(r.{column}) AND abs(r.{column}) < 1e15"
    return (
        f"CASE WHEN {is_whole} THEN CAST(CAST(r.{column} AS BIGINT) AS VARCHAR)"
        f" ELSE CAST(r.{column} AS VARCHAR) END"
    )


def _text(text: str) -> str:
    return exp.Literal.string(text).sql(dialect="duckdb")


def _identifier(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql(dialect="duckdb")
