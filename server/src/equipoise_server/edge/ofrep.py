"""OFREP 0.3 under /ofrep/v1/: any OpenFeature client evaluates flags here, with server and client keys.

Evaluation never exposes: a client tells what a unit met by sending events.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import parse_qs, quote

from django.core.signing import BadSignature, Signer
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from equipoise_engine import ErrorCode
from equipoise_server.access.values import SdkKey
from equipoise_server.edge.answers import Refused, answer, problem_body
from equipoise_server.edge.broadcaster import Stream
from equipoise_server.edge.keys import authenticate_presented, bearer, current_view, header
from equipoise_server.edge.ofrep_answers import BadRequest, bulk, context_of, encoded, failure, item
from equipoise_server.edge.snapshot import is_same
from equipoise_server.edge.state import EdgeState, Servable
from equipoise_server.edge.streams import Streams

LARGEST_BODY = 2**20
STREAM_PATH = "/ofrep/v1/stream"
CORS = {"access-control-allow-origin": "*", "access-control-expose-headers": "ETag, Retry-After"}
_PREFLIGHT = CORS | {
    "access-control-allow-methods": "GET, POST, OPTIONS",
    "access-control-allow-headers": "Content-Type, Authorization, X-API-Key, If-None-Match, "
    "Last-Event-ID, X-Equipoise-Preview",
    "access-control-max-age": "86400",
}
_NOT_KEPT = {"content-type": "application/json", "cache-control": "no-store"}
Clock = Callable[[], float]
Door = Callable[[Scope, Receive, Send], Awaitable[None]]


def routes(state: EdgeState, streams: Streams, *, clock: Clock = time.time) -> Sequence[BaseRoute]:
    """Single, bulk and stream. `clock` gives epoch seconds."""
    methods = ["POST", "OPTIONS"]
    return [
        Route("/ofrep/v1/evaluate/flags", _Door(EvaluateAll(state, clock)), methods=methods),
        Route("/ofrep/v1/evaluate/flags/{key:path}", _Door(EvaluateOne(state, clock)), methods=methods),
        Route(STREAM_PATH, _Door(ListenToChanges(state, streams)), methods=["GET", "OPTIONS"]),
    ]


class _Door:
    """Lets any web page ask, and turns refusals into problems that it can read."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] == "OPTIONS":
            await answer(send, 204, b"", _PREFLIGHT)
            return
        try:
            await self._door(scope, receive, send)
        except Refused as refused:
            body = problem_body(refused.status, refused.title, refused.detail)
            headers = {"content-type": "application/problem+json", "cache-control": "no-store"}
            await answer(send, refused.status, body, headers | CORS | refused.headers)


class EvaluateOne:
    """One flag for one context."""

    def __init__(self, state: EdgeState, clock: Clock) -> None:
        self._state, self._clock = state, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        found = _found(self._state, _key(scope, self._state))
        flag_key = scope["path_params"]["key"]
        status, content = 400, {}
        try:
            context = await _context(scope, receive, found, now=self._clock())
            content = item(found.engine.evaluate(flag_key, context, None), found, now=self._clock())
            if "errorCode" not in content:
                status = 200
            elif content["errorCode"] == ErrorCode.FLAG_NOT_FOUND:
                status = 404
        except BadRequest as fault:
            content = failure(fault.code, fault.details, key=flag_key)
        await answer(send, status, encoded(content), _NOT_KEPT | CORS)


class EvaluateAll:
    """Every flag for one context; 304 when the client holds the same answers."""

    def __init__(self, state: EdgeState, clock: Clock) -> None:
        self._state, self._clock = state, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        key = _key(scope, self._state)
        found = _found(self._state, key)
        try:
            context = await _context(scope, receive, found, now=self._clock())
        except BadRequest as fault:
            await answer(send, 400, encoded(failure(fault.code, fault.details)), _NOT_KEPT | CORS)
            return
        decisions, url = found.engine.evaluate_all(context), _stream_url(scope, key)
        body = bulk(decisions, found, stream_url=url, now=self._clock())
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        headers = {"etag": etag, "cache-control": "private, no-cache", "vary": "authorization, x-api-key"}
        if is_same(header(scope, b"if-none-match"), etag):
            await answer(send, 304, b"", headers | CORS)
        else:
            await answer(send, 200, body, headers | CORS | {"content-type": "application/json"})


class ListenToChanges:
    """Tells who evaluates remotely that another answer may hold; its URL carries a token for nothing else."""

    def __init__(self, state: EdgeState, streams: Streams) -> None:
        self._state = state
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one reader until it leaves."""
        key = self._key(scope)
        self._streams.admit()
        stream = Stream(key.environment_id, key.prefix, is_evaluated=True)
        last_seen = header(scope, b"last-event-id")
        await self._streams.serve(stream, receive, send, last_seen=last_seen, headers=CORS)

    def _key(self, scope: Scope) -> SdkKey:
        tokens = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])
        try:
            prefix = _signer().unsign(tokens[0])
        except BadSignature:
            prefix = ""
        working = current_view(self._state).keys.get(prefix)
        if working is None:
            told = "This address is of no use any more. Ask for all flags again; the answer has a new one."
            raise Refused(401, "The stream's token does not work", told)
        return working.key


def _signer() -> Signer:
    return Signer(salt="equipoise.edge.ofrep.stream")


def _stream_url(scope: Scope, key: SdkKey) -> str:
    token = quote(_signer().sign(key.prefix), safe="")
    return f"{scope['scheme']}://{header(scope, b'host')}{scope['root_path']}{STREAM_PATH}?token={token}"


def _key(scope: Scope, state: EdgeState) -> SdkKey:
    return authenticate_presented(bearer(scope) or header(scope, b"x-api-key"), state)


def _found(state: EdgeState, key: SdkKey) -> Servable:
    found = current_view(state).snapshots.get(key.environment_id)
    if found is None:
        told = "The environment's configuration could not be loaded yet. Try again in a second."
        raise Refused(503, "Not ready yet", told, headers={"retry-after": "1"})
    return found


async def _context(scope: Scope, receive: Receive, found: Servable, *, now: float) -> dict[str, object]:
    preview = header(scope, b"x-equipoise-preview")
    return context_of(await _body(receive), found, preview=preview, now=now)


async def _body(receive: Receive) -> bytes:
    received = bytearray()
    is_more = True
    while is_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest(ErrorCode.PARSE_ERROR, "The body ended early.")
        received += message.get("body", b"")
        is_more = message.get("more_body", False)
        if len(received) > LARGEST_BODY:
            raise Refused(413, "Too large", f"A body may have {LARGEST_BODY} bytes.")
    return bytes(received)
