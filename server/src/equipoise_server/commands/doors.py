"""All doors of `serve` as one ASGI app: those of SDKs, /static/ for files, the rest for Django.

What the SDKs' door needs (memory, inbox, threads) begins and ends with the app's lifespan.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import MutableMapping
from contextlib import AsyncExitStack
from typing import Any

from django.conf import settings
from django.urls import get_resolver
from django.utils import timezone
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from equipoise_server.commands import intake, priority
from equipoise_server.commands.adopting import Adopter
from equipoise_server.commands.connections import DESK, Desk
from equipoise_server.commands.draining import draining_at_the_end
from equipoise_server.edge import forwarding, ofrep
from equipoise_server.edge.admission import Admission, Line, room_for_streams
from equipoise_server.edge.app import build
from equipoise_server.edge.break_glass import BreakGlass, Watcher
from equipoise_server.edge.broadcaster import Broadcaster
from equipoise_server.edge.flagd import door as flagd
from equipoise_server.edge.notifications import Notifications, can_notify
from equipoise_server.edge.polling import Poller
from equipoise_server.edge.signing import load_signer
from equipoise_server.edge.state import EdgeState
from equipoise_server.edge.streams import StreamDoor, Streams
from equipoise_server.foundation import revisions
from equipoise_server.foundation.private_files import make_directory

FIRST_ROUND_SECONDS = 2.0
STREAMS_A_SECOND = 250.0

_log = logging.getLogger(__name__)


class Doors:
    """The app. Nothing is opened before its lifespan starts."""

    def __init__(self, django: ASGIApp) -> None:
        self._django = django
        self._static = _static_files()
        self._edge: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one connection on to its door."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif scope["type"] == "http":
            await self._door(scope["path"])(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    def _door(self, path: str) -> ASGIApp:
        if path.startswith(("/v1/", "/ofrep/", "/flagd/")) and self._edge is not None:
            return self._edge
        return self._static if path.startswith("/static/") else self._django

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold open what the SDKs' door needs, from start-up to shutdown."""
        await receive()
        async with AsyncExitStack() as stack:
            try:
                taking_in = intake.start()  # first: it is forked, and threads are not
                stack.push_async_callback(asyncio.to_thread, taking_in.close)
                scope["state"][DESK] = desk = Desk(takes_events=False, door=taking_in.door)
                stack.callback(desk.close)
                self._edge = await _open_edge(stack, taking_in)
            except Exception as failure:  # noqa: BLE001  # the server prints it and ends
                await send({"type": "lifespan.startup.failed", "message": str(failure)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


async def _open_edge(stack: AsyncExitStack, taking_in: intake.Intake) -> ASGIApp:
    """Start the threads behind the SDKs' door; the stack ends them in reverse."""
    state = _state()
    broadcaster = await stack.enter_async_context(Broadcaster(state, jitter=random.random))
    stack.enter_context(draining_at_the_end(broadcaster.drain))
    _open_break_glass(stack, state)  # first: what is killed there is never served otherwise
    poller = _open_poller(stack, state)
    await asyncio.to_thread(poller.has_ticked.wait, FIRST_ROUND_SECONDS)
    # Pages and API are loaded before the first request, which may be a kill in a hurry.
    assert get_resolver().url_patterns is not None
    priority.spare_the_collector()
    crossing = forwarding.Crossing(taking_in.address)
    stack.push_async_callback(crossing.close)
    stack.callback(revisions.subscribe(taking_in.wake))
    line = Line(room=forwarding.LARGEST_LINE_BYTES)
    room = Admission(
        room_for_streams(settings.MAX_STREAMS), STREAMS_A_SECOND, clock=state.clock, jitter=random.random
    )
    streams = Streams(state, broadcaster, room)
    routes = [
        *forwarding.routes(state, crossing, line, wake=taking_in.wake),
        Route("/v1/stream", StreamDoor(state, streams), methods=["GET"]),
        *ofrep.routes(state, streams),
        *flagd.routes(state),
    ]
    if not await taking_in.ready():
        _log.error("events cannot be taken in yet; flags are served meanwhile")
    return build(state, routes)


def _open_poller(stack: AsyncExitStack, state: EdgeState) -> Poller:
    """Start the threads that follow the database."""
    poller = Poller(state)
    poller.start()
    stack.callback(revisions.subscribe(poller.wake))
    stack.push_async_callback(asyncio.to_thread, poller.stop)
    if can_notify():
        notifications = Notifications(poller.wake)
        notifications.start()
        stack.push_async_callback(asyncio.to_thread, notifications.stop)
    return poller


def _open_break_glass(stack: AsyncExitStack, state: EdgeState) -> None:
    """Start the threads behind kills that need no database."""
    make_directory(settings.DATA_DIRECTORY)
    laid_over = BreakGlass(settings.DATA_DIRECTORY, signer=state.signer)
    laid_over.look()
    state.overlay = laid_over
    for thread in (
        Watcher(laid_over.look, state.lay_over),
        Adopter(settings.DATA_DIRECTORY, clock=timezone.now),
    ):
        thread.start()
        stack.push_async_callback(asyncio.to_thread, thread.stop)


def _state() -> EdgeState:
    """An empty memory, with the key that signs what it will hold."""
    if settings.SIGNING_KEY is None:
        return EdgeState()
    signer = load_signer(settings.SIGNING_KEY)
    return EdgeState(signer=signer, signing_key_id=signer.key_id)


def _static_files() -> ASGIApp:
    """The pages' files. Browsers ask each time whether they changed, so that an update shows at once."""
    packages: list[str | tuple[str, str]] = [
        ("equipoise_server.dashboard", "static"),
        ("django_htmx", "static"),
    ]
    files = Starlette(routes=[Mount("/static", StaticFiles(packages=packages))])

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            await send(_with_headers(message))

        await files(scope, receive, send_with_headers)

    return serve


def _with_headers(message: MutableMapping[str, Any]) -> MutableMapping[str, Any]:  # ASGI's own type
    if message["type"] == "http.response.start":
        message["headers"] = [
            *message["headers"],
            (b"cache-control", b"no-cache"),
            (b"x-content-type-options", b"nosniff"),
        ]
    return message
