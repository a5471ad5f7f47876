"""POST /v1/events at a relay: passed straight on, and answered as the upstream answers.

A relay acknowledges nothing that the upstream has not stored; when that is away, SDKs keep their events.
"""

from __future__ import annotations

import asyncio

from starlette.types import Receive, Scope, Send

from equipoise_server.edge.answers import Refused, answer, answer_refused
from equipoise_server.edge.keys import authenticate, header
from equipoise_server.edge.relay.house import Relay
from equipoise_server.edge.relay.upstream import Away, Passed
from equipoise_server.events.values import LARGEST_BODY

MOST_AT_ONCE = 16
_SENT_ON = ("content-type", "content-encoding", "equipoise-backfill")
_PASSED_BACK = ("content-type", "retry-after", "cache-control", "www-authenticate")


class ForwardingDoor:
    """Takes a batch when there is room to pass it on at once."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            passed = await self._passed(scope, receive)
        except Refused as refused:
            await answer_refused(send, refused)
            return
        headers = {name: passed.headers[name] for name in _PASSED_BACK if name in passed.headers}
        await answer(send, passed.status, passed.body, headers)

    async def _passed(self, scope: Scope, receive: Receive) -> Passed:
        key = authenticate(scope, self._relay.state)
        upstream = self._relay.upstream_of(key)
        if upstream is None or self._under_way >= MOST_AT_ONCE:
            raise _try_later()
        self._under_way += 1
        try:
            body = await _body(receive)
            headers = {name: header(scope, name.encode()) for name in _SENT_ON}
            present = {name: value for name, value in headers.items() if value}
            return await asyncio.to_thread(upstream.events, body, present)
        except Away as cause:
            raise _try_later() from cause
        finally:
            self._under_way -= 1


async def _body(receive: Receive) -> bytes:
    """The body as it came, never more than the limit."""
    received = bytearray()
    is_more = True
    while is_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "Not a batch of events", "The body ended early.")
        received += message.get("body", b"")
        is_more = message.get("more_body", False)
        if len(received) > LARGEST_BODY:
            raise Refused(413, "Too large", f"A body may have {LARGEST_BODY} bytes. Send smaller batches.")
    return bytes(received)


def _try_later() -> Refused:
    told = "Nothing of this batch was accepted. Keep its events and send them again later."
    return Refused(503, "The server cannot be reached", told, headers={"retry-after": "5"})
