"""Two servers, one worker and a real NATS: whatever is killed when, what was acknowledged is stored once.

`EQUIPOISE_FULL=1` kills twenty-four times instead of five.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from event_writers import writing
from nats_process import NatsProcess
from server_process import Scene, ServerProcess
from store_audit import flags_are_served, held_against_the_store

HERE = Path(__file__).parent
KILLS = 24 if os.environ.get("EQUIPOISE_FULL") == "1" else 5
SEED = 20261123
TARGETS = ("nats", "first", "worker", "nats", "second", "nats", "worker", "first")


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[NatsProcess]:
    server = NatsProcess(tmp_path / "nats")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def scenes(nats: NatsProcess, tmp_path: Path) -> Iterator[list[Scene]]:
    settings = {"EQUIPOISE_NATS_URL": nats.url, "EQUIPOISE_NATS_SYNC": "always"}
    first = ServerProcess(tmp_path / "data", settings=settings)
    second = ServerProcess(tmp_path / "data", settings=settings)
    try:
        first.migrate()
        known = first.run_script(HERE / "scene.py", "shop")
        for server in (first, second):
            server.serve()
        first.work()
        yield [Scene(server, known["sdk_key"], known["token"]) for server in (first, second)]
    finally:
        second.stop()
        first.stop()


def kill(target: str, servers: list[ServerProcess], nats: NatsProcess) -> None:
    """Kill -9, and start again."""
    first, second = servers
    if target == "nats":
        nats.kill()
        nats.start()
    elif target == "worker":
        first.kill("worker")
        first.work()
    else:
        server = first if target == "first" else second
        server.kill("serve")
        server.serve()


def test_no_kill_loses_or_doubles_an_event_on_its_way_through_nats(
    scenes: list[Scene], nats: NatsProcess
) -> None:
    servers, dice = [scene.server for scene in scenes], random.Random(SEED)
    with writing([server.port for server in servers], scenes[0].sdk_key) as ledger:
        for number in range(KILLS):
            ledger.wait_for("200", more=dice.randint(10, 60))
            kill(TARGETS[number % len(TARGETS)], servers, nats)
        ledger.wait_for("200", more=20)
        nats.kill()
        ledger.wait_for("503", more=8)
        assert all(flags_are_served(scene) for scene in scenes), "flags need no NATS"
        nats.start()
        ledger.wait_for("200", more=8)
    told = held_against_the_store(ledger, servers[0])
    assert not [path for path in inbox_files(servers[0].data) if not path.startswith("nats-")]
    print(f"{KILLS} kills: {told}")


def inbox_files(data: Path) -> list[str]:
    """The names of the inbox files: only the copy of the stream, for no server keeps one of its own."""
    return [path.name for path in (data / "inbox").glob("*.sqlite3")]
