"""Holds events until they are sent: bounded, counting what it drops and why, tracks before exposures."""

from __future__ import annotations

import json
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

BATCH_SIZE = 500
LARGEST_BATCH_BYTES = 900_000
"""The server takes a million, after inflating too."""


class Drop(StrEnum):
    """Why an event was lost."""

    QUEUE_FULL = "queue_full"
    INVALID = "invalid"
    REFUSED = "refused"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Losses:
    """What was lost and is told to the server: counts by cause, under an id until they arrive."""

    batch: str
    counts: Mapping[Drop, int]

    def members(self) -> bytes:
        """Return the members of a body that tell it, with a comma behind."""
        counts = json.dumps(self.counts, separators=(",", ":"))
        return b'"batch":"%s","dropped":%s,' % (self.batch.encode(), counts.encode())


class Outbox:
    """Events as JSON bytes, in order of arrival; exposures leave first and are dropped last."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._begin()

    def _begin(self) -> None:
        self._exposures: deque[bytes] = deque()
        self._tracks: deque[bytes] = deque()
        self._leaving: list[bytes] = []
        self._portion = BATCH_SIZE
        self._changed = threading.Condition()
        self._closed = False
        self._hurried = 0
        self._drops: Counter[Drop] = Counter()
        self._told: Counter[Drop] = Counter()
        self._telling: Losses | None = None

    @property
    def queued(self) -> int:
        """Return how many events wait, those of the batch on its way included."""
        return self._in_memory

    @property
    def _in_memory(self) -> int:
        return len(self._exposures) + len(self._tracks) + len(self._leaving)

    @property
    def drops(self) -> Mapping[Drop, int]:
        """Return how many events were lost, by cause."""
        return {cause: count for cause, count in self._drops.copy().items() if count}

    @property
    def dropped(self) -> int:
        """Return how many events were lost."""
        return sum(self._drops.values())

    def losses(self, new_id: Callable[[], str]) -> Losses | None:
        """Return what was lost and has not arrived yet; the same again until `note_told`."""
        with self._changed:
            if self._telling is None and (news := self._drops - self._told):
                self._telling = Losses(new_id(), dict(news))
            return self._telling

    def note_told(self) -> None:
        """Note that the server has counted the losses that were on their way."""
        with self._changed:
            if self._telling is not None:
                self._told.update(self._telling.counts)
                self._telling = None

    def put_exposure(self, event: bytes) -> bool:
        """Queue an exposure, at the cost of the oldest track; False: it was dropped."""
        with self._changed:
            is_full = self._in_memory >= self._size
            if self._closed or (is_full and not self._tracks):
                return self._lose_one()
            if is_full:
                self._tracks.popleft()
                self._drops[Drop.QUEUE_FULL] += 1
            self._exposures.append(event)
            self._tell()
            return True

    def put_track(self, event: bytes) -> bool:
        """Queue a track; False: it was dropped."""
        with self._changed:
            if self._closed or self._in_memory >= self._size:
                return self._lose_one()
            self._tracks.append(event)
            self._tell()
            return True

    def _lose_one(self) -> bool:
        self._drops[Drop.CLOSED if self._closed else Drop.QUEUE_FULL] += 1
        return False

    def drop(self, cause: Drop, count: int = 1) -> None:
        """Count events that are lost."""
        if count:
            with self._changed:
                self._drops[cause] += count

    def _tell(self) -> None:
        """Wake the sender for a first event or a full batch, not for each event."""
        if self.queued == 1 or self.queued >= BATCH_SIZE:
            self._changed.notify_all()

    def next_batch(self, linger_seconds: float) -> list[bytes]:
        """Return the batch to send, or nothing once the outbox is closed.

        Waits for a first event, then at most `linger_seconds` for more, and not at all while
        somebody waits for `drained`. An unsettled batch is returned again.
        """
        with self._changed:
            if not self._leaving:
                self._changed.wait_for(lambda: self.queued or self._closed)
                self._changed.wait_for(self._is_due, linger_seconds)
                self._fill()
            return self._leaving[: self._portion]

    def _fill(self) -> None:
        """Take events in the order in which they leave, while they fit into one batch."""
        size = 0
        while len(self._leaving) < BATCH_SIZE and (waiting := self._exposures or self._tracks):
            size += len(waiting[0]) + 1
            if size > LARGEST_BATCH_BYTES and self._leaving:
                return
            self._leaving.append(waiting.popleft())

    def _is_due(self) -> bool:
        return bool(self._hurried) or self._closed or self.queued >= BATCH_SIZE

    def settle(self, *, lost: Drop | None = None) -> None:
        """Forget the batch on its way: it arrived, or was lost for good."""
        with self._changed:
            if lost is not None:
                self._drops[lost] += len(self._leaving[: self._portion])
            del self._leaving[: self._portion]
            if not self._leaving:
                self._portion = BATCH_SIZE
            self._changed.notify_all()

    def halve(self) -> bool:
        """Send smaller batches, because the last was too large; False when it cannot be halved."""
        with self._changed:
            count = len(self._leaving[: self._portion])
            self._portion = max(1, count // 2)
            return count > 1

    def postpone(self) -> None:
        """Note that the batch could not be sent now; it is returned again."""

    def drained(self, timeout_seconds: float) -> bool:
        """Hurry, and wait until nothing is queued; False when the time ran out."""
        with self._changed:
            self._hurried += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(lambda: not self.queued, timeout_seconds)
            finally:
                self._hurried -= 1

    def close(self) -> None:
        """Take no more events."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """Count what was never sent as dropped."""
        with self._changed:
            self._drops[Drop.CLOSED] += self.queued
            self._exposures.clear()
            self._tracks.clear()
            self._leaving.clear()

    def after_fork(self) -> None:
        """Begin empty in the child: what is queued belongs to the parent."""
        self._begin()


class Recorder(Outbox):
    """An outbox that nobody empties: it remembers the events in their order instead."""

    def __init__(self) -> None:
        super().__init__(size=1)
        self.recorded: list[dict[str, object]] = []

    def put_exposure(self, event: bytes) -> bool:
        """Remember an exposure."""
        return self.put_track(event)

    def put_track(self, event: bytes) -> bool:
        """Remember a track."""
        self.recorded.append(json.loads(event))
        return True
