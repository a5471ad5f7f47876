"""From a batch in an inbox to rows for the store: derived time, lateness, content. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from uuid import UUID

import msgspec

from equipoise_server.events.inbox import microseconds
from equipoise_server.events.validation import canonical_unit, decode_good
from equipoise_server.events.values import NOBODY, Event, EventKind, Exposure, Sender, Told

LATE_AFTER = timedelta(days=7) // timedelta(microseconds=1)
EARLY_AFTER = timedelta(hours=1) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """One batch as an inbox file holds it; instants in microseconds since 1970."""

    inbox: str
    id: int
    environment_id: UUID
    received_at: int
    sent_at: int
    is_trusted: bool
    good: int
    refused: int
    events: bytes
    sender: Sender = NOBODY
    told: Told | None = None


class Row(msgspec.Struct, gc=False):
    """One event in the columns of the store (see store.ROW_COLUMNS)."""

    id: UUID
    kind: EventKind
    happened_at: int
    derived_at: int
    sent_at: int
    received_at: int
    is_late: bool
    is_early: bool
    units: dict[str, str]
    place: int
    source: int = 0
    content: int = 0
    experiment: str | None = None
    iteration: int | None = None
    flag: str | None = None
    variant: str | None = None
    revision: int | None = None
    differs: bool | None = None
    cluster_type: str | None = None
    cluster: str | None = None
    name: str | None = None
    value: float | None = None
    properties: str | None = None


def derived_at(happened_at: int, batch: StoredBatch) -> int:
    """When it happened by the server's clock: the sender's clock error cancels out.

    A trusted sender's clock is taken as given.
    """
    return happened_at if batch.is_trusted else happened_at + batch.received_at - batch.sent_at


def rows(batch: StoredBatch, *, first_place: int, source: int = 0) -> Iterator[tuple[date, Row]]:
    """The batch's events with the day of their raw `at`, in their order; `source` numbers who sent them."""
    for place, event in enumerate(decode_good(batch.events), first_place):
        row = _row(event, batch, place)
        row.source = source
        yield event.at.astimezone(UTC).date(), row


def _row(event: Event, batch: StoredBatch, place: int) -> Row:
    happened_at = microseconds(event.at)
    derived = derived_at(happened_at, batch)
    row = Row(
        id=event.id,
        kind=EventKind.EXPOSURE if isinstance(event, Exposure) else EventKind.TRACK,
        units=_units(event),
        happened_at=happened_at,
        derived_at=derived,
        sent_at=batch.sent_at,
        received_at=batch.received_at,
        is_late=not batch.is_trusted and derived < batch.received_at - LATE_AFTER,
        is_early=not batch.is_trusted and derived > batch.received_at + EARLY_AFTER,
        place=place,
    )
    if isinstance(event, Exposure):
        row.experiment, row.iteration, row.flag = event.experiment, event.iteration, event.flag
        row.variant, row.revision, row.differs = event.variant, event.revision, event.differs
        row.cluster_type = event.cluster_type
        row.cluster = None if event.cluster is None else canonical_unit(event.cluster)
        row.properties = _canonical(event.attributes)
    else:
        row.name, row.value, row.properties = event.name, event.value, _canonical(event.properties)
    row.content = _content(row)
    return row


def _units(event: Event) -> dict[str, str]:
    units = {event.unit_type: event.unit} if isinstance(event, Exposure) else event.units
    return {unit_type: canonical_unit(unit) for unit_type, unit in units.items()}


def _canonical(properties: dict[str, object] | None) -> str | None:
    return None if properties is None else msgspec.json.encode(properties, order="sorted").decode()


def _content(row: Row) -> int:
    """64 bits of what the event says, whoever sent it and when."""
    said: tuple[object, ...] = (
        row.kind, row.happened_at, row.units, row.experiment, row.iteration, row.flag, row.variant,
        row.revision, row.differs, row.name, row.value, row.properties,
    )  # fmt: skip
    if row.cluster is not None:  # only then: what was stored before exposures had clusters keeps its content
        said = (*said, row.cluster_type, row.cluster)
    return int.from_bytes(blake2b(msgspec.json.encode(said, order="sorted"), digest_size=8).digest())


def instant(at: int) -> datetime:
    """Microseconds since 1970 as an instant."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)
