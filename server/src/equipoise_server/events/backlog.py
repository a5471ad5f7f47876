"""What lies in the inbox files above their watermarks. Reads them from any process; never writes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from equipoise_server.events import inbox
from equipoise_server.events.arrivals import StoredBatch, instant
from equipoise_server.events.values import DropReason, RefusedEvent, Sender, Told

_BATCHES = """
SELECT batches.id, batches.environment_id, batches.received_at, batches.sent_at, batches.is_trusted,
  batches.good, batches.refused, batches.events, {further}
FROM batches WHERE {which} ORDER BY batches.id
"""
_ABOVE = "batches.id > ?"
_ABOVE_OR_HELD = "(batches.id > ? OR batches.id IN (SELECT value FROM json_each(?)))"
_FURTHER = "batches.sender_key, batches.program, batches.batch, batches.dropped, batches.released"
_FURTHER_OF_EARLIER_FILES = "'', '', NULL, NULL, 0"
_WAITING_BY_SENDER = """
SELECT batches.received_at / 86400000000, {sender}, SUM(batches.good), SUM(batches.refused),
  SUM({released}), MIN(batches.received_at), MAX(batches.received_at)
FROM batches WHERE {which} AND batches.environment_id = ? GROUP BY 1, 2, 3
"""
Held = Mapping[str, Sequence[int]]
"""By inbox: batches that count although the watermark is past them."""
NOTHING_HELD: Held = {}
_REFUSED = """
SELECT quarantine.received_at, quarantine.problems, quarantine.event FROM quarantine
WHERE quarantine.environment_id = ? ORDER BY quarantine.id DESC LIMIT ?
"""


def batches(
    directory: Path, watermarks: Mapping[str, int], released: Held = NOTHING_HELD
) -> Iterator[StoredBatch]:
    """Every batch that the store does not hold yet, file by file, oldest first.

    released: batches below the watermarks that were held back, and are held back no longer.
    """
    for path in inbox.files(directory):
        with closing(_open(path)) as database:
            is_earlier = "program" not in inbox.columns_of(database, "batches")
            which, given = _which(path, watermarks, released)
            further = _FURTHER_OF_EARLIER_FILES if is_earlier else _FURTHER
            for row in _rows(database, _BATCHES.format(which=which, further=further), given):
                number, environment_id, received_at, sent_at, is_trusted, good, refused, events = row[:8]
                yield StoredBatch(
                    path.stem, number, UUID(environment_id), received_at, sent_at, bool(is_trusted), good,
                    refused, events, Sender(*row[8:10]), _told(*row[10:]),
                )  # fmt: skip


@dataclass(frozen=True, slots=True)
class WaitingBatches:
    """What one sender's batches of one day hold that is not counted yet; instants in microseconds."""

    sender: Sender
    good: int
    refused: int
    received_at: int
    last_received_at: int


def waiting_batches(
    directory: Path, watermarks: Mapping[str, int], environment_id: UUID, held: Held = NOTHING_HELD
) -> Iterator[WaitingBatches]:
    """What of an environment is not counted yet, by the day of its arrival and its sender."""
    for path in inbox.files(directory):
        with closing(_open(path)) as database:
            is_earlier = "program" not in inbox.columns_of(database, "batches")
            which, given = _which(path, watermarks, held)
            query = _WAITING_BY_SENDER.format(
                which=which,
                sender="'', ''" if is_earlier else "batches.sender_key, batches.program",
                released="0" if is_earlier else "batches.released",
            )
            asked = (*given, environment_id.hex)
            for _, key, program, good, refused, released, first, last in _rows(database, query, asked):
                yield WaitingBatches(Sender(key, program), good, refused - released, first, last)


def _which(path: Path, watermarks: Mapping[str, int], held: Held) -> tuple[str, tuple[object, ...]]:
    """The condition for a file's batches that count, and what belongs into it."""
    above, numbers = watermarks.get(path.stem, 0), held.get(path.stem, ())
    return (_ABOVE_OR_HELD, (above, json.dumps(list(numbers)))) if numbers else (_ABOVE, (above,))


def refused_events(directory: Path, environment_id: UUID, *, most: int) -> tuple[RefusedEvent, ...]:
    """The newest refused events of an environment, newest first."""
    found: list[RefusedEvent] = []
    for path in inbox.files(directory):
        with closing(_open(path)) as database:
            found += [
                RefusedEvent(instant(received_at), tuple(json.loads(problems)), event)
                for received_at, problems, event in _rows(database, _REFUSED, (environment_id.hex, most))
            ]
    return tuple(sorted(found, key=lambda event: event.received_at, reverse=True)[:most])


def _told(batch: str | None, dropped: str | None, released: int) -> Told | None:
    if batch is None:
        return None
    counts = json.loads(dropped) if dropped else {}
    return Told(UUID(batch), {DropReason(reason): count for reason, count in counts.items()}, released)


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    database.row_factory = sqlite3.Row
    return database


def _rows(database: sqlite3.Connection, query: str, given: tuple[object, ...]) -> Iterator[sqlite3.Row]:
    try:
        yield from database.execute(query, given)
    except sqlite3.OperationalError as fault:
        # A process that has just claimed the file has not made its tables yet.
        if "no such table" not in str(fault):
            raise
