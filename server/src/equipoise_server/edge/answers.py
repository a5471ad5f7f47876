"""How the SDKs' door answers: bytes with headers, or an RFC 9457 problem."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.types import Send


class Refused(Exception):
    """A request that is not served; the door turns it into a problem."""

    def __init__(
        self, status: int, title: str, detail: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail
        self.headers = dict(headers or {})


async def answer(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    """Send one whole answer."""
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    if status not in {204, 304}:
        encoded.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


async def answer_json(send: Send, status: int, content: object) -> None:
    """Send one small JSON object that nobody should keep."""
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    await answer(send, status, json.dumps(content).encode(), headers)


def problem_body(status: int, title: str, detail: str) -> bytes:
    """The problem as JSON (RFC 9457)."""
    content = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return json.dumps(content, ensure_ascii=False).encode()


async def answer_refused(send: Send, refused: Refused) -> None:
    """Send a problem."""
    headers = {"content-type": "application/problem+json", "cache-control": "no-store", **refused.headers}
    await answer(send, refused.status, problem_body(refused.status, refused.title, refused.detail), headers)
