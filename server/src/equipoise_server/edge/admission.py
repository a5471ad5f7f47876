"""Who is let in: streams, at once and a second, and batches of events, by what they hold in memory.

The rest is asked to come back. Knows no door.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from equipoise_server.edge.answers import Refused

SPARE_FILES = 256
"""Open files kept for everything but streams: the database, the inbox, short requests."""
LARGEST_LINE_BYTES = 64 * 1024 * 1024
"""What bodies of events may hold in memory together; about two seconds of work."""
LEAST_HELD_BYTES = 4096
"""A body counts for this much at least: a million empty ones are no small thing either."""


@dataclass(slots=True)
class Admission:
    """A limit on streams at once, and a bucket that limits how many begin a second."""

    limit: int
    per_second: float
    clock: Callable[[], float]
    jitter: Callable[[], float]
    """Returns a number in [0, 1)."""
    _allowance: float = field(init=False)
    _counted_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._allowance, self._counted_at = self.per_second, self.clock()

    def admit(self, open_streams: int) -> None:
        """Let one more in, or refuse it with a time to come back."""
        now = self.clock()
        earned = (now - self._counted_at) * self.per_second
        self._allowance, self._counted_at = min(self.per_second, self._allowance + earned), now
        if open_streams >= self.limit:
            told = f"This process holds {open_streams} streams, as many as it may. Poll meanwhile."
            raise self._refusal(told, 10, 50)
        if self._allowance < 1:
            raise self._refusal("Many streams begin just now. Poll meanwhile.", 1, 9)
        self._allowance -= 1

    def _refusal(self, told: str, least: int, spread: int) -> Refused:
        seconds = least + int(self.jitter() * spread)
        return Refused(503, "No room for a stream", told, headers={"retry-after": str(seconds)})


def room_for_streams(wanted: int) -> int:
    """How many of the streams wanted this process may open; raises its soft limit of files as needed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with suppress(OSError, ValueError):  # a container may refuse; then there is less room
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - SPARE_FILES))


@dataclass(slots=True)
class Place:
    """One body's place in the line; it holds what has come of it so far."""

    line: Line
    held: int = 0

    def hold(self, size: int) -> None:
        """Hold more bytes, or refuse the body."""
        self.line.hold(size)
        self.held += size


class Line:
    """Bodies of events that wait for the process that takes them in: their bytes together are bounded."""

    def __init__(self, *, room: int = LARGEST_LINE_BYTES) -> None:
        self._room = room

    @contextmanager
    def place(self) -> Iterator[Place]:
        """A place in the line until the body is dealt with."""
        place = Place(self)
        place.hold(LEAST_HELD_BYTES)
        try:
            yield place
        finally:
            self._room += place.held

    def hold(self, size: int) -> None:
        """Take some of the room, or refuse for want of it."""
        if size > self._room:
            told = "Nothing of this batch was accepted. Keep its events and send them again later."
            raise Refused(503, "Busy", told, headers={"retry-after": "1"})
        self._room -= size
