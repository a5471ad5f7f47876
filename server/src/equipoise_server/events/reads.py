"""Questions about events: which files to read, and six numbers that add up."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from uuid import UUID

from equipoise_server.events import backlog, places
from equipoise_server.events.asking import erasures_of
from equipoise_server.events.browsing import quarantine_faults, quarantined_event, quarantined_events
from equipoise_server.events.compaction import watermarks
from equipoise_server.events.graves import erased_among
from equipoise_server.events.holding import held, waiting_for_key
from equipoise_server.events.models import ConflictingEvent, EventCounter, StoreFile
from equipoise_server.events.quality import quality_of, store_version
from equipoise_server.events.replaying import replays_of
from equipoise_server.events.retention import retention_of
from equipoise_server.events.values import (
    ArrivedFiles,
    DataQuality,
    EventKind,
    PinnedFiles,
    RefusedEvent,
    StoredFile,
)

__all__ = [
    "arrived_files", "data_quality", "erased_among", "erasures_of", "news", "pinned_files", "quality_of",
    "quarantine_faults", "quarantined_event", "quarantined_events", "refused_events", "replays_of",
    "retention_of", "waiting_for_key",
]  # fmt: skip


def pinned_files(environment_id: UUID, kind: EventKind, *, since: datetime, until: datetime) -> PinnedFiles:
    """The files that may hold events derived in [since, until); they stay for 10 minutes at least."""
    rows = StoreFile.objects.filter(
        environment_id=environment_id, kind=kind, retired_at=None, latest__gte=since, earliest__lt=until
    ).order_by("day", "created_at", "id")
    directory = places.store_directory()
    return PinnedFiles(kind, tuple(directory / path for path in rows.values_list("path", flat=True)))


def arrived_files(environment_id: UUID, kind: EventKind) -> ArrivedFiles:
    """All files at one instant: what arrived up to the round `through` is in them, and nothing else."""
    while True:
        version = store_version()
        rows = StoreFile.objects.filter(environment_id=environment_id, kind=kind, retired_at=None).order_by(
            "day", "created_at", "id"
        )
        found = list(rows)
        if version == store_version():
            directory = places.store_directory()
            files = tuple(
                StoredFile(directory / row.path, row.earliest, row.latest, row.arrival) for row in found
            )
            return ArrivedFiles(kind, files, version)


def news(environment_id: UUID, *, after: int) -> tuple[int, int]:
    """Rows and bytes of the files whose events came after a round of compaction."""
    found = StoreFile.objects.filter(environment_id=environment_id, arrival__gt=after, retired_at=None)
    directory, rows, size = places.store_directory(), 0, 0
    for path, count in found.values_list("path", "rows"):
        rows += count
        with suppress(FileNotFoundError):
            size += (directory / path).stat().st_size
    return rows, size


def data_quality(environment_id: UUID) -> DataQuality:
    """received = stored + duplicates + conflicting + quarantined + waiting + erased, at one instant."""
    while True:
        version = store_version()
        counted = EventCounter.objects.filter(environment_id=environment_id).first() or EventCounter()
        inboxes, below = places.inbox_directory(), held(environment_id)
        waiting = list(backlog.waiting_batches(inboxes, watermarks(), environment_id, below))
        # A compaction in between would move events from waiting to stored behind our back: read again.
        if version == store_version():
            return _quality(
                counted, sum(batch.good for batch in waiting), sum(batch.refused for batch in waiting)
            )


def _quality(counted: EventCounter, waiting: int, waiting_refused: int) -> DataQuality:
    quarantined = counted.quarantined + waiting_refused
    seen = counted.stored + counted.duplicates + counted.conflicting + counted.erased
    return DataQuality(
        received=seen + quarantined + waiting,
        stored=counted.stored,
        duplicates=counted.duplicates,
        conflicting=counted.conflicting,
        quarantined=quarantined,
        waiting=waiting,
        late=counted.late,
        early=counted.early,
        erased=counted.erased,
    )


def refused_events(environment_id: UUID, *, most: int = 50) -> tuple[RefusedEvent, ...]:
    """The newest refused events, newest first: those that failed validation and those in conflict."""
    failed = backlog.refused_events(places.inbox_directory(), environment_id, most=most)
    conflicts = tuple(
        RefusedEvent(row.received_at, ("id: stored before with other content",), row.event)
        for row in ConflictingEvent.objects.filter(environment_id=environment_id).order_by("-received_at")[
            :most
        ]
    )
    newest = sorted(failed + conflicts, key=lambda event: event.received_at, reverse=True)
    return tuple(newest[:most])
