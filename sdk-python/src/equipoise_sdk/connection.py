"""Ties a client to its server: disk, transport and loops, from start through forks to the end."""

from __future__ import annotations

import time
from functools import partial

from equipoise_sdk.blobs import Shelf
from equipoise_sdk.disk import DiskCache
from equipoise_sdk.keeper import Keeper
from equipoise_sdk.listening import Listener
from equipoise_sdk.loops import Loop, Loops
from equipoise_sdk.outbox import Outbox
from equipoise_sdk.polling import Places, Poller
from equipoise_sdk.sending import Sender
from equipoise_sdk.settings import Bootstrap, Settings
from equipoise_sdk.spool import SpooledOutbox, moving
from equipoise_sdk.transport import HttpTransport

LONGEST_CLOSE_SECONDS = 0.9
FRESHER_SECONDS = 0.3
"""How long a start waits for something fresher than what serves already."""


class Connection:
    """The background work of one client."""

    def __init__(self, settings: Settings, keeper: Keeper, outbox: Outbox) -> None:
        outside = settings.outside
        self._keeper = keeper
        # Events have connections of their own: the server takes them in by another process than flags.
        self._transport, self._events = HttpTransport(settings), HttpTransport(settings)
        disk = DiskCache(settings.cache_directory, settings.server_url, settings.key)
        places = Places(self._transport, disk, Shelf(self._transport, disk))
        self._poller = Poller(places, keeper, outside)
        self._sender = Sender(self._events, outbox, outside)
        self._listener = (
            Listener(self._transport, keeper, outside, silence_seconds=settings.stream_silence_seconds)
            if settings.streaming
            else None
        )
        spooled = outbox if isinstance(outbox, SpooledOutbox) else None
        others: dict[str, Loop] = {} if spooled is None else {"spool": partial(moving, spooled)}
        self._spool_troubles = None if spooled is None else spooled.troubles
        self._loops = Loops(
            self._poller,
            self._sender,
            self._listener,
            interval_seconds=settings.poll_interval_seconds,
            others=others,
        )

    @property
    def last_error(self) -> str | None:
        """Return the last trouble with snapshots, or else with events, or else with the stream."""
        stream = None if self._listener is None else self._listener.troubles.last
        spool = None if self._spool_troubles is None else self._spool_troubles.last
        return self._poller.last_error or self._sender.troubles.last or spool or stream

    @property
    def is_streaming(self) -> bool:
        """Tell whether a stream tells of changes now."""
        return self._listener is not None and self._listener.is_live

    def open(self, timeout_seconds: float, *, bootstrap: Bootstrap = None) -> None:
        """Load what is here, start the loops, and wait for the first answer."""
        self._poller.load(bootstrap)
        self._loops.start()
        longest = FRESHER_SECONDS if self._keeper.serving.snapshot is not None else timeout_seconds
        self._loops.wait_for_first_poll(min(longest, timeout_seconds))

    def after_fork(self) -> None:
        """Begin again in the child, with connections of its own."""
        if not self._loops.is_stopping:
            self._transport.reconnect()
            self._events.reconnect()
            self._loops.restart()

    def close(self, outbox: Outbox) -> None:
        """Let the outbox empty itself, then stop; what is left is dropped and counted."""
        if self._loops.is_stopping:
            return
        deadline = time.monotonic() + LONGEST_CLOSE_SECONDS
        outbox.drained(LONGEST_CLOSE_SECONDS / 2)
        self._loops.stop(max(0.0, deadline - time.monotonic()))
        outbox.abandon()
        self._transport.close()
        self._events.close()
