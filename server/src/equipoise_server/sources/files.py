"""Parquet files and DuckDB files, read in a database that can reach nothing else."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
from django.conf import settings
from sqlglot import exp

from equipoise_server.foundation.scratch import scratch
from equipoise_server.sources.connection_rules import connection_problems, directory_of
from equipoise_server.sources.values import Connection, Estimate, Held, SourceUnusable, unusable

_NUMBERS = {
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
    "UHUGEINT", "FLOAT", "DOUBLE",
}  # fmt: skip
_SANDBOX: dict[str, str | bool | int | float | list[str]] = {
    "threads": 2,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "memory_limit": "1GB",
}
_MOST_FILES = 10_000


class FilesSession:
    """An in-memory DuckDB with the files as tables; after opening it can read them and nothing else."""

    dialect = "duckdb"

    def __init__(self, connection: Connection, source: str) -> None:
        self._source = source
        problems = connection_problems(connection.kind, connection.location, connection.password_from)
        if problems:
            raise unusable(source, "connection", problems[0].message)
        self._place = scratch("source")
        self._own = Path(self._place.name)
        self._database = duckdb.connect(":memory:", config=_SANDBOX)
        try:
            self._load(directory_of(connection.location))
        except duckdb.Error as fault:
            self.close()
            raise self._told(fault) from fault

    def close(self) -> None:
        """Give memory and scratch files back."""
        self._database.close()
        self._place.cleanup()

    def held(self, query: exp.Query) -> Mapping[str, Held]:
        """The columns of a statement, by what they hold."""
        with self._in_time():
            found = self._database.execute(f"DESCRIBE {query.sql(dialect=self.dialect)}").fetchall()
        return {str(row[0]): _held(str(row[1])) for row in found}

    def rows(self, query: exp.Query) -> Sequence[tuple[object, ...]]:
        """All rows of a small statement."""
        with self._in_time():
            found: list[tuple[object, ...]] = self._database.execute(
                query.sql(dialect=self.dialect)
            ).fetchall()
        return found

    def estimate(self, query: exp.Query) -> Estimate | None:  # noqa: ARG002  # every session can be asked
        """DuckDB promises no estimate."""
        return None

    def export(self, query: exp.Query, target: Path, *, most_bytes: int) -> int:
        """Write the rows as CSV, in the one directory that may be written."""
        fresh = self._own / "rows.csv"
        statement = query.sql(dialect=self.dialect)
        options = "(FORMAT csv, HEADER false, NULLSTR '\\N')"
        with self._in_time():
            place = exp.Literal.string(str(fresh)).sql(dialect="duckdb")
            self._database.execute(f"COPY ({statement}) TO {place} {options}")
        size = fresh.stat().st_size
        if size > most_bytes:
            raise unusable(self._source, "sql", too_large(most_bytes))
        shutil.move(fresh, target)
        return size

    def _load(self, place: Path) -> None:
        self._database.execute("SET TimeZone = 'UTC'")
        reach = place.parent if place.is_file() else place
        if place.is_file():
            self._database.execute(f"ATTACH '{place}' AS held (READ_ONLY)")
            self._database.execute("USE held")
        else:
            for name, files in _tables(place):
                listed = ", ".join(f"'{file}'" for file in files)
                table = exp.to_identifier(name, quoted=True).sql(dialect="duckdb")
                rows = f"SELECT * FROM read_parquet([{listed}], union_by_name = true)"  # noqa: S608  # paths without quotes
                self._database.execute(f"CREATE VIEW {table} AS {rows}")
        allowed = ", ".join(exp.Literal.string(str(one)).sql(dialect="duckdb") for one in (reach, self._own))
        self._database.execute(f"SET allowed_directories = [{allowed}]")
        self._database.execute("SET enable_external_access = false")
        self._database.execute("SET lock_configuration = true")

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """End a statement that takes too long; tell every failure in words."""
        timer = threading.Timer(settings.SOURCE_SECONDS, self._database.interrupt)
        timer.start()
        try:
            yield
        except duckdb.InterruptException as fault:
            raise unusable(self._source, "sql", too_slow()) from fault
        except duckdb.Error as fault:
            raise self._told(fault) from fault
        finally:
            timer.cancel()

    def _told(self, fault: duckdb.Error) -> SourceUnusable:
        said = str(fault).split("\n", maxsplit=1)[0]
        return unusable(self._source, "sql", f"it cannot be read: {said} Revise the source or its files.")


def too_slow() -> str:
    """What to do when the time is over."""
    return (
        f"reading took longer than {settings.SOURCE_SECONDS:g} seconds; add an index, read less, or"
        " let the operator raise EQUIPOISE_SOURCE_SECONDS."
    )


def too_large(most_bytes: int) -> str:
    """What to do when too much comes over."""
    return (
        f"more than {most_bytes:,} bytes came over; read fewer columns, or let the operator raise"
        " EQUIPOISE_SOURCE_BYTES."
    )


def _tables(place: Path) -> Iterator[tuple[str, list[Path]]]:
    """`orders.parquet` is the table orders; so is a directory orders of Parquet files."""
    for entry in sorted(place.iterdir()):
        files = [entry] if entry.suffix == ".parquet" else []
        if entry.is_dir():
            files = sorted(entry.glob("**/*.parquet"))[:_MOST_FILES]
        kept = [file for file in files if "'" not in str(file)]
        if kept:
            yield entry.stem, kept


def _held(kind: str) -> Held:
    if kind in _NUMBERS or kind.startswith("DECIMAL"):
        return Held.NUMBER
    if kind in {"VARCHAR", "UUID"} or kind.startswith("ENUM"):
        return Held.TEXT
    if kind == "BOOLEAN":
        return Held.BOOLEAN
    return Held.TIME if kind.startswith("TIMESTAMP") or kind == "DATE" else Held.OTHER
