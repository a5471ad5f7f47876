"""One open, read-only way to the data of a connection: what a table has, rows of a statement, an export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from sqlglot import exp

from equipoise_server.sources.files import FilesSession
from equipoise_server.sources.postgresql import PostgreSqlSession
from equipoise_server.sources.values import TABULAR, Connection, ConnectionKind, Estimate, Held, unusable

Row = tuple[object, ...]


class Session(Protocol):
    """What every kind of connection can do. Failures are `SourceUnusable`."""

    dialect: str

    def held(self, query: exp.Query) -> Mapping[str, Held]:
        """The columns of a statement, by what they hold."""

    def rows(self, query: exp.Query) -> Sequence[Row]:
        """All rows of a small statement."""

    def estimate(self, query: exp.Query) -> Estimate | None:
        """What the engine expects, where it says so."""

    def export(self, query: exp.Query, target: Path, *, most_bytes: int) -> int:
        """Write the rows as CSV without a header, where \\N is nothing; how many bytes."""

    def close(self) -> None:
        """Let go of it."""


@contextmanager
def opened(connection: Connection, *, source: str) -> Iterator[Session]:
    """The connection, open; failures name the source that wanted it."""
    session: Session
    if connection.kind not in TABULAR:
        told = f"its connection “{connection.key}” has no rows; it is for health checks alone."
        raise unusable(source, "connection", told)
    if connection.kind is ConnectionKind.FILES:
        session = FilesSession(connection, source)
    else:
        session = PostgreSqlSession(connection, source)
    try:
        yield session
    finally:
        session.close()
