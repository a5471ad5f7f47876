"""The background loops: ask for snapshots, send events, follow the stream. They decide nothing else."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from equipoise_sdk.disk import DiskCache
from equipoise_sdk.events import rfc_3339
from equipoise_sdk.keeper import Keeper, Refused, Source
from equipoise_sdk.listening import Listener
from equipoise_sdk.outbox import Outbox
from equipoise_sdk.retries import BackOff
from equipoise_sdk.settings import Outside
from equipoise_sdk.transport import Answer, HttpTransport, Unreachable
from equipoise_sdk.troubles import Troubles

LOG = logging.getLogger("equipoise")
LINGER_SECONDS = 0.5
SPREAD_SECONDS = 0.5
"""Over how long the clients of a server spread their questions after a change."""
BEHIND_SECONDS = 2.0
STREAMED_SECONDS = 300.0

OK, NOT_MODIFIED = 200, 304
WORTH_RETRYING = frozenset({408, 425, 429})
FIRST_SERVER_FAULT = 500


class Poller:
    """Asks for the snapshot at an interval, and later and later while that fails."""

    def __init__(self, transport: HttpTransport, keeper: Keeper, disk: DiskCache, outside: Outside) -> None:
        self._transport = transport
        self._keeper = keeper
        self._disk = disk
        self._outside = outside
        self._back_off = BackOff(outside.jitter)
        self._etag: str | None = None
        self.troubles = Troubles()

    def load(self) -> None:
        """Serve what the disk kept, if it is whole."""
        kept = self._disk.load()
        if kept is None:
            return
        try:
            self._keeper.offer(kept.body, Source.DISK, datetime.fromtimestamp(kept.at, UTC))
        except Refused as cause:
            self.troubles.note("disk", f"the snapshot on disk is ignored: {cause}")

    def poll(self, interval_seconds: float) -> float:
        """Ask once; return the seconds until the next time."""
        try:
            answer = self._transport.snapshot(self._etag)
            self._take(answer)
        except (Unreachable, Refused) as cause:
            self.troubles.note("snapshot", f"no new snapshot: {cause}")
            patience = cause.patience if isinstance(cause, _Declined) else None
            return self._back_off.failed(patience)
        self._back_off.succeeded()
        self.troubles.over("snapshot")
        return interval_seconds

    def spread_seconds(self) -> float:
        """Return how long to wait when all clients are told of a change at once."""
        return self._outside.jitter() * SPREAD_SECONDS

    def _take(self, answer: Answer) -> None:
        if answer.status == NOT_MODIFIED and self._etag is not None:
            self._keeper.confirm(self._outside.now())
            self._disk.touch()
            return
        if answer.status != OK:
            raise _Declined(f"the server answered {answer.status}", answer.retry_after_seconds)
        self._keeper.offer(answer.body, Source.POLL, self._outside.now())
        self._etag = answer.etag  # only now: a refused snapshot must be asked for again
        try:
            self._disk.store(answer.body)
        except OSError as cause:
            self.troubles.note("disk", f"the snapshot cannot be kept on disk: {cause}")


class _Declined(Refused):
    """The server answered, with no snapshot; it may have asked for patience."""

    def __init__(self, text: str, patience: float | None) -> None:
        super().__init__(text)
        self.patience = patience


class Sender:
    """Sends batches of the outbox until each is accepted or refused for good."""

    def __init__(self, transport: HttpTransport, outbox: Outbox, outside: Outside) -> None:
        self._transport = transport
        self._outbox = outbox
        self._outside = outside
        self._back_off = BackOff(outside.jitter)
        self.troubles = Troubles()

    def send(self) -> float | None:
        """Send one batch; return the seconds to wait, or None when the outbox is closed and empty."""
        batch = self._outbox.next_batch(LINGER_SECONDS)
        if not batch:
            return None
        sent_at = rfc_3339(self._outside.now())
        body = b'{"sent_at":"%s","events":[%s]}' % (sent_at.encode(), b",".join(batch))
        try:
            answer = self._transport.send(body)
        except Unreachable as cause:
            return self._keep(str(cause), None)
        status = answer.status
        if status in WORTH_RETRYING or status >= FIRST_SERVER_FAULT:
            return self._keep(f"the server answered {status}", answer.retry_after_seconds)
        self._back_off.succeeded()
        if status == OK:
            self.troubles.over("events")
            self.troubles.over("refused")
            self._note_quarantine(answer.body)
            self._outbox.settle()
        else:
            told = f"{len(batch)} events dropped: the server answered {status}"
            self.troubles.note("refused", told)
            self._outbox.settle(dropped=len(batch))
        return 0.0

    def _keep(self, text: str, patience: float | None) -> float:
        self.troubles.note("events", f"events wait: {text}")
        return self._back_off.failed(patience)

    def _note_quarantine(self, body: bytes) -> None:
        """Say that the server set events aside, with the first reason."""
        try:
            quarantined = json.loads(body)["quarantined"]
            count, first = len(quarantined), quarantined[0]["problems"] if quarantined else None
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        if count:
            self.troubles.note("quarantine", f"{count} events were quarantined, the first for {first}")


class Loops:
    """Runs poller, sender and listener in daemon threads; begins anew in the child of a fork."""

    def __init__(
        self, poller: Poller, sender: Sender, listener: Listener | None, *, interval_seconds: float
    ) -> None:
        self._poller = poller
        self._sender = sender
        self._listener = listener
        self._interval_seconds = interval_seconds
        self._prepare()

    def _prepare(self) -> None:
        self._stopping = threading.Event()
        self._polled = threading.Event()
        self._wanted = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads."""
        loops: dict[str, Callable[[threading.Event], None]] = {"poll": self._poll, "send": self._send}
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
        if listener is None or not listener.is_live:
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
