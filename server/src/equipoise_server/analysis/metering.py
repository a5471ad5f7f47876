"""Executes statements for due work: counts what they read, and ends when somebody wants the work to stop."""

from __future__ import annotations

import json

import duckdb

from equipoise_server.foundation import running


def metered(database: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """The connection, keeping count when anybody wants to know."""
    if running.is_counting():
        database.execute("PRAGMA enable_profiling = 'no_output'").fetchall()
    return database


def fetched(database: duckdb.DuckDBPyConnection, statement: str) -> list[tuple]:  # type: ignore[type-arg]  # columns differ by query
    """All rows of a statement. Raises Stopped before it begins, or in its middle, when the work must end."""
    running.end_if_stopped()
    try:
        rows: list[tuple] = database.execute(statement).fetchall()  # type: ignore[type-arg]  # as above
    except duckdb.InterruptException:
        running.end_if_stopped()
        raise
    if running.is_counting():
        _note(database)
    return rows


def _note(database: duckdb.DuckDBPyConnection) -> None:
    """Add what DuckDB says that it read; what it does not say counts as nothing."""
    told = json.loads(database.get_profiling_information() or "{}")
    rows = told.get("query", {}).get("total_rows_scanned", 0)
    size = told.get("io", {}).get("total_bytes_read", 0)
    running.note_read(rows=int(rows), size=int(size))
