"""Sends batches of events until each is accepted, or refused for what it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress

from equipoise_sdk.events import rfc_3339
from equipoise_sdk.outbox import Drop, Outbox
from equipoise_sdk.retries import BackOff
from equipoise_sdk.settings import Outside
from equipoise_sdk.transport import OK, HttpTransport, Unreachable
from equipoise_sdk.troubles import Troubles

LINGER_SECONDS = 0.5
TOO_LARGE = 413
FINAL = frozenset({OK, 400, TOO_LARGE, 415, 422})
"""Answers to what the batch is. All others may change: a key is renewed, a server comes back."""


class Sender:
    """Sends batches of the outbox."""

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
            self._tell_at_the_end()
            return None
        try:
            answer = self._transport.send(self._body(batch))
        except Unreachable as cause:
            return self._keep(str(cause), None)
        status = answer.status
        if status == TOO_LARGE and self._outbox.halve():
            return 0.0
        if status not in FINAL:
            return self._keep(f"the server answered {status}", answer.retry_after_seconds)
        self._back_off.succeeded()
        self.troubles.over("events")
        if status == OK:
            self.troubles.over("refused")
            self._note_quarantine(answer.body)
            self._outbox.note_told()
            self._outbox.settle()
        else:
            told = f"{len(batch)} events dropped: the server answered {status}"
            self.troubles.note("refused", told)
            self._outbox.settle(lost=Drop.REFUSED)
        return 0.0

    def _body(self, batch: Sequence[bytes]) -> bytes:
        """Return the body of a batch, with what was lost since the last that arrived."""
        losses = self._outbox.losses(self._outside.new_id)
        told = b"" if losses is None else losses.members()
        sent_at = rfc_3339(self._outside.now()).encode()
        return b'{"sent_at":"%s",%s"events":[%s]}' % (sent_at, told, b",".join(batch))

    def _tell_at_the_end(self) -> None:
        """Tell once what was lost after the last batch."""
        if self._outbox.losses(self._outside.new_id) is not None:
            with suppress(Unreachable):
                if self._transport.send(self._body(())).status == OK:
                    self._outbox.note_told()

    def _keep(self, text: str, patience: float | None) -> float:
        self.troubles.note("events", f"events wait: {text}")
        self._outbox.postpone()
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
