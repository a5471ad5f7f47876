"""GET /v1/stream: server-sent events that say at once which revision holds, and what was killed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.types import Receive, Scope, Send

from equipoise_server.edge.admission import Admission
from equipoise_server.edge.answers import Refused, answer_refused
from equipoise_server.edge.broadcaster import Broadcaster, Stream
from equipoise_server.edge.frames import event_id, revision_frames
from equipoise_server.edge.keys import authenticate, current_view, header, require_server_key
from equipoise_server.edge.state import EdgeState

_HEADERS = {
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
}


class StreamDoor:
    """Holds one stream open for each server key that asks."""

    def __init__(self, state: EdgeState, streams: Streams) -> None:
        self._state = state
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one reader until it leaves."""
        try:
            key = authenticate(scope, self._state)
            require_server_key(key)
            self._streams.admit()
        except Refused as refused:
            await answer_refused(send, refused)
            return
        stream = Stream(key.environment_id, key.prefix)
        await self._streams.serve(stream, receive, send, last_seen=header(scope, b"last-event-id"))


class Streams:
    """How any door holds a stream open: first words, frames as they come, and the end."""

    def __init__(self, state: EdgeState, broadcaster: Broadcaster, admission: Admission) -> None:
        self._state = state
        self._broadcaster = broadcaster
        self._admission = admission

    def admit(self) -> None:
        """Refuse what there is no room for."""
        if self._broadcaster.is_draining:
            told = "This process is being stopped. Come back in a moment, or ask another one."
            raise Refused(503, "Being stopped", told, headers={"retry-after": "1"})
        self._admission.admit(self._broadcaster.open_streams)

    async def serve(
        self,
        stream: Stream,
        receive: Receive,
        send: Send,
        *,
        last_seen: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Write to one reader until it leaves, is too slow, or the stream ends."""
        stream.task = asyncio.current_task()
        self._broadcaster.add(stream)  # before the first words: no revision falls in between
        leaving = asyncio.create_task(_until_it_leaves(receive, stream))
        try:
            await send(_start(_HEADERS | dict(headers or {})))
            stream.offer(self._first_words(stream, last_seen))
            await self._write(stream, send)
        except asyncio.CancelledError:
            if stream.writing_since is None:  # the server ends; otherwise the reader was too slow
                raise
        finally:
            leaving.cancel()
            self._broadcaster.remove(stream)

    def _first_words(self, stream: Stream, last_seen: str) -> bytes:
        found = current_view(self._state).snapshots.get(stream.environment_id)
        hint = self._broadcaster.retry_hint()
        if found is None or last_seen == event_id(found.revision):
            return hint
        frames = revision_frames(found.revision, found.etag)
        return hint + (frames.evaluated if stream.is_evaluated else frames.rules)

    async def _write(self, stream: Stream, send: Send) -> None:
        while frame := await stream.next():
            stream.writing_since = self._state.clock()
            await send({"type": "http.response.body", "body": frame, "more_body": True})
            stream.writing_since = None
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_it_leaves(receive: Receive, stream: Stream) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.end()


def _start(headers: Mapping[str, str]) -> dict[str, object]:
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": 200, "headers": encoded}
