"""Lets web pages of any origin knock (Fetch standard, CORS protocol): the key says who may enter."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from equipoise_server.edge.answers import answer

OPEN_TO_ALL = {"access-control-allow-origin": "*", "access-control-expose-headers": "ETag, Retry-After"}
PREFLIGHT = OPEN_TO_ALL | {
    "access-control-allow-methods": "GET, POST, OPTIONS",
    "access-control-allow-headers": "Content-Type, Content-Encoding, Authorization",
    "access-control-max-age": "86400",
}
_ADDED = [(name.encode(), value.encode()) for name, value in OPEN_TO_ALL.items()]


class AnyOrigin:
    """A door that web pages may use: it answers their preflights, and each of its answers may be read."""

    def __init__(self, door: ASGIApp) -> None:
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] == "OPTIONS":
            await answer(send, 204, b"", PREFLIGHT)
            return

        async def readable(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_ADDED]
            await send(message)

        await self._door(scope, receive, readable)
