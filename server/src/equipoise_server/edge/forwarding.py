"""The doors for events in the process that answers for flags, for requests whose connection cannot move.

Their bodies go on, unread, to the process that takes events in; they hold a small memory at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from equipoise_server.edge.admission import Line, busy
from equipoise_server.edge.answers import Refused, answer_refused
from equipoise_server.edge.cross_origin import AnyOrigin
from equipoise_server.edge.keys import authenticate
from equipoise_server.edge.state import EdgeState
from equipoise_server.events.values import LARGEST_BODY, SEGMENT_CALLS

LARGEST_LINE_BYTES = 4 * 1024 * 1024
MOST_AT_ONCE = 16
"""Batches at the other process: enough to share an fsync, too few to hold up the next in line for long."""
LONGEST_ANSWER_SECONDS = 15.0
_LARGEST_HEAD = 64 * 1024
_OF_ONE_LINK = frozenset(
    [
        b"connection", b"content-length", b"date", b"expect", b"host", b"keep-alive", b"server", b"te",
        b"trailer", b"transfer-encoding", b"upgrade", b"access-control-allow-origin",
        b"access-control-expose-headers",
    ]
)  # fmt: skip
"""Headers that each of the two connections has of its own."""
_UNKNOWN_KEY = 401
_NO_ANSWER = (OSError, EOFError, ValueError, IndexError, asyncio.LimitOverrunError)


@dataclass(frozen=True, slots=True)
class Passed:
    """What the other process answered."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class Away(Exception):
    """The other process did not answer; what was sent counts as not accepted."""


@dataclass(slots=True)
class Crossing:
    """Connections to the process that takes events in, kept open; whoever comes first goes first."""

    address: Path
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_AT_ONCE))
    _idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def ask(self, request: bytes, body: bytes) -> Passed:
        """Send one request, and what came back."""
        async with self._turns:
            try:
                return await asyncio.wait_for(self._asked(request, body), LONGEST_ANSWER_SECONDS)
            except (*_NO_ANSWER, TimeoutError) as cause:
                raise Away from cause

    async def _asked(self, request: bytes, body: bytes) -> Passed:
        reader, writer = await self._connection()
        try:
            writer.write(request)
            writer.write(body)
            passed = await _read(reader)
        except BaseException:
            writer.close()
            raise
        self._idle.append((reader, writer))
        return passed

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_unix_connection(str(self.address), limit=_LARGEST_HEAD)

    async def close(self) -> None:
        """Hang up."""
        for _, writer in self._idle:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        self._idle.clear()


def routes(
    state: EdgeState, crossing: Crossing, line: Line, *, wake: Callable[[], None]
) -> Sequence[BaseRoute]:
    """POST /v1/events, and one address for each of Segment's calls."""
    known = ForwardingDoor(crossing, line, lambda scope: _known(scope, state), wake=wake)
    segment = ForwardingDoor(crossing, line, lambda _: False, wake=wake)  # their keys may be in the body
    doors = {"/v1/events": known}
    doors |= {f"/v1/segment/v1/{call}": segment for call in (*SEGMENT_CALLS, "batch")}
    return [Route(path, AnyOrigin(door), methods=["POST", "OPTIONS"]) for path, door in doors.items()]


def _known(scope: Scope, state: EdgeState) -> bool:
    """Refuse who has no key before anything of the body is read."""
    authenticate(scope, state)
    return True


class ForwardingDoor:
    """Passes a request on and its answer back."""

    def __init__(
        self, crossing: Crossing, line: Line, knows: Callable[[Scope], bool], *, wake: Callable[[], None]
    ) -> None:
        self._crossing, self._line, self._knows, self._wake = crossing, line, knows, wake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            passed = await self._passed(scope, receive)
        except Refused as refused:
            await answer_refused(send, refused)
            return
        headers = [(name, value) for name, value in passed.headers if name not in _OF_ONE_LINK]
        headers.append((b"content-length", str(len(passed.body)).encode()))
        await send({"type": "http.response.start", "status": passed.status, "headers": headers})
        await send({"type": "http.response.body", "body": passed.body})

    async def _passed(self, scope: Scope, receive: Receive) -> Passed:
        is_known = self._knows(scope)
        with self._line.place() as place:
            body = await _body(receive, place.hold)
            try:
                passed = await self._crossing.ask(_request(scope, len(body)), body)
            except Away as cause:
                raise busy() from cause
        if is_known and passed.status == _UNKNOWN_KEY:  # the other has not heard of this key yet
            self._wake()
            raise busy()
        return passed


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
            told = f"A body may have {LARGEST_BODY} bytes, after inflating too. Send smaller batches."
            raise Refused(413, "Too large", told)
    return bytes(received)


def _request(scope: Scope, length: int) -> bytes:
    head = [f"POST {scope['path']} HTTP/1.1\r\nhost: events\r\ncontent-length: {length}\r\n".encode()]
    head += [name + b": " + value + b"\r\n" for name, value in scope["headers"] if name not in _OF_ONE_LINK]
    return b"".join([*head, b"\r\n"])


async def _read(reader: asyncio.StreamReader) -> Passed:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head[:-4].split(b"\r\n")
    headers = [_header(line) for line in lines]
    length = int(_value(headers, b"content-length") or b"0")
    return Passed(int(first.split(b" ", 2)[1]), headers, await reader.readexactly(length))


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.strip().lower(), value.strip()


def _value(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> bytes:
    return next((value for name, value in headers if name == wanted), b"")
