"""Keeps events on disk until they arrived, for every process that shares the file. Knows not what they say.

Whoever claims events sends them; a claim that is not settled ends, so that what a dead process took is
sent by another. Sent twice is counted once, by the events' ids.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from equipoise_sdk.forks import IdleLock
from equipoise_sdk.outbox import BATCH_SIZE, LARGEST_BATCH_BYTES, Drop, Outbox
from equipoise_sdk.troubles import Troubles

CLAIM_SECONDS = 30.0
PATIENCE_SECONDS = 2.0
"""How long to wait for another process that writes."""
LOOK_AGAIN_SECONDS = 1.0
"""How soon somebody looks for what other processes left behind."""
_CREATE = """
CREATE TABLE IF NOT EXISTS events (
  place INTEGER PRIMARY KEY AUTOINCREMENT, is_track INTEGER NOT NULL, event BLOB NOT NULL,
  claimed_until REAL NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS events_by_rank ON events (is_track, place)
"""
_CLAIM = """
UPDATE events SET claimed_until = :until WHERE place IN (
  SELECT place FROM (
    SELECT place, SUM(LENGTH(event) + 1) OVER (ORDER BY is_track, place) AS size, ROW_NUMBER() OVER
      (ORDER BY is_track, place) AS number
    FROM (SELECT place, is_track, event FROM events WHERE claimed_until <= :now OR claimed_until > :absurd
      ORDER BY is_track, place LIMIT :most)
  ) WHERE size <= :bytes OR number = 1
) RETURNING place, is_track, event
"""
_OLDEST_TRACKS = """
DELETE FROM events WHERE place IN (
  SELECT place FROM events WHERE is_track = 1 AND claimed_until <= :now ORDER BY place LIMIT :excess)
"""

Row = tuple[bool, bytes]


class Spool:
    """A bounded file of events. Each call opens it, one at a time: so forks and threads share nothing.

    Args:
        path: of the file; it is made.
        size: how many events it holds; beyond that the oldest tracks make room, then nothing is taken.
        now: returns epoch seconds, the same for all processes that share the file.

    Raises:
        sqlite3.Error: from every call, when the disk refuses.
    """

    def __init__(self, path: Path | str, *, size: int, now: Callable[[], float]) -> None:
        self._path = path
        self._size = size
        self._now = now
        self._idle = IdleLock()

    def count(self) -> int:
        """Return how many events wait."""
        with self._idle, closing(self._opened()) as file:
            return self._count(file)

    def store(self, rows: Sequence[Row]) -> int:
        """Keep events (is it a track, event); return how many had to go."""
        with self._idle, closing(self._opened()) as file, file:
            file.execute("BEGIN IMMEDIATE")
            excess = max(0, self._count(file) + len(rows) - self._size)
            file.executemany("INSERT INTO events (is_track, event) VALUES (?, ?)", rows)
            if not excess:
                return 0
            gone = file.execute(_OLDEST_TRACKS, {"now": self._now(), "excess": excess}).rowcount
            newest = (
                "DELETE FROM events WHERE place IN (SELECT place FROM events ORDER BY place DESC LIMIT ?)"
            )
            return int(gone + file.execute(newest, (excess - gone,)).rowcount)

    def claim(self) -> list[tuple[int, bytes]]:
        """Return a batch that nobody else has claimed: places and events, in the order to send them."""
        now = self._now()
        asked = {
            "now": now,
            "until": now + CLAIM_SECONDS,
            "absurd": now + 2 * CLAIM_SECONDS,  # the clock was set back since
            "most": BATCH_SIZE,
            "bytes": LARGEST_BATCH_BYTES,
        }
        with self._idle, closing(self._opened()) as file, file:
            file.execute("BEGIN IMMEDIATE")
            rows = file.execute(_CLAIM, asked).fetchall()
        return [(place, event) for place, is_track, event in sorted(rows, key=lambda row: (row[1], row[0]))]

    def settle(self, places: Sequence[int]) -> None:
        """Forget events: they arrived, or were lost for good."""
        self._for_each("DELETE FROM events WHERE place = ?", places)

    def release(self, places: Sequence[int]) -> None:
        """Give a claim up, so that anybody may send these events."""
        self._for_each("UPDATE events SET claimed_until = 0 WHERE place = ?", places)

    def _for_each(self, statement: str, places: Sequence[int]) -> None:
        with self._idle, closing(self._opened()) as file, file:
            file.executemany(statement, [(place,) for place in places])

    def _count(self, file: sqlite3.Connection) -> int:
        (count,) = file.execute("SELECT COUNT(*) FROM events").fetchone()
        return int(count)

    def _opened(self) -> sqlite3.Connection:
        Path(self._path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = sqlite3.connect(self._path, timeout=PATIENCE_SECONDS)
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = NORMAL")
        file.executescript(_CREATE)
        return file


class SpooledOutbox(Outbox):
    """An outbox whose events are on disk a moment after they came; in memory while the disk refuses."""

    def __init__(self, size: int, spool: Spool) -> None:
        self._spool = spool
        self.troubles = Troubles()
        super().__init__(size)

    def _begin(self) -> None:
        super()._begin()
        self._moving: list[Row] = []
        self._claimed: list[tuple[int, bytes]] = []
        self._spooled = 0
        self._is_broken = False
        self._has_looked = False  # for what processes before left behind
        self._process = os.getpid()

    @property
    def queued(self) -> int:
        """Return how many events wait, in memory and on disk."""
        return self._in_memory + self._spooled

    @property
    def _in_memory(self) -> int:
        return super()._in_memory + len(self._moving)

    def _tell(self) -> None:
        self._changed.notify_all()

    def move(self) -> bool:
        """Wait for events, and move them to the disk; False once the outbox is closed and all are there."""
        with self._changed:
            self._changed.wait_for(lambda: self._exposures or self._tracks or self._closed)
            self._moving = [(False, event) for event in self._exposures]
            self._moving += [(True, event) for event in self._tracks]
            self._exposures.clear()
            self._tracks.clear()
        if not self._moving:
            return False
        try:
            gone, count = self._spool.store(self._moving), self._spool.count()
        except (sqlite3.Error, OSError) as cause:
            self._take_back(cause)
            return not self._closed
        self.troubles.over("spool")
        with self._changed:
            self._drops[Drop.QUEUE_FULL] += gone
            self._moving, self._spooled, self._is_broken = [], count, False
            self._changed.notify_all()
        return True

    def _take_back(self, cause: Exception) -> None:
        """Keep in memory what the disk refused, and send it from there."""
        self.troubles.note("spool", f"events cannot be kept on disk: {cause}")
        with self._changed:
            for is_track, event in reversed(self._moving):
                (self._tracks if is_track else self._exposures).appendleft(event)
            self._moving, self._is_broken = [], True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closed, LOOK_AGAIN_SECONDS)

    def next_batch(self, linger_seconds: float) -> list[bytes]:
        """Return the batch to send, from the disk if it can be read; nothing once the outbox is closed."""
        while True:
            with self._changed:
                if self._is_broken and not self._leaving:
                    self._fill()
                if self._leaving:
                    return self._leaving[: self._portion]
                if self._claimed:
                    return [event for _, event in self._claimed[: self._portion]]
                self._changed.wait_for(self._is_worth_a_look, LOOK_AGAIN_SECONDS)
                self._changed.wait_for(self._is_due, linger_seconds if self._spooled else 0.0)
                if self._closed and not self._spooled:
                    return []
            self._look()
            if self._closed and not self._claimed:
                return []

    def _is_worth_a_look(self) -> bool:
        return bool(self._spooled) or self._closed or self._is_broken or not self._has_looked

    def _look(self) -> None:
        try:
            claimed = self._spool.claim()
            count = self._spool.count()
        except (sqlite3.Error, OSError) as cause:
            self.troubles.note("spool", f"events on disk cannot be read: {cause}")
            claimed, count = [], 0
        with self._changed:
            self._claimed, self._spooled, self._has_looked = claimed, count, True
            if not claimed:  # others send them, or nobody can
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._closed, LOOK_AGAIN_SECONDS / 10)

    def drained(self, timeout_seconds: float) -> bool:
        """Hurry, and wait until nothing is queued, in memory or on disk; False when the time ran out."""
        with self._changed:
            began = time.monotonic()
            self._changed.wait_for(lambda: self._has_looked, timeout_seconds)
        return super().drained(max(0.0, timeout_seconds - (time.monotonic() - began)))

    def settle(self, *, lost: Drop | None = None) -> None:
        """Forget the batch on its way: it arrived, or was lost for good."""
        if self._leaving:
            super().settle(lost=lost)
            return
        batch, rest = self._claimed[: self._portion], self._claimed[self._portion :]
        try:
            self._spool.settle([place for place, _ in batch])
        except (sqlite3.Error, OSError) as cause:  # it is sent once more, and counted once
            self.troubles.note("spool", f"events on disk cannot be forgotten: {cause}")
        with self._changed:
            if lost is not None:
                self._drops[lost] += len(batch)
            self._claimed = rest
            self._spooled = max(0, self._spooled - len(batch))
            self._portion = self._portion if rest else BATCH_SIZE
            self._changed.notify_all()

    def halve(self) -> bool:
        """Send smaller batches, because the last was too large; False when it cannot be halved."""
        if self._leaving:
            return super().halve()
        count = len(self._claimed[: self._portion])
        self._portion = max(1, count // 2)
        return count > 1

    def postpone(self) -> None:
        """Let anybody send the batch that could not be sent now."""
        places, self._claimed = [place for place, _ in self._claimed], []
        if places:
            try:
                self._spool.release(places)
            except (sqlite3.Error, OSError) as cause:
                self.troubles.note("spool", f"events on disk cannot be released: {cause}")

    def abandon(self) -> None:
        """Leave what was not sent on the disk; count what cannot be left there as dropped."""
        self.postpone()
        with self._changed:
            left = [(False, event) for event in (*self._leaving, *self._exposures)]
            left += [(True, event) for event in self._tracks]
            self._leaving.clear()
            self._exposures.clear()
            self._tracks.clear()
        try:
            gone = self._spool.store(left) if left else 0
        except (sqlite3.Error, OSError):
            gone = len(left)
        self.drop(Drop.CLOSED, gone)

    def after_fork(self) -> None:
        """Begin empty in the child; what is on disk is everybody's."""
        if self._process != os.getpid():
            self._begin()


def moving(outbox: SpooledOutbox, stopping: threading.Event) -> None:
    """Move events to the disk until the outbox is closed."""
    while not stopping.is_set() and outbox.move():
        pass
