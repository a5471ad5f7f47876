"""Web pages of any origin may send events."""

from __future__ import annotations

import asyncio

from starlette.types import Message, Receive, Scope, Send

from equipoise_server.edge.answers import answer
from equipoise_server.edge.cross_origin import AnyOrigin


async def _refusing(_scope: Scope, _receive: Receive, send: Send) -> None:
    await answer(send, 401, b"no", {"content-type": "text/plain"})


def _answered(method: str) -> tuple[int, dict[str, str]]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "headers": [], "path": "/v1/events"}
    asyncio.run(AnyOrigin(_refusing)(scope, receive, send))
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def test_a_preflight_is_answered_without_a_key() -> None:
    status, headers = _answered("OPTIONS")
    assert status == 204
    assert "Authorization" in headers["access-control-allow-headers"]
    assert "POST" in headers["access-control-allow-methods"]


def test_a_page_may_read_why_its_events_are_refused() -> None:
    status, headers = _answered("POST")
    assert status == 401
    assert headers["access-control-allow-origin"] == "*"
    assert "Retry-After" in headers["access-control-expose-headers"]
