"""The state file: its tables, its ledger, and how it is opened. Knows DuckDB; knows no plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

NEVER = -1
"""The ledger before anything was taken."""

_TABLES = """
CREATE TABLE ledger (form INTEGER, hashed_by VARCHAR, arrival BIGINT, as_of BIGINT);
CREATE TABLE units (u BIGINT, h UINTEGER, unit_type VARCHAR, unit VARCHAR);
CREATE TABLE runs (
  run INTEGER, name VARCHAR, unit_type VARCHAR, experiment VARCHAR, iteration INTEGER, since BIGINT,
  hash VARCHAR, arms VARCHAR[], cuts BIGINT[]);
CREATE TABLE firsts (
  run INTEGER, u BIGINT, arm USMALLINT, first_at BIGINT, first_id UUID, crossed_at BIGINT);
CREATE TABLE strangers (run INTEGER, variant VARCHAR, u BIGINT, first_at BIGINT);
CREATE TABLE shapes (event VARCHAR, names VARCHAR[]);
CREATE TABLE sums (
  name VARCHAR, hash VARCHAR, arm VARCHAR, crossed BIGINT, pivots BLOB, gram BLOB);
CREATE TABLE carried (event VARCHAR, unit_type VARCHAR, hour BIGINT, events BIGINT);
CREATE TABLE waiting_exposures (
  unit_type VARCHAR, unit VARCHAR, experiment VARCHAR, iteration INTEGER, variant VARCHAR,
  moment BIGINT, id UUID);
CREATE TABLE waiting_tracks (
  unit_type VARCHAR, unit VARCHAR, name VARCHAR, moment BIGINT, value DOUBLE, properties VARCHAR);
"""
FORM = 3
"""Grows when the tables mean something else: a file of another form is made again."""
HASH = "CAST(hash({table}.unit_type, {table}.unit) >> 32 AS UINTEGER)"
"""Finds a unit's row among all: numbers are looked through faster than texts. Units may share one."""


class StateInUse(Exception):
    """Another process holds the state file."""


class State:
    """An open state file."""

    def __init__(self, database: duckdb.DuckDBPyConnection) -> None:
        self.database = database

    def run(self, statement: str, given: object = None) -> list[tuple]:  # type: ignore[type-arg]  # columns differ
        """Execute and fetch everything: a connection refuses the next statement while rows are undrained."""
        rows: list[tuple] = self.database.execute(statement, given).fetchall()  # type: ignore[type-arg]  # as above
        return rows

    @property
    def arrival(self) -> int:
        """Up to which round of compaction everything was taken."""
        return int(self.run("SELECT ledger.arrival FROM ledger")[0][0])

    @property
    def as_of(self) -> int:
        """Everything that happened before this instant, in microseconds, is in the state; nothing else is."""
        return int(self.run("SELECT ledger.as_of FROM ledger")[0][0])

    @property
    def runs(self) -> dict[str, int]:
        """By name, the number of each run that is held: what its first exposures are filed under."""
        return dict(self.run("SELECT r.name, r.run FROM runs AS r"))

    @property
    def hashes(self) -> dict[str, str]:
        """By name, of which plan each run that is held is."""
        return dict(self.run("SELECT r.name, r.hash FROM runs AS r"))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, the ledger included."""
        self.run("BEGIN")
        try:
            yield
        except BaseException:
            self.run("ROLLBACK")
            raise
        self.run("COMMIT")

    def fill(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A temporary table with these rows; `columns` are names with types."""
        told = [column.split(" ") for column in columns]
        unnested = ", ".join(f"UNNEST(CAST(? AS {kind}[])) AS {name}" for name, kind in told)  # our own names
        given = [[row[place] for row in rows] for place in range(len(told))]
        self.run(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT {unnested}", given)


@contextmanager
def open_state(path: Path | None, *, memory: str = "1200MB") -> Iterator[State]:
    """The state in a file of ours, made if it is not there; None keeps it in memory."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    # One thread: the same events give the same sums, whatever else the machine does.
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "memory_limit": memory,
        "asof_loop_join_threshold": 0,
    }
    try:
        database = duckdb.connect(":memory:" if path is None else str(path), config=config)
    except duckdb.IOException as trouble:
        if "lock" not in str(trouble):
            raise
        raise StateInUse(str(trouble)) from trouble
    try:
        database.execute("SET preserve_insertion_order = false").fetchall()
        state = State(database)
        _prepare(state)
        yield state
    finally:
        database.close()


def _prepare(state: State) -> None:
    try:
        ((form, hashed_by),) = state.run("SELECT ledger.form, ledger.hashed_by FROM ledger")
    except (duckdb.CatalogException, duckdb.BinderException):  # a new file, or one of an earlier form
        form, hashed_by = None, ""
    if form != FORM:
        _make_tables(state)
    elif hashed_by != duckdb.__version__:  # whose hashes may differ
        with state.transaction():
            state.run(f"UPDATE units SET h = {HASH.format(table='units')}")
            state.run("UPDATE ledger SET hashed_by = ?", [duckdb.__version__])


def _make_tables(state: State) -> None:
    with state.transaction():
        for (name,) in state.run("SELECT t.table_name FROM duckdb_tables() AS t WHERE NOT t.temporary"):
            state.run(f'DROP TABLE "{name}"')
        for statement in _TABLES.split(";\n"):
            if statement.strip():
                state.run(statement)
        state.run("INSERT INTO ledger VALUES (?, ?, ?, ?)", [FORM, duckdb.__version__, NEVER, 0])
