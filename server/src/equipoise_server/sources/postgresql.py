"""A PostgreSQL, read in one read-only transaction with a deadline, as a role that is no superuser."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from django.conf import settings
from psycopg.conninfo import make_conninfo
from sqlglot import exp

from equipoise_server.sources.connection_rules import connection_problems, dsn_parts, password_of
from equipoise_server.sources.files import too_large, too_slow
from equipoise_server.sources.values import Connection, Estimate, Held, unusable

CONNECT_SECONDS = 5
_HELD = {
    Held.NUMBER: (20, 21, 23, 700, 701, 1700),
    Held.TEXT: (18, 19, 25, 1042, 1043, 2950),
    Held.BOOLEAN: (16,),
    Held.TIME: (1082, 1114, 1184),
}
"""Types by their numbers, which never change: pg_type.dat of PostgreSQL."""
_BY_NUMBER = {number: held for held, numbers in _HELD.items() for number in numbers}


class PostgreSqlSession:
    """One transaction, so that all statements see the same rows."""

    dialect = "postgres"

    def __init__(self, connection: Connection, source: str) -> None:
        self._source = source
        problems = connection_problems(connection.kind, connection.location, connection.password_from)
        if problems:
            raise unusable(source, "connection", problems[0].message)
        password = password_of(connection)
        try:
            self._connection = psycopg.connect(
                make_conninfo(
                    **dsn_parts(connection.location), password=password, connect_timeout=CONNECT_SECONDS,
                    application_name="equipoise", options=_options(), passfile=os.devnull,
                )
            )  # fmt: skip
        except (psycopg.Error, UnicodeError) as fault:
            raise unusable(
                source, "connection", f"“{connection.key}” cannot be reached: {_said(fault)}"
            ) from fault
        if self._connection.info.parameter_status("is_superuser") == "on":
            self.close()
            told = f"“{connection.key}” connects as a superuser; name a role that may only read."
            raise unusable(source, "connection", told)
        self._connection.read_only = True
        self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ

    def close(self) -> None:
        """Close the connection; nothing was changed."""
        self._connection.close()

    def held(self, query: exp.Query) -> Mapping[str, Held]:
        """The columns of a statement, by what they hold."""
        with self._told(), self._connection.cursor() as cursor:
            cursor.execute(self._bytes(exp.select("*").from_(query.subquery("held")).limit(0)))
            return {
                column.name: _BY_NUMBER.get(column.type_code, Held.OTHER)
                for column in cursor.description or ()
            }

    def rows(self, query: exp.Query) -> Sequence[tuple[object, ...]]:
        """All rows of a small statement."""
        with self._told(), self._connection.cursor() as cursor:
            cursor.execute(self._bytes(query))
            return cursor.fetchall()

    def estimate(self, query: exp.Query) -> Estimate | None:
        """What EXPLAIN says, without running it."""
        with self._told(), self._connection.cursor() as cursor:
            cursor.execute(b"EXPLAIN (FORMAT JSON) " + self._bytes(query))
            row = cursor.fetchone()
        told = row[0] if row else "[]"
        plan = (json.loads(told) if isinstance(told, str) else told)[0]["Plan"]
        return Estimate(
            int(plan["Plan Rows"]),
            int(plan["Plan Rows"]) * int(plan["Plan Width"]),
            float(plan["Total Cost"]),
        )

    def export(self, query: exp.Query, target: Path, *, most_bytes: int) -> int:
        """Stream the rows as CSV; too much of it ends the reading."""
        copy = b"COPY (" + self._bytes(query) + rb") TO STDOUT WITH (FORMAT csv, NULL '\N')"
        size = 0
        with (
            self._told(),
            self._connection.cursor() as cursor,
            target.open("wb") as kept,
            cursor.copy(copy) as stream,
        ):
            for chunk in stream:
                size += len(chunk)
                if size > most_bytes:
                    raise unusable(self._source, "sql", too_large(most_bytes))
                kept.write(chunk)
        return size

    def _bytes(self, query: exp.Query) -> bytes:
        return query.sql(dialect=self.dialect).encode()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell every failure in words, with what to do."""
        try:
            yield
        except psycopg.errors.QueryCanceled as fault:
            raise unusable(self._source, "sql", too_slow()) from fault
        except psycopg.errors.InsufficientPrivilege as fault:
            told = f"the role may not read it: {_said(fault)} Grant SELECT to the role."
            raise unusable(self._source, "connection", told) from fault
        except psycopg.Error as fault:
            raise unusable(
                self._source, "sql", f"it cannot be read: {_said(fault)} Revise the source."
            ) from fault


def _options() -> str:
    milliseconds = int(settings.SOURCE_SECONDS * 1000)
    said = {
        "default_transaction_read_only": "on",
        "statement_timeout": str(milliseconds),
        "lock_timeout": "2000",
        "idle_in_transaction_session_timeout": str(milliseconds + 60_000),
        "TimeZone": "UTC",
        "DateStyle": "ISO",
        "client_encoding": "UTF8",
    }
    return " ".join(f"-c {name}={value}" for name, value in said.items())


def _said(fault: Exception) -> str:
    """The first line; what follows it may quote data."""
    line = str(fault).split("\n", maxsplit=1)[0].strip()
    return line if line.endswith(".") else f"{line}."
