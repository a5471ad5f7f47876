"""Tells every open stream what changed: one serialisation a change, one waiting frame a stream.

Lives in one event loop; only `view_changed` may be called from other threads. Knows no database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self
from uuid import UUID

from equipoise_server.edge.frames import HEARTBEAT, Frames, retry, revision_frames
from equipoise_server.edge.state import EdgeState, View

HEARTBEAT_SECONDS = 10.0
STUCK_AFTER_SECONDS = 20.0
LEAST_RETRY_MS, SPREAD_RETRY_MS = 1_000, 9_000


class Stream:
    """One reader. Holds the newest frame not yet sent: a revision makes up for those before it."""

    __slots__ = (
        "_pending", "_wake", "environment_id", "is_ending", "is_evaluated", "key_prefix",
        "task", "writing_since",
    )  # fmt: skip

    def __init__(self, environment_id: UUID, key_prefix: str, *, is_evaluated: bool = False) -> None:
        self.environment_id = environment_id
        self.key_prefix = key_prefix
        self.is_evaluated = is_evaluated
        self.is_ending = False
        self.writing_since: float | None = None
        self.task: asyncio.Task[object] | None = None
        self._pending = b""
        self._wake = asyncio.Event()

    def offer(self, frame: bytes) -> None:
        """Send this next, in place of what still waits."""
        self._pending = frame
        self._wake.set()

    def add(self, frame: bytes) -> None:
        """Send this after what still waits."""
        self.offer(self._pending + frame)

    def beat(self) -> None:
        """Send a heartbeat, unless something better waits."""
        if not self._pending:
            self.offer(HEARTBEAT)

    def end(self, last_words: bytes = b"") -> None:
        """Send what waits, then these words, then end."""
        self.is_ending = True
        self.offer(self._pending + last_words)

    async def next(self) -> bytes:
        """Wait for the next frame; b"" when the stream ends."""
        while not self._pending and not self.is_ending:
            self._wake.clear()
            await self._wake.wait()
        frame, self._pending = self._pending, b""
        return frame


class Broadcaster:
    """All open streams of a process. `async with` it in the loop that serves them."""

    def __init__(
        self,
        state: EdgeState,
        *,
        jitter: Callable[[], float],
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        stuck_after_seconds: float = STUCK_AFTER_SECONDS,
    ) -> None:
        self._state = state
        self._jitter = jitter
        self._heartbeat_seconds = heartbeat_seconds
        self._stuck_after_seconds = stuck_after_seconds
        self._streams: dict[UUID, set[Stream]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._beating: asyncio.Task[None] | None = None
        self.is_draining = False
        self.open_streams = 0

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._beating = asyncio.create_task(self._beat())
        self._state.listeners.append(self.view_changed)
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _failure: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._state.listeners.remove(self.view_changed)
        self.drain()
        if self._beating is not None:
            self._beating.cancel()
            with suppress(asyncio.CancelledError):
                await self._beating

    def add(self, stream: Stream) -> None:
        """Tell a stream of every change from now on."""
        self._streams.setdefault(stream.environment_id, set()).add(stream)
        self.open_streams += 1

    def remove(self, stream: Stream) -> None:
        """Forget a stream."""
        self._streams[stream.environment_id].discard(stream)
        self.open_streams -= 1

    def retry_hint(self) -> bytes:
        """When to come back, another time for each: so that a restart is no stampede."""
        return retry(LEAST_RETRY_MS + int(self._jitter() * SPREAD_RETRY_MS))

    def drain(self) -> None:
        """Let nobody in any more, and ask everybody to come back later."""
        self.is_draining = True
        for stream in self._all():
            stream.end(self.retry_hint())

    def view_changed(self, before: View | None, after: View) -> None:
        """Note another view; called in the thread that swapped it."""
        frames = changes(before, after)
        has_lost_keys = before is not None and not before.keys.keys() <= after.keys.keys()
        if self._loop is not None and (frames or has_lost_keys):
            self._loop.call_soon_threadsafe(self._tell, frames, after)

    def pass_on(self, environment_id: UUID, kill: bytes) -> None:
        """Tell readers of rules a kill at once, before the snapshot that has it; from any thread."""

        def tell() -> None:
            for stream in self._streams.get(environment_id, ()):
                if not stream.is_evaluated:
                    stream.add(kill)

        if self._loop is not None:
            self._loop.call_soon_threadsafe(tell)

    def _tell(self, frames: dict[UUID, Frames], view: View) -> None:
        for environment_id, frame in frames.items():
            for stream in self._streams.get(environment_id, ()):
                stream.offer(frame.evaluated if stream.is_evaluated else frame.rules)
        for stream in self._all():
            if stream.key_prefix not in view.keys:
                stream.end()

    def _all(self) -> list[Stream]:
        return [stream for streams in self._streams.values() for stream in streams]

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_seconds)
            now = self._state.clock()
            for stream in self._all():
                if _is_stuck(stream, now - self._stuck_after_seconds) and stream.task is not None:
                    stream.task.cancel()
                else:
                    stream.beat()


def _is_stuck(stream: Stream, since: float) -> bool:
    return stream.writing_since is not None and stream.writing_since <= since


def changes(before: View | None, after: View) -> dict[UUID, Frames]:
    """The frames of every environment that has another revision than before."""
    known = {} if before is None else before.snapshots
    told = {}
    for environment_id, found in after.snapshots.items():
        was = known.get(environment_id)
        if was is None or was.revision != found.revision:
            new_kills = frozenset() if was is None else found.kills - was.kills
            told[environment_id] = revision_frames(found.revision, found.etag, new_kills)
    return told
