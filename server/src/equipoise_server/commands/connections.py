"""The web server of both processes of `serve`: a connection goes to the process that serves what it asks for.

A request's first bytes say whose it is. The connection moves between two requests only, never within one;
what cannot move (pipelined requests, a path in other spelling) is answered by the doors where it is.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from equipoise_server.edge.admission import REST
from equipoise_server.edge.passage import Passage, is_of_events

DESK = "desk"
"""Under what the app's lifespan leaves its Desk in the state."""
_FAILED_TO_START = 3


@dataclass(slots=True)
class Desk:
    """Where connections come in from the other process, and are given to it."""

    takes_events: bool
    passage: Passage | None = None
    door: socket.socket | None = None
    """Where the other process knocks, again after each of its deaths."""
    _make: Callable[[bytes], Connection] | None = None
    _arriving: set[asyncio.Task[None]] = field(default_factory=set)

    def open(self, make: Callable[[bytes], Connection]) -> None:
        """Begin to give and to take."""
        self._make = make
        if self.door is not None:
            asyncio.get_running_loop().add_reader(self.door.fileno(), self._let_in, self.door)
        if self.passage is not None:
            self._join(self.passage)

    def close(self) -> None:
        """End both."""
        if self.door is not None:
            asyncio.get_running_loop().remove_reader(self.door.fileno())
            self.door.close()
            self.door = None
        self._part()

    def give(self, connection: int, begun: bytes) -> bool:
        """Give a connection away; False when it must be answered here."""
        return self.passage is not None and self.passage.give(connection, begun)

    def _let_in(self, door: socket.socket) -> None:
        try:
            link, _ = door.accept()
        except OSError:  # it is gone again
            return
        self._part()
        self._join(Passage(link))

    def _join(self, passage: Passage) -> None:
        self.passage = passage
        asyncio.get_running_loop().add_reader(passage.fileno(), self._take, passage)

    def _part(self) -> None:
        if self.passage is not None:
            asyncio.get_running_loop().remove_reader(self.passage.fileno())
            self.passage.close()
            self.passage = None

    def _take(self, passage: Passage) -> None:
        loop = asyncio.get_running_loop()
        try:
            for connection, begun in passage.taken():
                task = loop.create_task(self._adopt(connection, begun))
                self._arriving.add(task)
                task.add_done_callback(self._arriving.discard)
        except EOFError:
            self._part()

    async def _adopt(self, connection: socket.socket, begun: bytes) -> None:
        assert self._make is not None, "the desk is open"
        make = self._make
        try:
            connection.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.connect_accepted_socket(lambda: make(begun), connection)
        except OSError:  # the client has hung up meanwhile
            connection.close()


class Connection(HttpToolsProtocol):
    """One connection of a client, for as long as it asks for what this process serves."""

    _begun = b""
    """What was read elsewhere, or is too little to say whose it is."""
    _is_between = True
    """Whether the last request was read to its end."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the parent
        """Go on with what was read in the other process."""
        super().connection_made(transport)
        begun, self._begun = self._begun, b""
        if begun:
            self.data_received(begun)

    def data_received(self, data: bytes) -> None:
        """Serve the request, or give it away with its connection."""
        cycle: RequestResponseCycle | None = self.cycle
        if not self._is_between or (cycle is not None and not cycle.response_complete):
            super().data_received(data)
            return
        begun = self._begun + data
        whose = is_of_events(begun)
        self._begun = begun if whose is None else b""
        if whose is None:
            self._unset_keepalive_if_required()
        elif not self._is_given_away(begun, whose):
            super().data_received(begun)

    def _is_given_away(self, begun: bytes, is_of_events: bool) -> bool:
        desk = self.app_state.get(DESK)
        if desk is None or desk.takes_events is is_of_events or self.transport.get_write_buffer_size():
            return False
        self.transport.pause_reading()
        if not desk.give(self.transport.get_extra_info("socket").fileno(), begun):
            self.transport.resume_reading()
            return False
        self._unset_keepalive_if_required()
        self.connections.discard(self)
        self.transport.abort()  # ends this process's part; the connection lives on in the other's
        return True

    def on_message_begin(self) -> None:
        """A request begins."""
        self._is_between = False
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """A request was read to its end."""
        self._is_between = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Leave who was refused for want of room unread for a moment, as it was asked to wait."""
        super().on_response_complete()
        rest = self.cycle.scope["state"].get(REST)
        if rest is not None and not self.transport.is_closing():
            self.flow.pause_reading()
            self.loop.call_later(rest, self._go_on)

    def _go_on(self) -> None:
        if not self.transport.is_closing():
            self.flow.resume_reading()


class Server(uvicorn.Server):
    """uvicorn's, with a Desk once the app has left one."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the doors, and then the desk."""
        await super().startup(sockets)
        desk = self.lifespan.state.get(DESK)
        if desk is not None and not self.should_exit:
            desk.open(self._connection)

    def _connection(self, begun: bytes) -> Connection:
        made = Connection(self.config, self.server_state, self.lifespan.state)
        made._begun = begun  # noqa: SLF001  # its own class
        return made


def run(config: uvicorn.Config, sockets: list[socket.socket] | None = None) -> None:
    """Serve until told to end, on the given sockets if there are any; a start that fails ends the process."""
    config.load_app()  # before there is a loop
    server = Server(config)
    with suppress(KeyboardInterrupt):
        server.run(sockets)
    if not server.started:
        sys.exit(_FAILED_TO_START)
