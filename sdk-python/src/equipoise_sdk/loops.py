"""The background threads: ask for snapshots, send events, follow the stream. They decide nothing else."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from equipoise_sdk.listening import Listener
from equipoise_sdk.polling import Poller
from equipoise_sdk.sending import Sender

LOG = logging.getLogger("equipoise")
BEHIND_SECONDS = 2.0
STREAMED_SECONDS = 300.0

Loop = Callable[[threading.Event], None]


class Loops:
    """Runs poller, sender and listener in daemon threads; begins anew in the child of a fork.

    Args:
        others: loops by name that run beside them, until the event that they are given.
    """

    def __init__(
        self,
        poller: Poller,
        sender: Sender,
        listener: Listener | None,
        *,
        interval_seconds: float,
        others: Mapping[str, Loop],
    ) -> None:
        self._poller = poller
        self._sender = sender
        self._listener = listener
        self._others = others
        self._interval_seconds = interval_seconds
        self._prepare()

    def _prepare(self) -> None:
        self._stopping = threading.Event()
        self._polled = threading.Event()
        self._wanted = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads."""
        loops: dict[str, Loop] = {"poll": self._poll, "send": self._send, **self._others}
        if self._listener is not None:
            loops["stream"] = self._listen
        for name, loop in loops.items():
            thread = threading.Thread(
                target=loop, args=(self._stopping,), name=f"equipoise-{name}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def restart(self) -> None:
        """Start again in the child of a fork, where no thread survived."""
        self._prepare()
        if self._listener is not None:
            self._listener.begin()
        self.start()

    @property
    def is_stopping(self) -> bool:
        """Tell whether `stop` was called."""
        return self._stopping.is_set()

    def wait_for_first_poll(self, timeout_seconds: float) -> None:
        """Wait until the first answer, good or bad."""
        self._polled.wait(timeout_seconds)

    def stop(self, timeout_seconds: float) -> None:
        """Ask all threads to end, and wait a while; they are daemons."""
        self._stopping.set()
        self._wanted.set()
        if self._listener is not None:
            self._listener.stop()
        for thread in self._threads:
            thread.join(timeout_seconds / len(self._threads))

    def _poll(self, stopping: threading.Event) -> None:
        wanted, is_well = self._wanted, False
        while not stopping.is_set():
            wanted.clear()
            try:
                wait_seconds = self._poller.poll(self._interval_seconds)
                is_well = wait_seconds == self._interval_seconds
            except Exception:
                LOG.exception("polling failed in a way that was not foreseen")
                wait_seconds, is_well = self._interval_seconds, False
            self._polled.set()
            if not is_well:  # the server asked for patience; a stream does not change that
                stopping.wait(wait_seconds)
            elif wanted.wait(self._rest_seconds()):
                stopping.wait(self._poller.spread_seconds())

    def _rest_seconds(self) -> float:
        """Return how long nobody needs to ask: long while a stream tells of changes."""
        listener = self._listener
        if listener is None or not listener.is_live or self._poller.is_incomplete:
            return self._interval_seconds
        return BEHIND_SECONDS if listener.is_behind else max(STREAMED_SECONDS, self._interval_seconds)

    def _listen(self, stopping: threading.Event) -> None:
        assert self._listener is not None
        wanted = self._wanted
        while not stopping.is_set():
            try:
                wait_seconds = self._listener.listen(wanted.set)
            except Exception:
                LOG.exception("listening failed in a way that was not foreseen")
                wait_seconds = self._interval_seconds
            stopping.wait(wait_seconds)

    def _send(self, stopping: threading.Event) -> None:
        while True:
            try:
                wait_seconds = self._sender.send()
            except Exception:
                LOG.exception("sending failed in a way that was not foreseen")
                wait_seconds = 1.0
            if wait_seconds is None or (wait_seconds and stopping.wait(wait_seconds)):
                return
