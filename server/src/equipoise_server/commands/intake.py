"""The process that takes events in for one `serve`: floods are judged and written there, flags answered here.

It is forked while `serve` starts, with all modules loaded, by a keeper that forks it anew when it dies. Both
end with `serve`, however that ends: they hold the reading end of a pipe that only `serve` can write to.
"""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import uvicorn
from django.conf import settings
from django.utils import timezone
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from equipoise_server.commands import connections, priority
from equipoise_server.edge import passage, segment
from equipoise_server.edge.admission import Admitted, Line, room_for_streams
from equipoise_server.edge.answers import Refused, answer_refused
from equipoise_server.edge.app import build
from equipoise_server.edge.cross_origin import AnyOrigin
from equipoise_server.edge.events import EventsDoor, Upkeep
from equipoise_server.edge.newest_keys import NewestKeys
from equipoise_server.edge.notifications import Notifications, can_notify
from equipoise_server.edge.polling import Poller
from equipoise_server.edge.state import EdgeState
from equipoise_server.events.collecting import shared_address
from equipoise_server.events.inbox import Inbox, claim
from equipoise_server.events.jetstream import JetStreamInbox
from equipoise_server.events.places import inbox_directory
from equipoise_server.foundation import reserve

FIRST_ROUND_SECONDS = 2.0
LONGEST_START_SECONDS = 10.0
LONGEST_END_SECONDS = 15.0
LOOK_EVERY_SECONDS = 0.1
PASSAGE = "passage"
POLITENESS = 5
"""What the scheduler is told: whoever answers for flags goes first."""


@dataclass(slots=True)
class Intake:
    """The other process, as `serve` holds it."""

    directory: Path
    keeper: int
    lifeline: int
    door: socket.socket | None
    """Where it asks for connections; None where the system cannot pass them."""

    @property
    def address(self) -> Path:
        """The socket on which it takes requests."""
        return self.directory / "events"

    async def ready(self) -> bool:
        """Whether it has come up in time; without it events are refused, and flags served."""
        for _ in range(int(LONGEST_START_SECONDS / LOOK_EVERY_SECONDS)):
            with suppress(OSError):
                _, writer = await asyncio.open_unix_connection(str(self.address))
                writer.close()
                return True
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        return False

    def wake(self) -> None:
        """Something was committed: it looks at once."""
        with suppress(OSError):
            os.write(self.lifeline, b".")

    def close(self) -> None:
        """Let it write what it holds, and end."""
        os.close(self.lifeline)
        os.waitpid(self.keeper, 0)
        shutil.rmtree(self.directory, ignore_errors=True)


def start() -> Intake:
    """Fork the keeper; to be called before any thread is started."""
    directory = Path(tempfile.mkdtemp(prefix="equipoise-"))
    theirs, ours = os.pipe()
    os.set_blocking(ours, False)
    door = passage.listen(directory / PASSAGE)
    keeper = os.fork()
    if keeper == 0:
        os.close(ours)
        if door is not None:
            door.close()
        _end_with(lambda: _keep(directory / "events", theirs))
    os.close(theirs)
    return Intake(directory, keeper, ours, door)


def _end_with(work: Callable[[], None]) -> None:
    """Do the work of a forked process, and never return to what was going on in its parent."""
    status = 1
    try:
        work()
        status = 0
    finally:
        os._exit(status)


def _keep(address: Path, lifeline: int) -> None:
    """Fork the process that takes events in, and again when it dies, until `serve` is gone."""
    # Ctrl-C is for `serve`, which ends us in good order. In its session nevertheless: Linux shares time
    # between sessions first, and politeness is of no effect beyond one (sched(7), autogroups).
    os.setpgrp()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    pause = LOOK_EVERY_SECONDS
    while not _is_cut(lifeline, 0):
        began = time.monotonic()
        taker = os.fork()
        if taker == 0:
            _end_with(lambda: _take_in(address, lifeline))
        _wait(taker, lifeline)
        pause = (
            LOOK_EVERY_SECONDS if time.monotonic() - began > LONGEST_START_SECONDS else min(5.0, 2 * pause)
        )
        _is_cut(lifeline, pause)
    shutil.rmtree(address.parent, ignore_errors=True)  # `serve` may have been killed, and left it


def _wait(taker: int, lifeline: int) -> None:
    """Wait until the process has ended; when `serve` is gone it has some seconds to do so."""
    deadline: float | None = None
    while os.waitpid(taker, os.WNOHANG) == (0, 0):
        if deadline is None:
            deadline = (
                time.monotonic() + LONGEST_END_SECONDS if _is_cut(lifeline, LOOK_EVERY_SECONDS) else None
            )
            continue
        if time.monotonic() > deadline:
            os.kill(taker, signal.SIGKILL)
        time.sleep(LOOK_EVERY_SECONDS)


def _is_cut(lifeline: int, seconds: float) -> bool:
    """Whether `serve` is gone; waits that long for it."""
    poll = select.poll()
    poll.register(lifeline, 0)  # hang-ups are told unasked; what was written is for the other reader
    return bool(poll.poll(1000 * seconds))


def _take_in(address: Path, lifeline: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    with suppress(OSError):
        os.nice(POLITENESS)
    priority.spare_the_collector()
    address.unlink(missing_ok=True)
    config = uvicorn.Config(
        _App(address, lifeline), uds=str(address), http=connections.Connection, log_level="warning",
        access_log=False, server_header=False, timeout_graceful_shutdown=10,
    )  # fmt: skip
    connections.run(config)


@dataclass(slots=True)
class _App:
    """The doors for events over an inbox of this process; opened by its lifespan."""

    address: Path
    lifeline: int
    doors: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif self.doors is not None:
            is_here = passage.is_of_events(f"{scope['method']} {scope['path']}".encode())
            await (self.doors if is_here else _elsewhere)(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        async with AsyncExitStack() as stack:
            try:
                self.doors = await _open(stack, self.lifeline)
                scope["state"][connections.DESK] = self._desk(stack)
            except Exception as failure:  # noqa: BLE001  # the server prints it and ends; the keeper tries again
                await send({"type": "lifespan.startup.failed", "message": str(failure)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    def _desk(self, stack: AsyncExitStack) -> connections.Desk:
        desk = connections.Desk(takes_events=True, passage=passage.knock(self.address.with_name(PASSAGE)))
        stack.callback(desk.close)
        return desk


async def _elsewhere(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Refuse what was sent right behind a batch, before its answer: it cannot move to where it is served."""
    told = "This request came before the answer to a batch of events. Send it again."
    headers = {"retry-after": "0", "connection": "close"}
    await answer_refused(send, Refused(503, "On another connection", told, headers=headers))


async def _open(stack: AsyncExitStack, lifeline: int) -> ASGIApp:
    """Start the threads behind the doors for events; the stack ends them in reverse."""
    state = EdgeState()
    inbox = _open_inbox(stack)
    poller = Poller(state)
    poller.start()
    stack.push_async_callback(asyncio.to_thread, poller.stop)
    if can_notify():
        notifications = Notifications(poller.wake)
        notifications.start()
        stack.push_async_callback(asyncio.to_thread, notifications.stop)
    threading.Thread(target=_listen, args=(lifeline, poller.wake), name="lifeline", daemon=True).start()
    await asyncio.to_thread(poller.has_ticked.wait, FIRST_ROUND_SECONDS)
    events = EventsDoor(
        state, inbox, clock=timezone.now, allows_backfill=settings.ALLOW_BACKFILL, has_room=_has_room
    )
    room_for_streams(settings.MAX_STREAMS)  # senders' connections are open files, too
    line = Line()

    def guarded(door: ASGIApp) -> ASGIApp:
        return Admitted(NewestKeys(door, state, poller.wake), line)

    routes = [
        Route("/v1/events", AnyOrigin(guarded(events)), methods=["POST", "OPTIONS"]),
        *segment.routes(state, inbox, clock=timezone.now, has_room=_has_room, guarded=guarded),
    ]
    return build(state, routes)


def _open_inbox(stack: AsyncExitStack) -> Inbox | JetStreamInbox:
    """Where batches go: the stream that is shared, or a file of this process with somebody who tidies it."""
    address = shared_address()
    if address is not None:
        shared = JetStreamInbox(address)
        shared.start()
        stack.push_async_callback(asyncio.to_thread, shared.close)
        return shared
    inbox = claim(inbox_directory(), new_name=lambda: uuid4().hex)
    inbox.when_failed = _end  # the keeper starts another, which takes a file that is sound
    inbox.start()
    stack.push_async_callback(asyncio.to_thread, inbox.close)
    upkeep = Upkeep(inbox, clock=timezone.now)
    upkeep.start()
    stack.push_async_callback(asyncio.to_thread, upkeep.stop)
    return inbox


def _listen(lifeline: int, wake: Callable[[], None]) -> None:
    """Wake the poller when told to; end in good order when `serve` is gone."""
    while os.read(lifeline, 4096):
        wake()
    _end()


def _end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _has_room() -> bool:
    return bool(settings.NATS_URL) or reserve.free_bytes(settings.DATA_DIRECTORY) >= reserve.EASED_BYTES
