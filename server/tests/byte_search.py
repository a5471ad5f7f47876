"""Looks for texts in all that an installation keeps: files as they lie, columns unpacked, the database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
from django.db import connection


def found_anywhere(texts: set[str], directory: Path) -> list[str]:
    """Where one of the texts is: one line for each place that holds one."""
    pattern = re.compile(b"|".join(re.escape(text.encode()) for text in sorted(texts)))
    return [place for place, content in _everything(directory) if pattern.search(content)]


def _everything(directory: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(directory)), path.read_bytes()
        if path.suffix == ".parquet":
            yield f"{path.name}, unpacked", _unpacked(path)
        if path.suffix == ".duckdb":
            yield from _tables(path)
    yield "the database", _database()


def _unpacked(path: Path) -> bytes:
    rows = duckdb.connect().execute("SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
    return repr(rows).encode()


def _tables(path: Path) -> Iterator[tuple[str, bytes]]:
    with duckdb.connect(str(path), read_only=True) as database:
        tables = database.execute("SELECT t.table_name FROM duckdb_tables() AS t").fetchall()
        for (name,) in tables:
            yield (
                f"{path.name}: {name}",
                repr(database.execute(f'SELECT * FROM "{name}"').fetchall()).encode(),
            )


def _database() -> bytes:
    """SQLite's pages as they are, the free ones too; of PostgreSQL every row."""
    connection.ensure_connection()
    if connection.vendor == "sqlite":
        pages: bytes = connection.connection.serialize()
        return pages
    with connection.cursor() as cursor:
        rows = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" AS t')
            rows += cursor.fetchall()
    return repr(rows).encode()
