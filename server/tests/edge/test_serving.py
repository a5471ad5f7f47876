"""The whole of `serve` as a process: what a revoked key, a kill and an absent database do to it."""

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

import pytest
from installation import Installation, an_installation

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
        app = ["equipoise_server.commands.asgi:app", "--log-level", "error", "--fd", str(listener.fileno())]
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", *app],
            env=installation.environment,
            cwd=installation.directory,
            pass_fds=[listener.fileno()],
        )
        try:
            yield listener.getsockname()[1], process
        finally:
            process.terminate()
            ended = process.wait(timeout=60)
        assert ended in {0, -signal.SIGTERM}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server over a shop with one flag."""
    installation = an_installation(tmp_path_factory.mktemp("served"))
    keys = json.loads(installation.run(SEED))
    with a_server(installation) as (port, _):
        server = Served(installation, port, keys)
        until(lambda: server.ask("GET", "/v1/health", "")[0] == 200, within=60)
        yield server


def until(holds: Callable[[], bool], *, within: float) -> float:
    """Wait for something to hold; how long it took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within, "it did not happen in time"
    return time.monotonic() - began


def test_a_kill_over_the_api_is_felt_at_once(served: Served) -> None:
    place = "/api/v1/projects/shop/flags/banner/environments/production/kill"
    assert served.ask("POST", place, served.keys["token"], {"reason": "errors"})[0] == 200
    until(lambda: json.loads(served.snapshot()[1])["flags"]["banner"]["killed"] is True, within=SOON)


def test_a_revoked_key_is_refused_at_once(served: Served) -> None:
    assert served.snapshot("lost")[0] == 200
    place = f"/api/v1/projects/shop/sdk-keys/{served.keys['lost_id']}/revoke"
    assert served.ask("POST", place, served.keys["token"])[0] == 200
    until(lambda: served.snapshot("lost")[0] == 401, within=SOON)
    assert served.snapshot("kept")[0] == 200


def test_pages_files_and_the_description_come_from_the_same_process(served: Served) -> None:
    assert served.ask("GET", "/static/dashboard/tokens.css", "")[0] == 200
    assert served.ask("GET", "/static/../settings.py", "")[0] in {302, 404}
    status, description = served.ask("GET", "/api/v1/openapi.json", "")
    assert (status, json.loads(description)["info"]["version"]) == (200, "1")


def test_events_are_taken_by_the_same_process(served: Served) -> None:
    status, answer = served.ask(
        "POST", "/v1/events", served.keys["kept"], {"sent_at": "2026-03-02T09:00:00Z", "events": []}
    )
    assert (status, json.loads(answer)["accepted"]) == (200, 0)


def test_a_stream_carries_a_kill_and_its_end(served: Served) -> None:
    place = "/api/v1/projects/shop/flags/banner/environments/production/"
    served.ask("POST", place + "unkill", served.keys["token"], {"reason": "mended"})
    with served.stream() as stream:
        lines = iter(stream.readline, b"")
        assert stream.getheader("content-type") == "text/event-stream"
        until(lambda: next(lines) == b"event: revision\n", within=SOON)
        assert served.ask("POST", place + "kill", served.keys["token"], {"reason": "errors"})[0] == 200
        until(lambda: next(lines) == b"event: kill\n", within=SOON)
        assert json.loads(next(lines).removeprefix(b"data: "))["flag"] == "banner"


def test_a_process_that_is_told_to_end_ends_its_streams_first(served: Served) -> None:
    with a_server(served.installation) as (port, process):
        other = Served(served.installation, port, served.keys)
        until(lambda: other.ask("GET", "/v1/health", "")[0] == 200, within=60)
        with other.stream() as stream:
            until(lambda: stream.readline() == b"event: revision\n", within=SOON)
            began = time.monotonic()
            process.terminate()
            rest = stream.read()
            process.wait(timeout=20)
        assert time.monotonic() - began < 8, "it waited for its streams until it lost its patience"
        assert b"retry: " in rest


def test_openfeature_clients_are_answered_by_the_same_process(served: Served) -> None:
    status, answer = served.ask("POST", "/ofrep/v1/evaluate/flags/banner", served.keys["kept"], {})
    assert (status, json.loads(answer)["key"]) == (200, "banner")
