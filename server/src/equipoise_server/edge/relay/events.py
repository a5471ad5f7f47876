"""Events at a relay, of SDKs and of Segment's libraries: passed straight on, answered as the upstream does.

A relay acknowledges nothing that the upstream has not stored; when that is away, senders keep their events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from equipoise_server.edge.admission import Line
from equipoise_server.edge.answers import Refused, answer, answer_refused
from equipoise_server.edge.cross_origin import AnyOrigin
from equipoise_server.edge.events import inflated
from equipoise_server.edge.keys import authenticate_presented, basic_user, bearer, header
from equipoise_server.edge.relay.house import Relay
from equipoise_server.edge.relay.upstream import Away, Passed, Upstream
from equipoise_server.edge.segment import write_key
from equipoise_server.events.values import LARGEST_BODY, SEGMENT_CALLS

MOST_AT_ONCE = 16
LARGEST_LINE_BYTES = 64 * 1024 * 1024
"""What bodies may hold in memory together, those that are still coming included."""
SEGMENT = "/v1/segment/v1/"
PATHS = ("/v1/events", *(SEGMENT + call for call in (*SEGMENT_CALLS, "batch")))
_SENT_ON = ("content-type", "content-encoding", "equipoise-backfill", "user-agent")
_PASSED_BACK = ("content-type", "retry-after", "cache-control", "www-authenticate")


def routes(relay: Relay) -> Sequence[BaseRoute]:
    """POST /v1/events, and one address for each of Segment's calls; they share what a relay can hold."""
    door = AnyOrigin(ForwardingDoor(relay))
    return [Route(path, door, methods=["POST", "OPTIONS"]) for path in PATHS]


class ForwardingDoor:
    """Takes a batch when there is room to pass it on at once."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._line = Line(room=LARGEST_LINE_BYTES)
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
        is_segment = scope["path"].startswith(SEGMENT)
        presented = bearer(scope) or (basic_user(scope) if is_segment else "")
        if presented or not is_segment:  # who has a key in a header is known before anything is read
            authenticate_presented(presented, self._relay.state)
        with self._line.place() as place:
            body = await _body(receive, place.hold)
            presented = presented or _write_key(scope, body)
            upstream = self._relay.upstream_of(authenticate_presented(presented, self._relay.state))
            # A sender that is slow holds no place of those that are on their way.
            if upstream is None or self._under_way >= MOST_AT_ONCE:
                raise _try_later()
            return await self._sent_on(upstream, scope, body)

    async def _sent_on(self, upstream: Upstream, scope: Scope, body: bytes) -> Passed:
        headers = {name: header(scope, name.encode()) for name in _SENT_ON}
        present = {name: value for name, value in headers.items() if value}
        self._under_way += 1
        try:
            return await asyncio.to_thread(upstream.events, scope["path"], body, present)
        except Away as cause:
            raise _try_later() from cause
        finally:
            self._under_way -= 1


def _write_key(scope: Scope, body: bytes) -> str:
    is_packed = header(scope, b"content-encoding").strip().lower() == "gzip"
    return write_key(inflated(body) if is_packed else body)


async def _body(receive: Receive, hold: Callable[[int], None]) -> bytes:
    """The body as it came, never more than the limit."""
    received = bytearray()
    is_more = True
    while is_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "Not a batch of events", "The body ended early.")
        piece = message.get("body", b"")
        hold(len(piece))
        received += piece
        is_more = message.get("more_body", False)
        if len(received) > LARGEST_BODY:
            raise Refused(413, "Too large", f"A body may have {LARGEST_BODY} bytes. Send smaller batches.")
    return bytes(received)


def _try_later() -> Refused:
    told = "Nothing of this batch was accepted. Keep its events and send them again later."
    return Refused(503, "The server cannot be reached", told, headers={"retry-after": "5"})
