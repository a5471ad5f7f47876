"""Between the process that answers for flags and the one that takes events in: connections, open as they are.

Whoever reads the first bytes of a request that the other serves gives the connection away with them. So no
body of events passes through the process that answers for flags. Knows no HTTP beyond a request's beginning.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

OF_EVENTS = (b"POST /v1/events", b"POST /v1/segment/", b"OPTIONS /v1/events", b"OPTIONS /v1/segment/")
"""How requests begin that the process for events serves."""
MOST_AT_ONCE = 64
"""Connections taken over in one turn of the loop."""
_LONGEST = max(map(len, OF_EVENTS))
_MARK = b"."
_GIVEN = 2
"""Descriptors given with each mark: the connection, and a file in memory with what was read of it."""
_HAS_MEMORY_FILES = hasattr(os, "memfd_create")


def is_of_events(begun: bytes) -> bool | None:
    """Whether a request that begins so is for events; None while too little of it is there."""
    if begun.startswith(OF_EVENTS):
        return True
    is_short = len(begun) < _LONGEST and any(beginning.startswith(begun) for beginning in OF_EVENTS)
    return None if is_short else False


def listen(address: Path) -> socket.socket | None:
    """Where the other process will knock; None where the system cannot pass connections so."""
    if not _HAS_MEMORY_FILES:
        return None
    door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    door.bind(str(address))
    door.listen()
    door.setblocking(False)
    return door


def knock(address: Path) -> Passage | None:
    """The end of a process that has just begun; None when nobody listens."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        link.connect(str(address))
    except OSError:
        link.close()
        return None
    return Passage(link)


class Passage:
    """One end of the way to the other process. Never waits."""

    def __init__(self, link: socket.socket) -> None:
        link.setblocking(False)
        self._link = link

    def fileno(self) -> int:
        """What the loop looks at."""
        return self._link.fileno()

    def give(self, connection: int, begun: bytes) -> bool:
        """Give the other an open connection and what was read of it; False when it cannot be given now.

        The connection's descriptor stays open here; closing it is no end for the client.
        """
        with suppress(OSError):
            held = os.memfd_create("begun")
            try:
                if os.write(held, begun) == len(begun):
                    socket.send_fds(self._link, [_MARK], [connection, held])
                    return True
            finally:
                os.close(held)
        return False

    def taken(self) -> Iterator[tuple[socket.socket, bytes]]:
        """Connections that have come, with what was read of them. Raises EOFError when the other is gone."""
        for _ in range(MOST_AT_ONCE):
            try:
                mark, descriptors, _, _ = socket.recv_fds(
                    self._link, len(_MARK), _GIVEN, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                return
            except OSError as cause:
                raise EOFError from cause
            if not mark:
                raise EOFError
            yield from _opened(descriptors)

    def close(self) -> None:
        """Let go of the other."""
        self._link.close()


def _opened(descriptors: list[int]) -> Iterator[tuple[socket.socket, bytes]]:
    if len(descriptors) != _GIVEN:  # no descriptors are left here: the client sees its connection end
        for descriptor in descriptors:
            os.close(descriptor)
        return
    connection, held = descriptors
    try:
        begun = os.pread(held, os.fstat(held).st_size, 0)
    finally:
        os.close(held)
    yield socket.socket(fileno=connection), begun
