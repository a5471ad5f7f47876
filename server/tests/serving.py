"""The whole of `serve` as real processes over one installation, and what opens their doors."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from installation import LONGEST_SECONDS, Installation

SEED = """
import json
from equipoise_server.access import reads
from equipoise_server.access.actions import *
from equipoise_server.access.values import KeyKind
from equipoise_server.audit.values import Author
from equipoise_server.flags.actions import CreateFlag, create_flag
from equipoise_server.flags.values import FlagType, FlagVariant
now = datetime.now(UTC)
operator = Author("machine", "operator", "operator")
user_id = create_user(operator, CreateUser("ada@example.com", "Ada", "long enough", True), now=now)
project = create_project(reads.actor_of_user(user_id), CreateProject("shop", "Shop"), now=now)
actor = reads.actor_of_user(user_id)
variants = (FlagVariant("on", True), FlagVariant("off", False))
command = CreateFlag(project.id, "banner", "Banner", FlagType.BOOLEAN, variants, "off", "on")
create_flag(actor, command, now=now)
issued = [
    issue_sdk_key(actor, IssueSdkKey(project.environment("production").id, KeyKind.SERVER, name), now=now)
    for name in ("kept", "lost")
]
print(json.dumps({
    "token": issue_api_token(user_id, "tests", life=timedelta(hours=1), now=now),
    "kept": issued[0].secret, "lost": issued[1].secret, "lost_id": str(issued[1].key.id),
}))
"""
SOON = 3.0
"""Seconds to wait for what is promised within one; a machine that does other work gets the rest."""


@dataclass(frozen=True, slots=True)
class Served:
    """A running server, and what opens it."""

    installation: Installation
    port: int
    keys: dict[str, str]

    def ask(self, method: str, path: str, secret: str, body: object = None) -> tuple[int, bytes]:
        """One request on a connection of its own."""
        content = None if body is None else json.dumps(body)
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def snapshot(self, key: str = "kept") -> tuple[int, bytes]:
        """What the SDK with a key gets."""
        return self.ask("GET", "/v1/snapshot", self.keys[key])

    @contextmanager
    def stream(self) -> Iterator[http.client.HTTPResponse]:
        """A stream that the SDK holds open."""
        headers = {"Authorization": f"Bearer {self.keys['kept']}"}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request("GET", "/v1/stream", headers=headers)
            yield connection.getresponse()


@contextmanager
def a_server(installation: Installation) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A process on a port of its own, until told to end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = ["-m", "equipoise_server.commands.main", "serve", "--fd", str(listener.fileno())]
        process = subprocess.Popen(
            [sys.executable, *command],
            env=installation.environment,
            cwd=installation.directory,
            pass_fds=[listener.fileno()],
        )
        try:
            yield listener.getsockname()[1], process
        finally:
            process.terminate()
            ended = process.wait(timeout=LONGEST_SECONDS)
        assert ended in {0, -signal.SIGTERM}


def until(holds: Callable[[], bool], *, within: float) -> float:
    """Wait for something to hold; how long it took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within, "it did not happen in time"
    return time.monotonic() - began
