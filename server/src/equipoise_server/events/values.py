"""Events as other rooms see them: verdicts, pinned files and six numbers that add up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from uuid import UUID

import msgspec

from equipoise_server.events.quality_values import (
    NOBODY,
    DayOfEvents,
    DropReason,
    EventNumbers,
    EventQuality,
    Fault,
    Freshness,
    QuarantinedDetail,
    Repair,
    RepairKind,
    ReplayPreview,
    ReplayState,
    Sender,
    SenderOfEvents,
    Told,
    program,
    program_of_user_agent,
)

__all__ = [
    "NOBODY",
    "DayOfEvents",
    "DropReason",
    "EventNumbers",
    "EventQuality",
    "Fault",
    "Freshness",
    "QuarantinedDetail",
    "Repair",
    "RepairKind",
    "ReplayPreview",
    "ReplayState",
    "Sender",
    "SenderOfEvents",
    "Told",
    "program",
    "program_of_user_agent",
]  # what other rooms find here though it is written elsewhere

LARGEST_VALUE = 1e15
"""A number beyond this is no measurement: its square would swallow all others."""

LARGEST_BODY = 1_000_000
"""Bytes that a batch may have, after inflating too."""

LONGEST_UNIT_BYTES = 256
MOST_ERASED_UNITS = 10_000
"""By one erasure."""
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
Unit = str | int


class Exposure(msgspec.Struct, gc=False, tag_field="kind", tag="exposure"):
    """The unit met the variant, or has a place in a holdout; its cluster is what was randomised."""

    id: UUID
    at: Instant
    experiment: Name
    iteration: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    flag: Name
    variant: Name
    unit_type: Name
    unit: Unit
    revision: Annotated[int, msgspec.Meta(ge=0, le=2**62)] = 0
    differs: bool | None = None
    cluster_type: Name | None = None
    cluster: Unit | None = None
    attributes: dict[str, object] | None = None
    token: str | None = None


class Track(msgspec.Struct, gc=False, tag_field="kind", tag="track"):
    """Something happened to the units."""

    id: UUID
    at: Instant
    name: Name
    units: Annotated[dict[Name, Unit], msgspec.Meta(min_length=1, max_length=16)]
    value: float | None = None
    properties: dict[str, object] | None = None


Event = Exposure | Track


class Arm(msgspec.Struct, frozen=True):
    """A variant of an experiment, and the variants of flags that it sets."""

    key: str
    values: dict[str, str] = {}


class Served(msgspec.Struct, frozen=True):
    """What a snapshot says of an experiment."""

    iteration: int
    unit_type: str
    state: str
    variants: list[Arm]
    cluster_type: str | None = None


class Vocabulary(msgspec.Struct, frozen=True):
    """What events of an environment may name, by its snapshot: unit types, and experiments by key."""

    unit_types: list[str] = []
    experiments: dict[str, Served] = {}


SEGMENT_CALLS = ("track", "page", "screen", "identify", "group", "alias")


@dataclass(frozen=True, slots=True)
class SegmentBody:
    """What was sent to a call of Segment's tracking API ("batch" or one of SEGMENT_CALLS), and where to."""

    call: str
    content: bytes
    vocabulary: Vocabulary


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
    ignored: int = 0
    """Messages of Segment's calls that are no events."""
    problems: tuple[str, ...] = ()
    """What was not understood beside the events; it is not kept."""


@dataclass(frozen=True, slots=True)
class PinnedFiles:
    """The Parquet files of one kind in one environment at one instant; they outlive the reader."""

    kind: EventKind
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file, the span of its events' derived time, and the last round of compaction in it."""

    path: Path
    earliest: datetime
    latest: datetime
    arrival: int


@dataclass(frozen=True, slots=True)
class ArrivedFiles:
    """The files that hold what arrived up to the round `through`; they outlive the reader."""

    kind: EventKind
    files: tuple[StoredFile, ...]
    through: int


@dataclass(frozen=True, slots=True)
class DataQuality:
    """received = stored + duplicates + conflicting + quarantined + waiting + erased.

    conflicting: an id seen before with other content. waiting: durable, not yet in the store.
    late and early are among the stored: over 7 days old, or over 1 hour in the future, on arrival.
    erased: about nobody but erased units, so not stored.
    """

    received: int
    stored: int
    duplicates: int
    conflicting: int
    quarantined: int
    waiting: int
    late: int
    early: int
    erased: int = 0


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


class MalformedBody(ValueError):
    """The body as a whole cannot be read; the sentence says why."""


class InboxFull(Exception):
    """Too much is waiting to be written; come back in a second."""


class StorageFailed(Exception):
    """The disk did not take the batch; it was not kept. `is_full` says that space ran out."""

    def __init__(self, message: str, *, is_full: bool) -> None:
        super().__init__(message)
        self.is_full = is_full


class InboxClosed(Exception):
    """The process is going down; nothing more is taken."""


class ErasureStep(StrEnum):
    """How far an erasure is, in this order. Each step can be done again."""

    BURY = "bury"
    CONFIGURATION = "configuration"
    STORE = "store"
    INBOXES = "inboxes"
    DERIVED = "derived"
    LEFTOVERS = "leftovers"
    FREE_PAGES = "free_pages"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Erasure:
    """One erasure; it names no unit. `removed` says by place how much was taken out."""

    id: UUID
    project_id: UUID
    unit_type: str
    asked: int
    fingerprint: str
    """A keyed hash of the request: the same units of the same type have the same one."""
    asked_by: str
    asked_at: datetime
    step: ErasureStep
    removed: Mapping[str, int]
    waits_for: str
    """Why the step is not done yet; "" while it goes on."""
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Retention:
    """How long an environment keeps raw events (None: for ever) and refused ones, in days."""

    environment_id: UUID
    event_days: int | None = None
    quarantine_days: int = 30
    version: int = 0
    """0 before anything was set."""
    dropped_through: date | None = None
    """The last day whose events are gone."""
    waits_for: str = ""
    """Which experiments still need days that are past their time; "" when none does."""
