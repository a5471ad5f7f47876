"""Who is let in: streams, at once and a second, and batches of events, by what they hold in memory.

The rest is asked to come back. Knows no door.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from equipoise_server.edge.answers import Refused, answer_refused

SPARE_FILES = 256
"""Open files kept for everything but streams: the database, the inbox, short requests."""
LARGEST_LINE_BYTES = 64 * 1024 * 1024
"""What bodies of events may hold in memory together, those that are still coming included."""
LARGEST_WAITING_BYTES = 4 * 1024 * 1024
"""What bodies may hold that have come whole and are not yet answered: work for a moment, on every core."""
LONGEST_WAIT_SECONDS = 1.0
"""How old the oldest of them may be: a disk that stands still is no reason to collect more."""
BUSY = 503
REST = "rest"
"""In the state of a request: for how many seconds its connection is not read after the answer."""
REST_SECONDS = 0.25
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
    whole_since: float | None = None

    def hold(self, size: int) -> None:
        """Hold more bytes, or refuse the body."""
        self.line.hold(size)
        self.held += size

    def is_whole(self) -> None:
        """The body has come; from now on it waits for its answer."""
        self.line.wait(self)


class Line:
    """Bodies of events, from their first byte to their answer: their bytes and their waiting are bounded.

    What has come whole is always dealt with. Who comes while much waits, or something for long, is refused
    before anything of the body is read.
    """

    def __init__(
        self,
        *,
        room: int = LARGEST_LINE_BYTES,
        most_waiting: int = LARGEST_WAITING_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._room = room
        self._most_waiting = most_waiting
        self._clock = clock
        self._waiting: dict[int, Place] = {}
        self._waiting_bytes = 0

    @contextmanager
    def place(self) -> Iterator[Place]:
        """A place in the line until the body is dealt with."""
        if self._waiting_bytes >= self._most_waiting or self._longest_wait() >= LONGEST_WAIT_SECONDS:
            raise busy()
        place = Place(self)
        place.hold(LEAST_HELD_BYTES)
        try:
            yield place
        finally:
            self._room += place.held
            if self._waiting.pop(id(place), None) is not None:
                self._waiting_bytes -= place.held

    def hold(self, size: int) -> None:
        """Take some of the room, or refuse for want of it."""
        if size > self._room:
            raise busy()
        self._room -= size

    def wait(self, place: Place) -> None:
        """Count a body among those that wait for an answer."""
        place.whole_since = self._clock()
        self._waiting[id(place)] = place
        self._waiting_bytes += place.held

    def _longest_wait(self) -> float:
        oldest = next(iter(self._waiting.values()), None)
        return 0.0 if oldest is None or oldest.whole_since is None else self._clock() - oldest.whole_since


def busy() -> Refused:
    """The refusal of a batch for want of room or time."""
    told = "Nothing of this batch was accepted. Keep its events and send them again later."
    return Refused(503, "Busy", told, headers={"retry-after": "1"})


class Admitted:
    """A door whose bodies stand in a line; who is refused rests: asking again at once gains nothing."""

    def __init__(self, door: ASGIApp, line: Line) -> None:
        self._door, self._line = door, line

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def resting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == BUSY:
                scope.setdefault("state", {})[REST] = REST_SECONDS
            await send(message)

        try:
            with self._line.place() as place:
                await self._door(scope, _counted(receive, place), resting)
        except Refused as refused:
            await answer_refused(resting, refused)


def _counted(receive: Receive, place: Place) -> Receive:
    """The body's pieces, each counted as it comes."""

    async def counted() -> Message:
        message = await receive()
        if message["type"] == "http.request":
            place.hold(len(message.get("body", b"")))
            if not message.get("more_body", False):
                place.is_whole()
        return message

    return counted
