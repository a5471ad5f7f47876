"""Events as other rooms see them: verdicts, pinned files and six numbers that add up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from uuid import UUID

LARGEST_VALUE = 1e15
"""A number beyond this is no measurement: its square would swallow all others."""


class EventKind(StrEnum):
    """What an event says: a unit met a variant, or something happened to a unit."""

    EXPOSURE = "exposure"
    TRACK = "track"


@dataclass(frozen=True, slots=True)
class QuarantinedEvent:
    """An event that was refused: its place in the batch, its id if readable, and every fault."""

    index: int
    id: str | None
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The answer to a batch, given after it is durable."""

    accepted: int
    quarantined: tuple[QuarantinedEvent, ...]


@dataclass(frozen=True, slots=True)
class PinnedFiles:
    """The Parquet files of one kind in one environment at one instant; they outlive the reader."""

    kind: EventKind
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class DataQuality:
    """received = stored + duplicates + conflicting + quarantined + waiting.

    conflicting: an id seen before with other content. waiting: durable, not yet in the store.
    late and early are among the stored: over 7 days old, or over 1 hour in the future, on arrival.
    """

    received: int
    stored: int
    duplicates: int
    conflicting: int
    quarantined: int
    waiting: int
    late: int
    early: int


@dataclass(frozen=True, slots=True)
class RefusedEvent:
    """A refused event as the data-quality page lists it; its values are redacted."""

    received_at: datetime
    problems: tuple[str, ...]
    event: str


@dataclass(frozen=True, slots=True)
class Compacted:
    """What one round of compaction did."""

    batches: int
    stored: int
    duplicates: int
    conflicting: int


@dataclass(frozen=True, slots=True)
class Partition:
    """Where an event is kept: by environment, kind and the UTC day of its raw `at`."""

    environment_id: UUID
    kind: EventKind
    day: date
