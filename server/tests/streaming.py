"""Reads streams of an ASGI app in process: several readers in one event loop, each with what it was sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message


@dataclass(slots=True)
class Reader:
    """One reader. It takes what it is sent, or nothing at all while `is_stuck`."""

    sent: list[Message] = field(default_factory=list)
    is_stuck: bool = False
    task: asyncio.Task[None] | None = None
    _left: asyncio.Event = field(default_factory=asyncio.Event)
    _heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self) -> Message:
        """The end of the connection, when the reader leaves."""
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take one message."""
        if self.is_stuck:
            await asyncio.Event().wait()
        self.sent.append(message)
        self._heard.set()

    def leave(self) -> None:
        """Close the connection."""
        self._left.set()

    @property
    def status(self) -> int:
        """The status of the answer."""
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer."""
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def text(self) -> str:
        """Everything received so far."""
        return b"".join(message.get("body", b"") for message in self.sent).decode()

    @property
    def events(self) -> list[tuple[str, dict[str, object]]]:
        """The names and data of the events received so far."""
        found = []
        for block in self.text.split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line[1:])
            if "event" in lines:
                found.append((lines["event"], json.loads(lines["data"])))
        return found

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds of what was received."""
        while not holds():
            self._heard.clear()
            await asyncio.wait_for(self._heard.wait(), 5)

    async def ended(self) -> None:
        """Wait until the app is done with the reader."""
        assert self.task is not None
        await asyncio.wait_for(self.task, 5)


def opened(
    app: ASGIApp, path: str, headers: Mapping[str, str], *, query: str = "", is_stuck: bool = False
) -> Reader:
    """Open a stream in the running loop."""
    reader = Reader(is_stuck=is_stuck)
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "root_path": "", "query_string": query.encode(),
        "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in headers.items()],
        "client": ("127.0.0.1", 1), "server": ("testserver", 80),
    }  # fmt: skip
    reader.task = asyncio.ensure_future(_ran(app(scope, reader.receive, reader.send)))
    return reader


async def _ran(served: Awaitable[None]) -> None:
    await served
