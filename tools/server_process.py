"""A real Equipoise on a data directory of its own: `serve` and `worker` as processes, for tests.

Starts, kills and restarts them, and lets a test set the scene by real actions in a process of its own.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom
from threading import Event
from typing import Any

COMMAND = [sys.executable, "-m", "equipoise_server.commands.main"]
# Makes Django ready before a script is read, so that it can import models like any other module.
WITH_DJANGO = """
import runpy, sys, django
django.setup()
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
WITHIN_SECONDS = 180.0
ASK_EVERY_SECONDS = 0.05
HEALTHY = 200
PORTS = (20_000, 32_000)


def free_port() -> int:
    """A port nobody listens on, outside those that the system gives to connections before a server starts."""
    dice = SystemRandom()  # tests seed the other one alike in every process
    while True:
        port = dice.randrange(*PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass(slots=True)
class ServerProcess:
    """One installation. `settings` are environment variables on top of the usual ones.

    `launcher` goes before the command of processes that stay; `passed` are descriptors that it is given.
    """

    data: Path
    port: int = field(default_factory=free_port)
    settings: Mapping[str, str] = field(default_factory=dict)
    launcher: Sequence[str] = ()
    passed: Sequence[int] = ()
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where the server is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment that every process of this installation has."""
        inherited = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
        own = {
            "EQUIPOISE_DATA": str(self.data),
            "DJANGO_SETTINGS_MODULE": "equipoise_server.foundation.settings",
        }
        return {**inherited, **own, **self.settings}

    def migrate(self) -> None:
        """Make the tables."""
        self.run("migrate")

    def run(self, *arguments: str) -> str:
        """Run one of the operator's commands to its end; answers what it prints."""
        return self._run([*COMMAND, *arguments])

    def run_script(self, script: Path, *arguments: str) -> Any:
        """Run a script of real actions on this installation; what it prints as JSON is the answer."""
        return json.loads(self._run([sys.executable, "-c", WITH_DJANGO, str(script), *arguments]))

    def serve(self) -> None:
        """Start the server and wait until it is well."""
        self._start("serve", "--port", str(self.port))
        pause = Event()
        for _ in range(int(WITHIN_SECONDS / ASK_EVERY_SECONDS)):
            if self._is_healthy():
                return
            if self._running["serve"].poll() is not None:
                break
            pause.wait(ASK_EVERY_SECONDS)
        raise RuntimeError(f"serve did not become healthy:\n{self.log('serve')}")

    def work(self) -> None:
        """Start the worker."""
        self._start("worker")

    def work_on(self, name: str, script: Path) -> None:
        """Start a script of real actions that goes on until it is killed."""
        self._launch(name, [sys.executable, "-c", WITH_DJANGO, str(script)])

    def kill(self, name: str) -> None:
        """End a process as a power cut would."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def pid(self, name: str) -> int:
        """The number of a running process."""
        return self._running[name].pid

    def stop(self) -> None:
        """End every process in good order."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()

    def log(self, name: str) -> str:
        """What a process has said so far."""
        path = self.data / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def _start(self, name: str, *arguments: str) -> None:
        self._launch(name, [*COMMAND, name, *arguments])

    def _launch(self, name: str, command: Sequence[str]) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        with (self.data / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [*self.launcher, *command],
                pass_fds=self.passed,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def _is_healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/v1/health")
            return connection.getresponse().status == HEALTHY
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@dataclass(frozen=True, slots=True)
class Scene:
    """A running installation and what its scene has prepared."""

    server: ServerProcess
    sdk_key: str
    token: str


def eventually(is_so: Callable[[], bool], *, within_seconds: float = 30.0) -> bool:
    """Wait for something that another process does; False when it has not come about."""
    pause, deadline = Event(), time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        if is_so():
            return True
        pause.wait(ASK_EVERY_SECONDS)
    return False
