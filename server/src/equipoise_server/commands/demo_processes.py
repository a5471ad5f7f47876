"""The demo's child processes: started, awaited and stopped together. Knows nothing of what they do."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

READY_WITHIN_SECONDS = 60.0
STOP_WITHIN_SECONDS = 10.0
ASK_EVERY_SECONDS = 0.1
HEALTHY = 200


class DemoFailed(Exception):
    """The demo cannot go on; the message says why and where to look."""


@dataclass(slots=True)
class Household:
    """Child processes, each with a log file of its own, in a session that Ctrl-C does not reach.

    Only this process gets the signal; it stops the children itself, the last started first.
    """

    logs: Path
    environment: Mapping[str, str]
    stop_within_seconds: float = STOP_WITHIN_SECONDS
    over: threading.Event = field(default_factory=threading.Event)
    _running: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)
    _ended: list[str] = field(default_factory=list)

    @property
    def process_ids(self) -> tuple[int, ...]:
        """The processes that were started and not yet stopped."""
        return tuple(process.pid for _, process in self._running)

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a process that should run until the demo ends."""
        process = self._open(name, command, shows=False)
        self._running.append((name, process))
        threading.Thread(target=self._watch, args=(name, process), daemon=True).start()

    def run(self, name: str, command: Sequence[str], *, shows: bool = False) -> None:
        """Run a process to its end, with its output on the terminal when it `shows` something."""
        process = self._open(name, command, shows=shows)
        while process.poll() is None:
            if self.over.wait(ASK_EVERY_SECONDS):
                self._end(process)
                raise DemoFailed(self.why_it_ended() or "Stopped before the demo was filled.")
        if process.returncode:
            raise DemoFailed(f"“{name}” has failed; see {self._log(name)}.")

    def await_health(self, port: int) -> None:
        """Wait until the server answers that it is well."""
        for _ in range(int(READY_WITHIN_SECONDS / ASK_EVERY_SECONDS)):
            if _is_healthy(port):
                return
            if self.over.wait(ASK_EVERY_SECONDS):
                raise DemoFailed(self.why_it_ended())
        raise DemoFailed(f"The server did not become healthy; see {self._log('serve')}.")

    def why_it_ended(self) -> str:
        """Which process ended by itself, or "" when somebody asked for the end."""
        return f"“{self._ended[0]}” has ended; see {self._log(self._ended[0])}." if self._ended else ""

    def stop(self) -> None:
        """Ask every process to end, the last started first; insist when one does not."""
        self.over.set()
        for _, process in reversed(self._running):
            self._end(process)
        self._running.clear()

    def _open(self, name: str, command: Sequence[str], *, shows: bool) -> subprocess.Popen[bytes]:
        with self._log(name).open("ab") as log:
            return subprocess.Popen(  # noqa: S603  # our own programs with arguments of our own
                list(command),
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=None if shows else log,
                stderr=log,
                start_new_session=True,
            )

    def _watch(self, name: str, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        if not self.over.is_set():
            self._ended.append(name)
            self.over.set()

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(self.stop_within_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _log(self, name: str) -> Path:
        return self.logs / f"{name}.log"


@contextmanager
def ended_by_signals(over: threading.Event) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM set the event instead of tearing the process apart."""

    def end(_number: int, _frame: FrameType | None) -> None:
        over.set()

    held = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)


def is_free(port: int) -> bool:
    """Whether nobody listens on this port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/v1/health")
        return connection.getresponse().status == HEALTHY
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
