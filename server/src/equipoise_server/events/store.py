"""Parquet files: how events become columns, and how a file becomes durable before it is named.

Knows DuckDB and the file system. Refuses to know the manifest. What comes in is written, read and deleted in
small pieces: some kernels let nobody else run in the middle of a large one, not even who answers for flags.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import duckdb
import msgspec

from equipoise_server.events.inbox import sync_directory
from equipoise_server.events.values import EventKind

ROW_COLUMNS = {
    "id": "UUID", "content": "UBIGINT", "kind": "VARCHAR", "happened_at": "BIGINT", "derived_at": "BIGINT",
    "sent_at": "BIGINT", "received_at": "BIGINT", "is_late": "BOOLEAN", "is_early": "BOOLEAN",
    "units": "MAP(VARCHAR, VARCHAR)", "experiment": "VARCHAR", "iteration": "INTEGER", "flag": "VARCHAR",
    "variant": "VARCHAR", "revision": "BIGINT", "differs": "BOOLEAN", "cluster_type": "VARCHAR",
    "cluster": "VARCHAR", "name": "VARCHAR", "value": "DOUBLE",
    "properties": "VARCHAR", "place": "BIGINT", "source": "INTEGER",
}  # fmt: skip
"""One incoming event as compaction takes it; `place` is its order of arrival, `source` numbers its sender."""

LOAD_INCOMING = """
CREATE OR REPLACE TEMP TABLE incoming AS SELECT incoming_rows.* FROM read_json($paths,
  format = 'newline_delimited', columns = $columns, maximum_object_size = $longest) AS incoming_rows
"""
ROWS_A_PIECE = 128
ROWS_A_FILE = 64 * ROWS_A_PIECE
LONGEST_LINE_BYTES = 4_000_000
NO_HELD = "CREATE OR REPLACE TEMP TABLE held (id UUID, content UBIGINT)"
LOAD_HELD = """
CREATE OR REPLACE TEMP TABLE held AS SELECT DISTINCT stored.id, stored.content
FROM read_parquet($paths) AS stored SEMI JOIN incoming ON incoming.id = stored.id
"""
# An id is first seen in the store, else at its first arrival; whatever differs from that is a conflict.
JUDGE_INCOMING = """
CREATE OR REPLACE TEMP TABLE judged AS
WITH ranked AS (
  SELECT incoming.*, held.content AS held_content,
    FIRST_VALUE(incoming.content) OVER by_arrival AS first_content,
    ROW_NUMBER() OVER by_arrival AS arrival
  FROM incoming LEFT JOIN held ON held.id = incoming.id
  WINDOW by_arrival AS (PARTITION BY incoming.id ORDER BY incoming.place)
)
SELECT ranked.*, CASE
  WHEN COALESCE(ranked.held_content, ranked.first_content) <> ranked.content THEN 'conflicting'
  WHEN ranked.held_content IS NULL AND ranked.arrival = 1 THEN 'stored'
  ELSE 'duplicate' END AS verdict
FROM ranked
"""
COUNT_JUDGED = """
SELECT judged.verdict, judged.source, COUNT(*), COUNT_IF(judged.is_late), COUNT_IF(judged.is_early)
FROM judged GROUP BY judged.verdict, judged.source
"""
CONFLICTS = """
SELECT judged.id, judged.received_at, judged.place FROM judged
WHERE judged.verdict = 'conflicting' ORDER BY judged.place LIMIT $most
"""
# `arrival` numbers the rounds of compaction, strictly growing: what is new is what arrived after a number.
LOAD_FRESH = """
CREATE OR REPLACE TEMP TABLE fresh AS SELECT
  one.kind, one.id, one.content, make_timestamp(one.happened_at) AS happened_at,
  make_timestamp(one.derived_at) AS derived_at, make_timestamp(one.sent_at) AS sent_at,
  make_timestamp(one.received_at) AS received_at, one.is_late, one.is_early,
  one.entry.key AS unit_type, one.entry.value AS unit, one.experiment, one.iteration, one.flag, one.variant,
  one.revision, one.differs, one.cluster_type, one.cluster, one.name, one.value, one.properties,
  CAST($arrival AS BIGINT) AS arrival
FROM (SELECT judged.*, UNNEST(map_entries(judged.units)) AS entry FROM judged
  WHERE judged.verdict = 'stored') AS one
"""
WRITE_FRESH = {
    EventKind.EXPOSURE: """
COPY (SELECT fresh.* EXCLUDE (kind, name, value) FROM fresh WHERE fresh.kind = 'exposure'
ORDER BY fresh.unit_type, fresh.unit, fresh.derived_at, fresh.id)
TO $target (FORMAT PARQUET, COMPRESSION ZSTD)
""",
    EventKind.TRACK: """
COPY (SELECT fresh.* EXCLUDE (kind, experiment, iteration, flag, variant, revision, differs, cluster_type,
  cluster) FROM fresh
WHERE fresh.kind = 'track' ORDER BY fresh.unit_type, fresh.unit, fresh.derived_at, fresh.id)
TO $target (FORMAT PARQUET, COMPRESSION ZSTD)
""",
}
WRITE_MERGED = """
COPY (SELECT merged.* FROM read_parquet($paths, union_by_name = true) AS merged
ORDER BY merged.unit_type, merged.unit, merged.derived_at, merged.id)
TO $target (FORMAT PARQUET, COMPRESSION ZSTD)
"""
DESCRIBE = """
SELECT COUNT(*), MIN(written.derived_at), MAX(written.derived_at) FROM read_parquet($path) AS written
"""


def open_database(directory: Path) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB that spills into a directory of ours."""
    directory.mkdir(parents=True, exist_ok=True)
    database = duckdb.connect(":memory:", config={"threads": 2, "temp_directory": str(directory)})
    database.execute("SET TimeZone = 'UTC'")
    return database


def load_incoming(database: duckdb.DuckDBPyConnection, rows: Sequence[msgspec.Struct], scratch: Path) -> None:
    """Fill the table `incoming`; rows have the fields of ROW_COLUMNS."""
    with _lines(rows, scratch) as (paths, longest):
        given = {"paths": [str(path) for path in paths], "columns": ROW_COLUMNS, "longest": longest}
        database.execute(LOAD_INCOMING, given).fetchall()


@contextmanager
def _lines(rows: Sequence[msgspec.Struct], scratch: Path) -> Iterator[tuple[list[Path], int]]:
    """Files of a JSON object a line, and how long no line is; a full disk keeps nothing of what failed."""
    encode = msgspec.json.Encoder().encode_lines
    paths: list[Path] = []
    longest = 0
    try:
        for begin in range(0, len(rows), ROWS_A_FILE):
            paths.append(scratch / f"{uuid4().hex}.ndjson")
            with paths[-1].open("wb") as file:
                for first in range(begin, min(begin + ROWS_A_FILE, len(rows)), ROWS_A_PIECE):
                    lines = encode(rows[first : first + ROWS_A_PIECE])
                    file.write(lines)
                    longest = max(longest, len(lines))
        yield paths, min(longest, LONGEST_LINE_BYTES)
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


def write_durably(database: duckdb.DuckDBPyConnection, copy: str, path: Path, **given: object) -> None:
    """Run a COPY into a temporary name, fsync, rename, fsync the directory: a named file is whole."""
    _make_directory(path.parent)
    unfinished = path.with_suffix(".unfinished")
    database.execute(copy, {**given, "target": str(unfinished)}).fetchall()
    handle = os.open(unfinished, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    unfinished.rename(path)
    sync_directory(path.parent)


def _make_directory(directory: Path) -> None:
    """Create a directory so that its name is durable, too."""
    if directory.exists():
        return
    _make_directory(directory.parent)
    directory.mkdir(exist_ok=True)
    sync_directory(directory.parent)
