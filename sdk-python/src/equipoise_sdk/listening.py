"""Holds a stream open: applies kills at once, and says when a newer snapshot is worth asking for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from equipoise_sdk.frames import BadFrame, Frames, Kill, Number, Revision
from equipoise_sdk.keeper import Keeper
from equipoise_sdk.retries import BackOff
from equipoise_sdk.settings import Outside
from equipoise_sdk.transport import Answer, HttpTransport, OpenStream, Unreachable
from equipoise_sdk.troubles import Troubles

LONGEST_WAIT_SECONDS = 30.0
STEADY_AFTER_READS = 2
"""A stream that said something after its first words is worth a quick return."""


class Listener:
    """One stream after another, in a thread of its own. Any thread may read `is_live` and `told`."""

    def __init__(
        self, transport: HttpTransport, keeper: Keeper, outside: Outside, *, silence_seconds: float
    ) -> None:
        self._transport = transport
        self._keeper = keeper
        self._outside = outside
        self._silence_seconds = silence_seconds
        self._back_off = BackOff(outside.jitter, longest_seconds=LONGEST_WAIT_SECONDS)
        self.troubles = Troubles()
        self.begin()

    def begin(self) -> None:
        """Begin without a stream; in the child of a fork the parent's is left alone."""
        self._lock = threading.Lock()
        self._open: OpenStream | None = None
        self._is_stopping = False
        self.is_live = False
        self.told: Number | None = None

    @property
    def is_behind(self) -> bool:
        """Tell whether the stream knows of a newer snapshot than the one that serves."""
        return self.is_live and self.told is not None and self.told > (self._keeper.number or (-1, -1))

    def stop(self) -> None:
        """End the stream, and open none again; a thread that reads it comes back."""
        with self._lock:
            self._is_stopping = True
            if self._open is not None:
                self._open.interrupt()

    def listen(self, wake: Callable[[], None]) -> float:
        """Follow one stream to its end; return the seconds until the next attempt.

        `wake` is called when there is a newer snapshot, and when the stream is lost.
        """
        frames, reads = Frames(), 0
        patience: float | None = None
        try:
            stream = self._opened()
            while received := stream.read():
                reads += 1
                self._hear(frames, received, wake)
            told = "the stream ended"
        except (Unreachable, BadFrame) as cause:
            told = str(cause)
        except _NoStream as cause:
            told, patience = str(cause), cause.patience
        finally:
            self._lose(wake)
        if self._is_stopping:
            return 0.0
        self.troubles.note("stream", f"no stream, polling instead: {told}")
        if reads >= STEADY_AFTER_READS:
            self._back_off.succeeded()
        return self._back_off.failed(frames.retry_seconds if patience is None else patience)

    def _opened(self) -> OpenStream:
        self.told = self._keeper.number
        last_seen = None if self.told is None else f"{self.told[0]}.{self.told[1]}"
        answer = self._transport.stream(last_seen, self._silence_seconds)
        if isinstance(answer, Answer):
            raise _NoStream(f"the server answered {answer.status}", answer.retry_after_seconds)
        with self._lock:
            self._open = answer
            if self._is_stopping:
                answer.interrupt()
        return answer

    def _hear(self, frames: Frames, received: bytes, wake: Callable[[], None]) -> None:
        for event in frames.feed(received):
            if isinstance(event, Kill):
                self._keeper.kill(event)
            self._note(event, wake)
        if not self.is_live:
            self.is_live = True
            self.troubles.over("stream")
        if self.told is not None and self.told == self._keeper.number:
            self._keeper.confirm(self._outside.now())

    def _note(self, event: Revision | Kill, wake: Callable[[], None]) -> None:
        self.told = event.number
        if event.number > (self._keeper.number or (-1, -1)):
            wake()

    def _lose(self, wake: Callable[[], None]) -> None:
        was_live, self.is_live = self.is_live, False
        with self._lock:
            stream, self._open = self._open, None
        if stream is not None:
            with suppress(OSError):
                stream.close()
        if was_live:
            wake()


class _NoStream(Exception):
    """The server answered with something else than a stream; it may have asked for patience."""

    def __init__(self, text: str, patience: float | None) -> None:
        super().__init__(text)
        self.patience = patience
