"""`equipoise-server relay`: the SDKs' door near the applications, over an upstream server. No database."""

# ruff: noqa: PLC0415 - the rooms can be imported only after Django is set up

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

FIRST_ANSWERS_SECONDS = 3.0
STREAMS_A_SECOND = 250.0


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """Where from, with which keys, and where what is known is kept."""

    upstream: str
    server_keys: Sequence[str]
    client_keys: Sequence[str]
    directory: Path
    most_streams: int


class RelayApp:
    """The app. Nothing is opened before its lifespan starts."""

    def __init__(self, settings: RelaySettings) -> None:
        self._settings = settings
        self._edge: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one connection on to the door."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and self._edge is not None:
            await self._edge(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with AsyncExitStack() as stack:
            try:
                self._edge = await self._opened(stack)
            except Exception as failure:  # noqa: BLE001  # the server prints it and ends
                await send({"type": "lifespan.startup.failed", "message": str(failure)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _opened(self, stack: AsyncExitStack) -> ASGIApp:
        from starlette.routing import Route

        from equipoise_server.commands import priority
        from equipoise_server.commands.draining import draining_at_the_end
        from equipoise_server.edge import ofrep
        from equipoise_server.edge.admission import Admission, room_for_streams
        from equipoise_server.edge.app import build
        from equipoise_server.edge.broadcaster import Broadcaster
        from equipoise_server.edge.flagd import door as flagd
        from equipoise_server.edge.relay import events
        from equipoise_server.edge.relay.house import Relay
        from equipoise_server.edge.relay.keeping import Shelf
        from equipoise_server.edge.state import EdgeState
        from equipoise_server.edge.streams import StreamDoor, Streams

        chosen, state = self._settings, EdgeState()
        broadcaster = await stack.enter_async_context(Broadcaster(state, jitter=random.random))
        stack.enter_context(draining_at_the_end(broadcaster.drain))
        relay = Relay(chosen.upstream, state, Shelf(chosen.directory), broadcaster.pass_on)
        relay.follow(chosen.server_keys, chosen.client_keys)
        stack.callback(relay.stop)
        await asyncio.to_thread(relay.wait_for_first_answers, FIRST_ANSWERS_SECONDS)
        priority.spare_the_collector()
        most = room_for_streams(chosen.most_streams)
        room = Admission(most, STREAMS_A_SECOND, clock=state.clock, jitter=random.random)
        streams = Streams(state, broadcaster, room)
        routes = [
            *events.routes(relay),
            Route("/v1/stream", StreamDoor(state, streams), methods=["GET"]),
            *ofrep.routes(state, streams),
            *flagd.routes(state),
        ]
        return build(state, routes)


def _keys(given: Sequence[str], variable: str, kind: str) -> list[str]:
    """Keys from the command line, and from the environment, where other users do not see them."""
    found = [*given, *os.environ.get(variable, "").replace(",", " ").split()]
    wrong = [key for key in found if not key.startswith(f"eq_{kind}_")]
    if wrong:
        raise click.UsageError(f"These are no {kind} keys: {', '.join(key[:16] + '…' for key in wrong)}.")
    return found


@click.command("relay")
@click.option("--upstream", envvar="EQUIPOISE_UPSTREAM", required=True, help="Address of the server above.")
@click.option(
    "--key", "keys", multiple=True, help="A server key; one for each environment. Or EQUIPOISE_RELAY_KEYS."
)
@click.option(
    "--client-key", "client_keys", multiple=True,
    help="A client key that applications use here. Or EQUIPOISE_RELAY_CLIENT_KEYS.",
)  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", envvar="EQUIPOISE_PORT", default=8016, show_default=True, help="Port to listen on.")
def command(
    *, upstream: str, keys: tuple[str, ...], client_keys: tuple[str, ...], host: str, port: int
) -> None:
    """Serve flags near the applications: the SDKs' door over an upstream server, without a database."""
    server_keys = _keys(keys, "EQUIPOISE_RELAY_KEYS", "server")
    if not server_keys:
        raise click.UsageError("Give at least one server key: --key eq_server_…")
    others = _keys(client_keys, "EQUIPOISE_RELAY_CLIENT_KEYS", "client")
    import django
    import uvicorn

    django.setup()
    from django.conf import settings

    from equipoise_server.commands import priority

    chosen = RelaySettings(
        upstream, server_keys, others, settings.DATA_DIRECTORY / "relay", settings.MAX_STREAMS
    )
    if settings.FLAGS_FIRST:
        priority.go_first()
    uvicorn.run(
        RelayApp(chosen), host=host, port=port, log_level="warning", access_log=False,
        timeout_graceful_shutdown=10, server_header=False,
    )  # fmt: skip
