"""What compaction counts: by environment, day of arrival and sender; what senders say they lost, once.

The caller opens the transaction and lets one compaction at a time in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import F

from equipoise_server.events.arrivals import StoredBatch, instant
from equipoise_server.events.models import EventCounter, LossCount, SenderCount, ToldBatch
from equipoise_server.events.values import Sender, Told

CORRECTED_AFTER = 60 * 1_000_000
"""Microseconds by which a sender's clock may seem off before it is worth telling."""
MOST_SENDERS = 50
OTHERS = Sender("", "others")
"""Who came as the 51st or later on a day: whoever has a client key may call itself anything."""
TOLD_LIFE = timedelta(days=90)
_TOTALS = ("stored", "duplicates", "conflicting", "quarantined", "erased", "late", "early")
_SUMS = (*_TOTALS, "corrected")


@dataclass(frozen=True, slots=True)
class Source:
    """Whose events: an environment's, by the UTC day of their arrival and their sender."""

    environment_id: UUID
    day: date
    sender: Sender


@dataclass(slots=True)
class Tally:
    """What was counted of one source."""

    stored: int = 0
    duplicates: int = 0
    conflicting: int = 0
    quarantined: int = 0
    erased: int = 0
    late: int = 0
    early: int = 0
    corrected: int = 0
    furthest_ahead_ms: int = 0
    furthest_behind_ms: int = 0
    last_received_at: int = 0


@dataclass(slots=True)
class Round:
    """What one round of compaction counts."""

    tallies: dict[Source, Tally] = field(default_factory=lambda: defaultdict(Tally))
    sources: list[Source] = field(default_factory=list)
    told: list[tuple[Source, Told, int]] = field(default_factory=list)
    _numbers: dict[Source, int] = field(default_factory=dict)

    def take(self, batch: StoredBatch) -> int:
        """Count what a batch says by itself; the number of its source in `sources`."""
        source = Source(batch.environment_id, instant(batch.received_at).astimezone(UTC).date(), batch.sender)
        tally = self.tallies[source]
        tally.quarantined += batch.refused
        tally.last_received_at = max(tally.last_received_at, batch.received_at)
        if batch.told is not None:
            self.told.append((source, batch.told, batch.received_at))
        if not batch.is_trusted:
            _note_clock(tally, batch)
        if source not in self._numbers:
            self._numbers[source] = len(self.sources)
            self.sources.append(source)
        return self._numbers[source]

    def sum_of(self, name: str) -> int:
        """One count over all sources."""
        return sum(getattr(tally, name) for tally in self.tallies.values())


def commit(counted: Round) -> None:
    """Add a round to what was counted before."""
    kept_as = _kept_as(counted.tallies)
    for source, told in _news(counted.told):
        counted.tallies[source].quarantined -= told.released
        _add_losses(kept_as[source], told)
    for source, tally in counted.tallies.items():
        _add(kept_as[source], tally)
    for environment_id in {source.environment_id for source in counted.tallies}:
        _add_to_total(environment_id, counted)


def forget_told(*, now: datetime) -> None:
    """Forget which batches were counted long ago: no sender keeps one for so long."""
    ToldBatch.objects.filter(received_at__lt=now - TOLD_LIFE).delete()


def _news(told: Iterable[tuple[Source, Told, int]]) -> Iterator[tuple[Source, Told]]:
    """What was not counted before, noted now; a batch that came twice is news once."""
    by_batch = {
        (source.environment_id, one.batch): (source, one, received_at)
        for source, one, received_at in reversed(list(told))
    }
    if not by_batch:
        return
    known = set(
        ToldBatch.objects.filter(batch__in=[batch for _, batch in by_batch]).values_list(
            "environment_id", "batch"
        )
    )
    fresh = {identity: found for identity, found in by_batch.items() if identity not in known}
    ToldBatch.objects.bulk_create(
        ToldBatch(environment_id=environment_id, batch=batch, received_at=instant(received_at))
        for (environment_id, batch), (_, _, received_at) in fresh.items()
    )
    yield from ((source, one) for source, one, _ in fresh.values())


def _kept_as(sources: Iterable[Source]) -> dict[Source, Source]:
    """Under whom each source is counted: itself, or the others once a day has too many senders."""
    by_day: dict[tuple[UUID, date], list[Source]] = defaultdict(list)
    for source in sources:
        by_day[source.environment_id, source.day].append(source)
    found: dict[Source, Source] = {}
    for (environment_id, day), asked in by_day.items():
        rows = SenderCount.objects.filter(environment_id=environment_id, day=day)
        known = {Sender(*names) for names in rows.values_list("sender_key", "program")}
        for source in asked:
            if source.sender in known or len(known - {OTHERS}) < MOST_SENDERS:
                known.add(source.sender)
                found[source] = source
            else:
                found[source] = replace(source, sender=OTHERS)
    return found


def _add(source: Source, tally: Tally) -> None:
    row = SenderCount.objects.filter(**_columns(source)).first()
    if row is None:
        row = SenderCount(**_columns(source), last_received_at=instant(tally.last_received_at))
    for name in _SUMS:
        setattr(row, name, getattr(row, name) + getattr(tally, name))
    row.furthest_ahead_ms = max(row.furthest_ahead_ms, tally.furthest_ahead_ms)
    row.furthest_behind_ms = max(row.furthest_behind_ms, tally.furthest_behind_ms)
    row.last_received_at = max(row.last_received_at, instant(tally.last_received_at))
    row.save()


def _add_losses(source: Source, told: Told) -> None:
    for reason, events in told.dropped.items():
        row, _ = LossCount.objects.get_or_create(**_columns(source), reason=reason)
        row.events += events
        row.save(update_fields=["events"])


def _columns(source: Source) -> dict[str, Any]:  # columns of four kinds, unpacked into models
    return {
        "environment_id": source.environment_id,
        "day": source.day,
        "sender_key": source.sender.key,
        "program": source.sender.program,
    }


def _add_to_total(environment_id: UUID, counted: Round) -> None:
    tallies = [tally for source, tally in counted.tallies.items() if source.environment_id == environment_id]
    EventCounter.objects.get_or_create(environment_id=environment_id)
    EventCounter.objects.filter(environment_id=environment_id).update(
        **{name: F(name) + sum(getattr(tally, name) for tally in tallies) for name in _TOTALS}
    )


def _note_clock(tally: Tally, batch: StoredBatch) -> None:
    """How far off the sender's clock was, as far as one can tell from the way that the batch took."""
    behind = batch.received_at - batch.sent_at
    if abs(behind) <= CORRECTED_AFTER:
        return
    tally.corrected += batch.good
    tally.furthest_behind_ms = max(tally.furthest_behind_ms, behind // 1_000)
    tally.furthest_ahead_ms = max(tally.furthest_ahead_ms, -behind // 1_000)
