"""POST /v1/segment/v1/…: takes what libraries for Segment's tracking API send, as POST /v1/events does.

The libraries present a write key as the user name of HTTP Basic; here that is an SDK key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import msgspec
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from equipoise_server.access.values import SdkKey
from equipoise_server.edge.answers import Refused, answer_json, answer_refused
from equipoise_server.edge.cross_origin import AnyOrigin
from equipoise_server.edge.events import no_room, read_body, sender_of, taken, verdicts
from equipoise_server.edge.keys import authenticate_presented, basic_user, bearer, current_view, header
from equipoise_server.edge.state import EdgeState
from equipoise_server.edge.terms import terms_of
from equipoise_server.events import actions
from equipoise_server.events.actions import TakesBatches
from equipoise_server.events.values import SEGMENT_CALLS, SegmentBody, Vocabulary


def routes(
    state: EdgeState,
    inbox: TakesBatches,
    *,
    clock: Callable[[], datetime],
    has_room: Callable[[], bool] = lambda: True,
    guarded: Callable[[ASGIApp], ASGIApp] = lambda door: door,
) -> Sequence[BaseRoute]:
    """One address for each call, and one for batches of them; who gets to a door is for `guarded` to say."""
    doors = {
        call: SegmentDoor(state, inbox, call, clock=clock, has_room=has_room)
        for call in (*SEGMENT_CALLS, "batch")
    }
    return [
        Route(f"/v1/segment/v1/{call}", AnyOrigin(guarded(door)), methods=["POST", "OPTIONS"])
        for call, door in doors.items()
    ]


class _Signed(msgspec.Struct):
    write_key: str = msgspec.field(default="", name="writeKey")


def write_key(body: bytes) -> str:
    """The SDK key that a body presents as its `writeKey`; "" when it has none."""
    try:
        return msgspec.json.decode(body, type=_Signed).write_key
    except (ValueError, RecursionError):
        return ""


class SegmentDoor:
    """Takes messages of one call for the environment of the key, client keys included."""

    def __init__(
        self,
        state: EdgeState,
        inbox: TakesBatches,
        call: str,
        *,
        clock: Callable[[], datetime],
        has_room: Callable[[], bool],
    ) -> None:
        self._state = state
        self._inbox = inbox
        self._call = call
        self._clock = clock
        self._has_room = has_room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            presented, encoding = basic_user(scope) or bearer(scope), header(scope, b"content-encoding")
            if presented:  # who has a key in a header is known before anything is read
                key = authenticate_presented(presented, self._state)
                body = await read_body(receive, encoding)
            else:
                body = await read_body(receive, encoding)
                key = authenticate_presented(write_key(body), self._state)
            vocabulary = self._vocabulary(key)
            if not self._has_room():
                raise no_room()
            sent = SegmentBody(self._call, body, vocabulary)
            sender = sender_of(scope, key)
            inbox = actions.hiding(self._inbox, key.pseudonymised_by)
            received_at = self._clock()
            terms = terms_of(self._state, key, received_at)
            accept = partial(
                actions.accept_messages, inbox, key.environment_id, sent, sender=sender, terms=terms
            )
            acceptance = await taken(partial(accept, received_at=received_at))
        except Refused as refused:
            await answer_refused(send, refused)
        else:
            told = {"success": True, "ignored": acceptance.ignored, **verdicts(acceptance)}
            await answer_json(send, 200, told)

    def _vocabulary(self, key: SdkKey) -> Vocabulary:
        found = current_view(self._state).snapshots.get(key.environment_id)
        if found is None:
            told = "The environment's configuration could not be loaded yet. Try again in a second."
            raise Refused(503, "Not ready yet", told, headers={"retry-after": "1"})
        return msgspec.convert(found.document, Vocabulary)
