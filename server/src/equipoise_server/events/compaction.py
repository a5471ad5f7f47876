"""From the inboxes to immutable files: each event once, all or nothing, whatever is killed when.

Files are durable before the one transaction that names them, moves the watermarks and adds to the counters.
A file that no transaction named is garbage.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from uuid import UUID, uuid4

import duckdb
import msgspec
from django.db import transaction

from equipoise_server.events import backlog, counts, store
from equipoise_server.events.arrivals import Row, StoredBatch, instant, rows
from equipoise_server.events.graves import graves_known
from equipoise_server.events.holding import hold, let_go, released
from equipoise_server.events.models import (
    ConflictingEvent,
    InboxWatermark,
    StoreFile,
    StoreHead,
)
from equipoise_server.events.validation import redacted
from equipoise_server.events.values import Compacted, EventKind, Partition

MOST_EVENTS_AT_ONCE = 200_000
MOST_BATCHES_AT_ONCE = 20_000
MOST_FILES_PER_SIZE = 8
LARGEST_MERGED_ROWS = 2_000_000
MOST_CONFLICTS_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Places:
    """The directories of one installation."""

    inbox: Path
    store: Path
    scratch: Path


@dataclass(slots=True)
class _Outcome:
    """What one round made, to be committed at once."""

    files: list[StoreFile] = field(default_factory=list)
    replaced: list[UUID] = field(default_factory=list)
    counted: counts.Round = field(default_factory=counts.Round)
    conflicts: list[ConflictingEvent] = field(default_factory=list)
    watermarks: dict[str, int] = field(default_factory=dict)
    held: list[StoredBatch] = field(default_factory=list)
    """Batches that wait for their project's key."""
    let_go: list[StoredBatch] = field(default_factory=list)
    """Batches that waited for a key, and are taken now."""


class LostRace(Exception):
    """Another compaction committed first; nothing was changed."""


def compact_once(places: Places, *, now: datetime) -> Compacted | None:
    """Move one round of waiting batches into the store; None when nothing waits."""
    head, _ = StoreHead.objects.get_or_create(pk=1)
    marks = watermarks()
    taken = _take(backlog.batches(places.inbox, marks, released()))
    if not taken:
        return None
    outcome = _Outcome()
    for batch in taken:
        mark = marks.get(batch.inbox, 0)
        outcome.watermarks[batch.inbox] = max(batch.id, outcome.watermarks.get(batch.inbox, mark))
        if batch.id <= mark:
            outcome.let_go.append(batch)
    database = store.open_database(places.scratch)
    try:
        for (environment_id, day), arrived in _by_day(taken, outcome).items():
            _Day(database, places, environment_id, day, now, head.version + 1).compact(arrived, outcome)
    finally:
        database.close()
    _commit(outcome, head.version, now)
    return Compacted(len(taken), *map(outcome.counted.sum_of, ("stored", "duplicates", "conflicting")))


def watermarks() -> dict[str, int]:
    """Up to which batch each inbox is in the store."""
    return dict(InboxWatermark.objects.values_list("inbox", "batch"))


def _take(waiting: Iterator[StoredBatch]) -> list[StoredBatch]:
    taken: list[StoredBatch] = []
    events = 0
    for batch in islice(waiting, MOST_BATCHES_AT_ONCE):
        taken.append(batch)
        events += batch.good
        if events >= MOST_EVENTS_AT_ONCE:
            break
    return taken


def _by_day(batches: Sequence[StoredBatch], outcome: _Outcome) -> dict[tuple[UUID, date], list[Row]]:
    """The events by day, without erased units; what is left of nobody is counted and goes.

    Where nobody can tell who was erased, batches wait.
    """
    days: dict[tuple[UUID, date], list[Row]] = defaultdict(list)
    buried, unknown = graves_known(batch.environment_id for batch in batches)
    counted = outcome.counted
    place = 0
    for batch in batches:
        if batch.environment_id in unknown:
            outcome.held.append(batch)
            continue
        graves = buried.get(batch.environment_id)
        source = counted.take(batch)
        for day, row in rows(batch, first_place=place, source=source):
            if graves is None or graves.clear(row):
                days[batch.environment_id, day].append(row)
            else:
                counted.tallies[counted.sources[source]].erased += 1
        place += batch.good
    return days


@dataclass(frozen=True, slots=True)
class _Day:
    """One environment's day: the reach of de-duplication."""

    database: duckdb.DuckDBPyConnection
    places: Places
    environment_id: UUID
    day: date
    now: datetime
    arrival: int

    def compact(self, arrived: list[Row], outcome: _Outcome) -> None:
        """Judge the arrived events against the day's files and write what is new."""
        live = list(
            StoreFile.objects.filter(environment_id=self.environment_id, day=self.day, retired_at=None)
        )
        self._load(arrived, live)
        self._count(outcome.counted)
        outcome.conflicts += self._conflicts({row.place: row for row in arrived}, outcome.counted)
        for kind in EventKind:
            partition = Partition(self.environment_id, kind, self.day)
            self._write(partition, [file for file in live if file.kind == kind], outcome)

    def _load(self, arrived: list[Row], live: Sequence[StoreFile]) -> None:
        store.load_incoming(self.database, arrived, self.places.scratch)
        held = {"paths": [str(self.places.store / file.path) for file in live]}
        query = store.LOAD_HELD if live else store.NO_HELD
        self.database.execute(query, held if live else None).fetchall()
        self.database.execute(store.JUDGE_INCOMING).fetchall()
        self.database.execute(store.LOAD_FRESH, {"arrival": self.arrival}).fetchall()

    def _count(self, counted: counts.Round) -> None:
        for verdict, source, count, late, early in self.database.execute(store.COUNT_JUDGED).fetchall():
            tally = counted.tallies[counted.sources[source]]
            if verdict == "stored":
                tally.stored += count
                tally.late += late
                tally.early += early
            elif verdict == "duplicate":
                tally.duplicates += count
            else:
                tally.conflicting += count

    def _conflicts(self, arrived: dict[int, Row], counted: counts.Round) -> list[ConflictingEvent]:
        found = self.database.execute(store.CONFLICTS, {"most": MOST_CONFLICTS_KEPT}).fetchall()
        return [
            ConflictingEvent(
                environment_id=self.environment_id,
                event_id=event_id,
                received_at=instant(received_at),
                event=redacted(msgspec.json.encode(arrived[place])),
                sender_key=counted.sources[arrived[place].source].sender.key,
                program=counted.sources[arrived[place].source].sender.program,
            )
            for event_id, received_at, place in found
        ]

    def _write(self, partition: Partition, live: list[StoreFile], outcome: _Outcome) -> None:
        """Add a file of the new rows; many files of about its size become one with it, and so on upwards."""
        newest = self._file(partition)
        store.write_durably(self.database, store.WRITE_FRESH[partition.kind], self.places.store / newest.path)
        if not self._describe(newest):
            (self.places.store / newest.path).unlink()
            return
        while len(peers := _peers(newest, live)) >= MOST_FILES_PER_SIZE:
            newest = self._merged(partition, [*peers, newest])
            live = [file for file in live if file not in peers]
            outcome.replaced += [file.id for file in peers]
        outcome.files.append(newest)

    def _merged(self, partition: Partition, parts: list[StoreFile]) -> StoreFile:
        """One file instead of several; the last of them was never named and goes at once."""
        merged = self._file(partition)
        paths = [str(self.places.store / file.path) for file in parts]
        store.write_durably(self.database, store.WRITE_MERGED, self.places.store / merged.path, paths=paths)
        (self.places.store / parts[-1].path).unlink()
        self._describe(merged)
        return merged

    def _file(self, partition: Partition) -> StoreFile:
        name = uuid4()
        path = Path(partition.environment_id.hex) / partition.kind / partition.day.isoformat()
        return StoreFile(
            id=name, environment_id=partition.environment_id, kind=partition.kind, day=partition.day,
            path=str(path / f"{name.hex}.parquet"), created_at=self.now,
            arrival=self.arrival,
        )  # fmt: skip

    def _describe(self, file: StoreFile) -> bool:
        """Fill in how many rows a written file has and when they happened; False when it has none."""
        path = str(self.places.store / file.path)
        rows_, earliest, latest = self.database.execute(store.DESCRIBE, {"path": path}).fetchall()[0]
        if rows_ == 0:
            return False
        file.rows = rows_
        file.earliest, file.latest = earliest.replace(tzinfo=UTC), latest.replace(tzinfo=UTC)
        return True


def _peers(file: StoreFile, live: list[StoreFile]) -> list[StoreFile]:
    """Files of about the same size: rewriting them costs each row a few times in its life, not each time."""
    if file.rows >= LARGEST_MERGED_ROWS:
        return []
    return [other for other in live if len(str(other.rows)) == len(str(file.rows))]


def _commit(outcome: _Outcome, version: int, now: datetime) -> None:
    with transaction.atomic():
        ahead = StoreHead.objects.filter(pk=1, version=version).update(version=version + 1)
        if ahead != 1:
            raise LostRace
        StoreFile.objects.bulk_create(outcome.files)
        StoreFile.objects.filter(pk__in=outcome.replaced).update(retired_at=now)
        for inbox, batch in outcome.watermarks.items():
            InboxWatermark.objects.update_or_create(inbox=inbox, defaults={"batch": batch})
        let_go(outcome.let_go)
        hold(outcome.held, now=now)
        ConflictingEvent.objects.bulk_create(outcome.conflicts)
        counts.commit(outcome.counted)
