"""POST /v1/events: takes batches from SDKs and answers after they are durable. Touches no database."""

from __future__ import annotations

import asyncio
import logging
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from functools import partial

from django.db import close_old_connections, connection
from starlette.types import Receive, Scope, Send

from equipoise_server.access.values import KeyKind, SdkKey
from equipoise_server.edge.answers import Refused, answer_json, answer_refused
from equipoise_server.edge.keys import authenticate, header
from equipoise_server.edge.state import EdgeState
from equipoise_server.edge.terms import terms_of
from equipoise_server.events import actions
from equipoise_server.events.actions import Inbox, TakesBatches
from equipoise_server.events.values import (
    LARGEST_BODY,
    Acceptance,
    InboxClosed,
    InboxFull,
    MalformedBody,
    Sender,
    StorageFailed,
    program_of_user_agent,
)
from equipoise_server.foundation.database_troubles import log_trouble

LONGEST_WRITE_SECONDS = 10.0
FORGET_EVERY_SECONDS = 5.0
_GZIP = 16 + zlib.MAX_WBITS

_log = logging.getLogger(__name__)


class EventsDoor:
    """Takes events for the environment of the key, client keys included."""

    def __init__(
        self,
        state: EdgeState,
        inbox: TakesBatches,
        *,
        clock: Callable[[], datetime],
        allows_backfill: bool = False,
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        self._has_room = has_room
        self._state = state
        self._inbox = inbox
        self._clock = clock
        self._allows_backfill = allows_backfill

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            key = authenticate(scope, self._state)
            is_trusted = self._is_trusted(scope, key)
            body = await read_body(receive, header(scope, b"content-encoding"))
            sender = sender_of(scope, key)
            acceptance = await self._take(key, body, sender, is_trusted=is_trusted)
        except Refused as refused:
            await answer_refused(send, refused)
        else:
            await answer_json(send, 200, verdicts(acceptance))

    def _is_trusted(self, scope: Scope, key: SdkKey) -> bool:
        """Whether the events' `at` is taken as given: past events loaded by the operator's own programs."""
        if header(scope, b"equipoise-backfill") != "1":
            return False
        if self._allows_backfill and key.kind is KeyKind.SERVER:
            return True
        told = (
            "Past events are taken from server keys alone, and only while EQUIPOISE_ALLOW_BACKFILL=1. "
            "Leave out the header Equipoise-Backfill."
        )
        raise Refused(403, "No backfill here", told)

    async def _take(self, key: SdkKey, body: bytes, sender: Sender, *, is_trusted: bool) -> Acceptance:
        if not self._has_room():
            raise no_room()
        inbox, received_at = actions.hiding(self._inbox, key.pseudonymised_by), self._clock()
        terms = terms_of(self._state, key, received_at)
        accept = partial(actions.accept, inbox, key.environment_id, body, sender=sender, terms=terms)
        return await taken(partial(accept, received_at=received_at, is_trusted=is_trusted))


def sender_of(scope: Scope, key: SdkKey) -> Sender:
    """Who sends, by the key and the User-Agent; the body may say it better."""
    return Sender(key.name, program_of_user_agent(header(scope, b"user-agent")))


async def taken(take: Callable[[], tuple[Acceptance, Future[None]]]) -> Acceptance:
    """What an action of the inbox answers, once it is durable; else a refusal."""
    try:
        acceptance, written = take()
        await asyncio.wait_for(asyncio.wrap_future(written), LONGEST_WRITE_SECONDS)
    except MalformedBody as fault:
        raise Refused(400, "Not a batch of events", str(fault)) from fault
    except (InboxFull, InboxClosed, TimeoutError) as fault:
        raise _try_later(503, "Busy", 1) from fault
    except StorageFailed as fault:
        _log.error("events could not be stored: %s", fault)  # the cause is in the message
        raise _try_later(507 if fault.is_full else 503, "Events cannot be stored", 10) from fault
    return acceptance


def no_room() -> Refused:
    """The refusal while the disk is nearly full: the rest of it is for kills and settings."""
    return _try_later(507, "Events cannot be stored", 10)


class Upkeep:
    """Lets an inbox forget what the store holds. One thread, which outlives the database's troubles."""

    def __init__(
        self, inbox: Inbox, *, clock: Callable[[], datetime], every_seconds: float = FORGET_EVERY_SECONDS
    ) -> None:
        self._inbox = inbox
        self._clock = clock
        self._every_seconds = every_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="inbox-upkeep", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Stop and wait for the round under way."""
        self._stop.set()
        self._thread.join(timeout=5)

    def tick(self) -> None:
        """One round; never raises."""
        try:
            actions.forget_stored(self._inbox, now=self._clock())
        except Exception as trouble:  # noqa: BLE001  # recorded; what is stored twice on disk is no harm until then
            log_trouble(_log, logging.WARNING, "the inbox could not be tidied; trying again", trouble)
            connection.close()

    def _run(self) -> None:
        while not self._stop.wait(self._every_seconds):
            close_old_connections()
            self.tick()
        connection.close()


async def read_body(receive: Receive, encoding: str) -> bytes:
    """The body, inflated, never holding more than the limit."""
    coding = encoding.strip().lower() or "identity"
    if coding not in {"identity", "gzip"}:
        told = f"Content-Encoding “{coding}” is not understood; send gzip or none."
        raise Refused(415, "Unknown encoding", told)
    received = bytearray()
    is_more = True
    while is_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "Not a batch of events", "The body ended early.")
        received += message.get("body", b"")
        is_more = message.get("more_body", False)
        if len(received) > LARGEST_BODY:
            raise _too_large()
    return inflated(bytes(received)) if coding == "gzip" else bytes(received)


def inflated(packed: bytes) -> bytes:
    """A body that came as gzip, never more than the limit."""
    inflate = zlib.decompressobj(_GZIP)
    try:
        body = inflate.decompress(packed, LARGEST_BODY + 1)
    except zlib.error as fault:
        raise Refused(400, "Not a batch of events", "The body is not gzip, as its encoding says.") from fault
    if len(body) > LARGEST_BODY:
        raise _too_large()
    if not inflate.eof:
        raise Refused(400, "Not a batch of events", "The gzip body ended early.")
    return body


def _too_large() -> Refused:
    told = f"A body may have {LARGEST_BODY} bytes, after inflating too. Send smaller batches."
    return Refused(413, "Too large", told)


def _try_later(status: int, title: str, seconds: int) -> Refused:
    told = "Nothing of this batch was accepted. Keep its events and send them again later."
    return Refused(status, title, told, headers={"retry-after": str(seconds)})


def verdicts(acceptance: Acceptance) -> dict[str, object]:
    """The answer to a batch; `problems` only where something beside the events was not understood."""
    told: dict[str, object] = {
        "accepted": acceptance.accepted,
        "quarantined": [
            {"index": event.index, "id": event.id, "problems": event.problems}
            for event in acceptance.quarantined
        ],
    }
    return told | {"problems": acceptance.problems} if acceptance.problems else told
