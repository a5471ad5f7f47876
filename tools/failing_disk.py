"""A disk that fails on command: the kernel asks this process before a program's writes and syncs.

Needs no rights: seccomp's user notifications (Linux 5.5 and later). A program started by `command` runs as
ever, but within `failing` its calls on files below one directory end with an error, and do nothing.
"""

from __future__ import annotations

import array
import ctypes
import errno
import os
import platform
import select
import socket
import struct
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SYNCS = {"x86_64": (74, 75), "aarch64": (82, 83)}
WRITES = {"x86_64": (18, 77), "aarch64": (68, 46)}
"""Writing at a place in a file, as databases do, and giving a file its length."""
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER, _NEW_LISTENER = 1, 1 << 3
_NO_NEW_PRIVILEGES = 38
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_RECEIVE, _ANSWER = 0xC0502100, 0xC0182101
_CONTINUE = 1
_QUESTION = struct.Struct("QIIiIQ6Q")
_REPLY = struct.Struct("QqiI")


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def calls() -> tuple[int, ...]:
    """The numbers of the calls that can fail, on this machine."""
    return SYNCS[platform.machine()] + WRITES[platform.machine()]


def launch(channel: int, command: Sequence[str]) -> None:
    """Become a program whose calls are asked about; the other end of `channel` gets what to answer on."""
    listener = _install(calls())
    with socket.socket(fileno=channel) as link:
        link.sendmsg([b"!"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]))])
    os.close(listener)
    os.execv(command[0], command)


def _install(numbers: Sequence[int]) -> int:
    """Ask for each of these calls; the descriptor on which the kernel asks."""
    steps = [(_LOAD, 0, 0, 0)]
    for place, number in enumerate(numbers):
        steps.append((_JUMP_IF_EQUAL, len(numbers) - place, 0, number))
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _NOTIFY)]
    program = b"".join(struct.pack("HBBI", *step) for step in steps)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    given = _Program(len(steps), program)
    number = _SECCOMP[platform.machine()]
    listener: int = libc.syscall(number, _SET_MODE_FILTER, _NEW_LISTENER, ctypes.byref(given))
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp's user notifications are not to be had here")
    return listener


class FailingDisk:
    """Answers the kernel for every program started by `command`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.failed = 0
        """How many calls were made to fail."""
        self._syncs: int | None = None
        self._writes: int | None = None
        self._ours, self._theirs = socket.socketpair()
        threading.Thread(target=self._attach_all, name="failing-disk", daemon=True).start()

    @property
    def command(self) -> list[str]:
        """What to put before a program's own command."""
        return [sys.executable, str(Path(__file__)), str(self.channel)]

    @property
    def channel(self) -> int:
        """The descriptor to pass on to the program."""
        return self._theirs.fileno()

    def close(self) -> None:
        """Take no more programs; those at work are answered until they end."""
        self._ours.shutdown(socket.SHUT_RDWR)
        self._theirs.close()

    def _attach_all(self) -> None:
        with self._ours:
            while True:
                _, passed, _, _ = self._ours.recvmsg(1, socket.CMSG_SPACE(4))
                if not passed:
                    return
                listener = array.array("i", passed[0][2])[0]
                threading.Thread(target=self._answer_all, args=(listener,), daemon=True).start()

    @contextmanager
    def failing(self, *, syncs: int | None = None, writes: int | None = None) -> Iterator[None]:
        """Within the block, syncs or writes below the directory end with these errors."""
        self._syncs, self._writes = syncs, writes
        try:
            yield
        finally:
            self._syncs = self._writes = None

    def _answer_all(self, listener: int) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        while not poll.poll()[0][1] & select.POLLHUP:
            self._answer_one(libc, listener)
        os.close(listener)

    def _answer_one(self, libc: ctypes.CDLL, listener: int) -> None:
        question = ctypes.create_string_buffer(_QUESTION.size)
        if libc.ioctl(listener, ctypes.c_ulong(_RECEIVE), question) < 0:
            return  # who asked has been killed
        identity, pid, _, number, _, _, descriptor, *_ = _QUESTION.unpack(question.raw)
        fault = self._fault(pid, number, descriptor)
        self.failed += fault is not None
        reply = _REPLY.pack(identity, 0, -(fault or 0), 0 if fault else _CONTINUE)
        libc.ioctl(listener, ctypes.c_ulong(_ANSWER), ctypes.create_string_buffer(reply, _REPLY.size))

    def _fault(self, pid: int, number: int, descriptor: int) -> int | None:
        fault = self._syncs if number in SYNCS[platform.machine()] else self._writes
        if fault is None:
            return None
        try:
            path = Path(f"/proc/{pid}/fd/{descriptor}").readlink()
        except OSError:
            return None
        return fault if path.is_relative_to(self.directory) else None


NO_SPACE, DEFECT = errno.ENOSPC, errno.EIO

if __name__ == "__main__":
    launch(int(sys.argv[1]), sys.argv[2:])
