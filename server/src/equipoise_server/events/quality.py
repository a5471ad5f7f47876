"""What became of an environment's events over some days: counts that add up, by day and by sender.

What still waits in the inboxes is counted beside what compaction has counted, at one instant.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from django.db.models import Max

from equipoise_server.events import backlog, places
from equipoise_server.events.arrivals import instant
from equipoise_server.events.compaction import watermarks
from equipoise_server.events.counts import OTHERS
from equipoise_server.events.holding import held
from equipoise_server.events.models import LossCount, SenderCount, StoreFile, StoreHead
from equipoise_server.events.values import (
    DayOfEvents,
    DropReason,
    EventNumbers,
    EventQuality,
    Freshness,
    Sender,
    SenderOfEvents,
)

MOST_DAYS = 400


@dataclass(slots=True)
class _Sum:
    """What is being added up of one day, or of one sender."""

    accepted: int = 0
    duplicates: int = 0
    quarantined: int = 0
    waiting: int = 0
    erased: int = 0
    late: int = 0
    early: int = 0
    corrected: int = 0
    ahead_ms: int = 0
    behind_ms: int = 0
    last_received_at: datetime | None = None
    losses: dict[DropReason, int] = field(default_factory=lambda: defaultdict(int))

    def count(self, row: SenderCount) -> None:
        self.accepted += row.stored
        self.duplicates += row.duplicates
        self.quarantined += row.quarantined + row.conflicting
        self.erased += row.erased
        self.late += row.late
        self.early += row.early
        self.corrected += row.corrected
        self.ahead_ms = max(self.ahead_ms, row.furthest_ahead_ms)
        self.behind_ms = max(self.behind_ms, row.furthest_behind_ms)
        self.note(row.last_received_at)

    def note(self, at: datetime) -> None:
        self.last_received_at = at if self.last_received_at is None else max(self.last_received_at, at)

    def numbers(self) -> EventNumbers:
        received = self.accepted + self.duplicates + self.quarantined + self.waiting + self.erased
        return EventNumbers(
            received, self.accepted, self.duplicates, self.quarantined, self.waiting, self.erased,
            self.late, self.early, self.corrected, sum(self.losses.values()),
        )  # fmt: skip


def quality_of(environment_id: UUID, *, since: date, until: date, now: datetime) -> EventQuality:
    """The counts of events that arrived on the UTC days from `since` to `until`, both included."""
    while True:
        version = store_version()
        found = _quality(environment_id, since, until, now)
        # A compaction in between would move events from waiting to counted behind our back: read again.
        if version == store_version():
            return found


def store_version() -> int:
    """How many rounds of compaction there were."""
    return StoreHead.objects.filter(pk=1).values_list("version", flat=True).first() or 0


def _quality(environment_id: UUID, since: date, until: date, now: datetime) -> EventQuality:
    days = {since + timedelta(days=step): _Sum() for step in range((until - since).days + 1)}
    senders: dict[Sender, _Sum] = defaultdict(_Sum)
    whole = _Sum()
    counted = SenderCount.objects.filter(environment_id=environment_id, day__range=(since, until))
    for row in counted:
        for total in (days[row.day], senders[Sender(row.sender_key, row.program)], whole):
            total.count(row)
    for loss in LossCount.objects.filter(environment_id=environment_id, day__range=(since, until)):
        for total in (days[loss.day], senders[Sender(loss.sender_key, loss.program)], whole):
            total.losses[DropReason(loss.reason)] += loss.events
    oldest = _add_waiting(environment_id, days, senders, whole)
    return EventQuality(
        since, until, whole.numbers(),
        tuple(DayOfEvents(day, total.numbers()) for day, total in days.items()),
        _senders(senders),
        dict(whole.losses),
        timedelta(milliseconds=whole.ahead_ms), timedelta(milliseconds=whole.behind_ms),
        _freshness(environment_id, oldest, now),
    )  # fmt: skip


def _add_waiting(
    environment_id: UUID, days: dict[date, _Sum], senders: dict[Sender, _Sum], whole: _Sum
) -> datetime | None:
    """Add what the inboxes hold above the watermarks; since when the oldest of it waits."""
    oldest: datetime | None = None
    inboxes, below = places.inbox_directory(), held(environment_id)
    for waiting in backlog.waiting_batches(inboxes, watermarks(), environment_id, below):
        at = instant(waiting.received_at)
        oldest = at if oldest is None else min(oldest, at)
        day = at.astimezone(UTC).date()
        if day in days:
            for total in (days[day], senders[waiting.sender], whole):
                total.waiting += waiting.good
                total.quarantined += waiting.refused
                total.note(instant(waiting.last_received_at))
    return oldest


def _senders(senders: dict[Sender, _Sum]) -> tuple[SenderOfEvents, ...]:
    lines = [
        SenderOfEvents(
            sender, total.numbers(), dict(total.losses), total.last_received_at,
            timedelta(milliseconds=total.ahead_ms), timedelta(milliseconds=total.behind_ms),
        )
        for sender, total in senders.items()
    ]  # fmt: skip
    return tuple(
        sorted(lines, key=lambda line: (line.sender == OTHERS, -line.numbers.received, line.sender.key))
    )


def _freshness(environment_id: UUID, oldest_waiting: datetime | None, now: datetime) -> Freshness:
    arrived = SenderCount.objects.filter(environment_id=environment_id).aggregate(
        last=Max("last_received_at")
    )["last"]
    # An event of a clock that is far ahead would look like the newest for ever.
    live = StoreFile.objects.filter(environment_id=environment_id, retired_at=None, earliest__lte=now)
    happened = live.aggregate(last=Max("latest"))["last"]
    newest = happened if happened is None else min(happened, now)
    return Freshness(arrived, newest, oldest_waiting)
