"""Sources as other rooms see them: named tables or queries over a read-only connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from equipoise_server.foundation.refusals import Problem, Refusal


class ConnectionKind(StrEnum):
    """What is connected to."""

    FILES = "files"
    """Parquet files, or one DuckDB file, below the directory that the operator allows."""
    POSTGRESQL = "postgresql"
    PROMETHEUS = "prometheus"
    """For health checks, which promote, hold and kill; no metric reads it and no decision rests on it."""


TABULAR = frozenset({ConnectionKind.FILES, ConnectionKind.POSTGRESQL})
"""What has rows, and so can have sources."""


class ColumnType(StrEnum):
    """What a column of a source holds."""

    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"


class Held(StrEnum):
    """What a column holds where the data lie."""

    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"
    TIME = "time"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Connection:
    """A way to data. `location` never holds a password; `password_from` says where the server finds it."""

    id: UUID
    project_id: UUID
    key: str
    kind: ConnectionKind
    location: str
    password_from: str = ""
    edition: int = 1
    archived_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """Which rows a source has and what their columns mean. Either `table` or `sql` is given."""

    connection: str
    """The connection's key."""
    units: Mapping[str, str]
    """Unit type → the column with its ids."""
    time: str
    """The column that says when; without a zone it is read as UTC."""
    columns: Mapping[str, ColumnType]
    """What metrics may add up, filter by and count."""
    table: str = ""
    sql: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A source at one version."""

    id: UUID
    version_id: UUID
    project_id: UUID
    key: str
    version: int
    name: str
    description: str
    owner: str
    shape: Shape
    edition: int = 1
    archived_at: datetime | None = None

    @property
    def ref(self) -> str:
        """How a metric's version names this version: `orders@2`."""
        return f"{self.key}@{self.version}"


class SourceUnusable(Refusal):
    """A source that cannot be read as it was described; each problem names the source and the way out."""

    code = "source_unusable"
    status = 409
    title = "A source cannot be read"


@dataclass(frozen=True, slots=True)
class Cost:
    """What reading took. Bytes are those that came over; None where the engine does not tell."""

    rows: int
    seconds: float
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the engine expects a reading to cost, before it runs."""

    rows: int
    bytes: int
    cost: float
    """In the engine's own unit."""


@dataclass(frozen=True, slots=True)
class Recent:
    """What lies in the last days."""

    days: int
    rows: int
    units: int


@dataclass(frozen=True, slots=True)
class Distribution:
    """How numbers spread; None where there are none."""

    name: str
    count: int
    minimum: float | None
    lower_quartile: float | None
    median: float | None
    upper_quartile: float | None
    maximum: float | None
    zero_share: float | None
    missing_share: float | None


@dataclass(frozen=True, slots=True)
class Sample:
    """A few rows as people see them; ids are shortened."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """What is there: a sample, how much, how it spreads, what it cost, and the statement."""

    sample: Sample
    recent: tuple[Recent, ...]
    distributions: tuple[Distribution, ...]
    cost: Cost
    estimate: Estimate | None
    sql: str
    first_at: datetime | None = None
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Between:
    """Instants from `since` up to `until`, that one left out."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Counted:
    """Rows of one value, and their units."""

    value: str
    rows: int
    units: int


@dataclass(frozen=True, slots=True)
class Census:
    """What rows of a source say by the values of one column, and where they lie in time."""

    by_value: tuple[Counted, ...]
    rows: int
    units: int
    crossed: int
    """Units that have several values."""
    earlier: int
    later: int
    """Rows before the time that was asked for, and after it."""
    nameless: int
    timeless: int
    """Rows of the whole source without a unit, or without an instant."""
    sample: Sample
    cost: Cost
    estimate: Estimate | None
    sql: str
    first_at: datetime | None = None
    last_at: datetime | None = None
    latest_at: datetime | None = None
    """The newest row of all, though it lies after the time that was asked for."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """Rows of a source as a file with the event store's columns, and what they took."""

    path: Path
    cost: Cost


def unusable(source: str, field: str, message: str) -> SourceUnusable:
    """A failure that names the source, the field and the way out."""
    return SourceUnusable(Problem(field, f"The source “{source}”: {message}"))
