"""Holds events until they are sent: bounded, counting what it drops, tracks before exposures."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict, deque

BATCH_SIZE = 500
REMEMBERED_EXPOSURES = 50_000

ExposureKey = tuple[object, ...]


class Outbox:
    """Events as JSON bytes, in order of arrival; exposures leave first and are dropped last."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._begin()

    def _begin(self) -> None:
        self._exposures: deque[bytes] = deque()
        self._tracks: deque[bytes] = deque()
        self._leaving: list[bytes] = []
        self._changed = threading.Condition()
        self._closed = False
        self._hurried = 0
        self.dropped = 0

    @property
    def queued(self) -> int:
        """Return how many events wait, those of the batch on its way included."""
        return len(self._exposures) + len(self._tracks) + len(self._leaving)

    def put_exposure(self, event: bytes) -> bool:
        """Queue an exposure, at the cost of the oldest track; False: it was dropped."""
        with self._changed:
            if self._closed or (self.queued >= self._size and not self._tracks):
                self.dropped += 1
                return False
            if self.queued >= self._size:
                self._tracks.popleft()
                self.dropped += 1
            self._exposures.append(event)
            self._tell()
            return True

    def put_track(self, event: bytes) -> bool:
        """Queue a track; False: it was dropped."""
        with self._changed:
            if self._closed or self.queued >= self._size:
                self.dropped += 1
                return False
            self._tracks.append(event)
            self._tell()
            return True

    def drop(self) -> None:
        """Count an event that could not be written."""
        with self._changed:
            self.dropped += 1

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
                while len(self._leaving) < BATCH_SIZE and (self._exposures or self._tracks):
                    self._leaving.append((self._exposures or self._tracks).popleft())
            return list(self._leaving)

    def _is_due(self) -> bool:
        return bool(self._hurried) or self._closed or self.queued >= BATCH_SIZE

    def settle(self, *, dropped: int = 0) -> None:
        """Forget the batch on its way: it arrived, or was refused for good."""
        with self._changed:
            self._leaving.clear()
            self.dropped += dropped
            self._changed.notify_all()

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
            self.dropped += self.queued
            self._exposures.clear()
            self._tracks.clear()
            self._leaving.clear()

    def after_fork(self) -> None:
        """Begin empty in the child: what is queued belongs to the parent."""
        self._begin()


class Exposed:
    """Remembers the exposures that were sent, up to a number, and when the earliest was."""

    def __init__(self, size: int = REMEMBERED_EXPOSURES) -> None:
        self._size = size
        self._earliest: OrderedDict[ExposureKey, float] = OrderedDict()
        self._lock = threading.Lock()

    def is_news(self, key: ExposureKey, at: float, *, is_live: bool = False) -> bool:
        """Tell whether an exposure is to be sent, and remember it: first or earlier than known.

        Live ones come in the order of their calls, whatever their threads' clocks say.
        """
        with self._lock:
            known = self._earliest.get(key)
            if known is not None and (is_live or known <= at):
                self._earliest.move_to_end(key)
                return False
            self._earliest[key] = at
            self._earliest.move_to_end(key)
            if len(self._earliest) > self._size:
                self._earliest.popitem(last=False)
            return True

    def forget(self, key: ExposureKey) -> None:
        """Let an exposure be sent again, because it was dropped."""
        with self._lock:
            self._earliest.pop(key, None)

    def after_fork(self) -> None:
        """Replace the lock, which another thread of the parent may have held."""
        self._lock = threading.Lock()


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
