"""What takes events in and keeps them: accept, compact, forget, delete."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID, uuid4

import msgspec

from equipoise_server.events import inbox as inboxes
from equipoise_server.events import places
from equipoise_server.events.compaction import LostRace, Places, compact_once, watermarks
from equipoise_server.events.inbox import Batch, Inbox
from equipoise_server.events.models import StoreFile
from equipoise_server.events.segment import translate
from equipoise_server.events.validation import MOST_EVENTS, Judged, judge
from equipoise_server.events.values import Acceptance, Compacted, Event, SegmentBody

GRACE = timedelta(minutes=10)
ORPHAN_AGE = timedelta(hours=1)
_MOST_RACES = 5

__all__ = [
    "Inbox", "accept", "accept_messages", "compact", "delete_retired", "forget_stored", "open_inbox",
    "record",
]  # fmt: skip


def open_inbox() -> Inbox:
    """Claim this process's inbox file and start its writer."""
    inbox = inboxes.claim(places.inbox_directory(), new_name=lambda: uuid4().hex)
    inbox.start()
    return inbox


def accept(
    inbox: Inbox, environment_id: UUID, body: bytes, *, received_at: datetime, is_trusted: bool = False
) -> tuple[Acceptance, Future[None]]:
    """Judge a batch and hand it to the writer; the verdicts hold once the future is done.

    Raises MalformedBody, InboxFull or InboxClosed; the future raises StorageFailed.
    """
    return _keep(inbox, environment_id, judge(body), received_at=received_at, is_trusted=is_trusted)


def accept_messages(
    inbox: Inbox, environment_id: UUID, body: SegmentBody, *, received_at: datetime
) -> tuple[Acceptance, Future[None]]:
    """As `accept`, for messages of Segment's tracking API."""
    translated = translate(body, received_at=received_at)
    acceptance, written = _keep(inbox, environment_id, translated.judged, received_at=received_at)
    return replace(acceptance, ignored=translated.ignored), written


def _keep(
    inbox: Inbox, environment_id: UUID, judged: Judged, *, received_at: datetime, is_trusted: bool = False
) -> tuple[Acceptance, Future[None]]:
    batch = Batch(
        environment_id,
        received_at,
        judged.sent_at,
        is_trusted,
        judged.good,
        judged.good_count,
        judged.refused,
    )
    written = inbox.submit(batch)
    return Acceptance(judged.good_count, tuple(refused.verdict for refused in judged.refused)), written


def record(environment_id: UUID, events: Iterable[Event], *, now: datetime) -> None:
    """Put events of a trusted source, whose `at` is taken as given, durably into an inbox."""
    inbox = open_inbox()
    try:
        remaining = iter(events)
        while group := list(islice(remaining, MOST_EVENTS)):
            good = msgspec.json.encode(group)
            inbox.submit(Batch(environment_id, now, now, True, good, len(group), ())).result()
    finally:
        inbox.close()


def compact(*, now: datetime) -> Compacted:
    """Move everything that waits in the inboxes into the store."""
    where = Places(places.inbox_directory(), places.store_directory(), places.scratch_directory())
    batches = stored = duplicates = conflicting = lost = 0
    while True:
        try:
            done = compact_once(where, now=now)
        except LostRace:
            lost += 1
            if lost > _MOST_RACES:
                raise
            continue
        if done is None:
            return Compacted(batches, stored, duplicates, conflicting)
        batches, stored = batches + done.batches, stored + done.stored
        duplicates, conflicting = duplicates + done.duplicates, conflicting + done.conflicting


def forget_stored(inbox: Inbox, *, now: datetime) -> None:
    """Let an inbox delete what the store holds and quarantined events past their life."""
    through = watermarks().get(inbox.name, 0)
    inbox.forget(through=through, quarantine_before=now - inboxes.QUARANTINE_LIFE)


def delete_retired(*, now: datetime) -> int:
    """Delete retired files after their grace period, and files that a round which failed left behind."""
    directory = places.store_directory()
    retired = list(StoreFile.objects.filter(retired_at__lt=now - GRACE))
    for file in retired:
        (directory / file.path).unlink(missing_ok=True)
    StoreFile.objects.filter(pk__in=[file.pk for file in retired]).delete()
    named = set(StoreFile.objects.values_list("path", flat=True))
    oldest = (now - ORPHAN_AGE).timestamp()
    orphans = [
        path
        for pattern in ("*.parquet", "*.unfinished")
        for path in directory.rglob(pattern)
        if str(path.relative_to(directory)) not in named and path.stat().st_mtime < oldest
    ]
    orphans += [path for path in places.scratch_directory().glob("*.ndjson") if path.stat().st_mtime < oldest]
    for path in orphans:
        path.unlink(missing_ok=True)
    return len(retired) + len(orphans)
