"""A disk that fails or fills up: events are refused, flags go on, and nothing acknowledged is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from event_writers import writing
from failing_disk import DEFECT, NO_SPACE, FailingDisk
from server_process import Scene, ServerProcess
from store_audit import flags_are_served, held_against_the_store, kill_is_taken, refused_alone

HERE = Path(__file__).parent
STORY = HERE / "full_disk_story.py"


@dataclass(frozen=True, slots=True)
class Fragile:
    """An installation whose inbox lies on a disk that fails on command."""

    scene: Scene
    disk: FailingDisk


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[Fragile]:
    data = tmp_path / "data"
    disk = FailingDisk(data / "inbox")
    server = ServerProcess(data, launcher=disk.command, passed=[disk.channel])
    try:
        server.migrate()
        known = server.run_script(HERE / "scene.py", "shop")
        server.serve()
        yield Fragile(Scene(server, known["sdk_key"], known["token"]), disk)
    finally:
        server.stop()
        disk.close()


def test_a_sync_that_fails_acknowledges_nothing_and_is_got_over(fragile: Fragile) -> None:
    scene = fragile.scene
    with writing([scene.server.port], scene.sdk_key) as ledger:
        ledger.wait_for("200", more=20)
        with fragile.disk.failing(syncs=DEFECT):
            refused_alone(ledger, "503")
            assert flags_are_served(scene)
            assert kill_is_taken(scene)
        ledger.wait_for("200", more=20)
    assert fragile.disk.failed > 0
    assert "disk I/O error" in scene.server.log("serve"), "the log says why"
    print(held_against_the_store(ledger, scene.server))


def test_a_full_disk_is_said_and_what_comes_later_is_taken(fragile: Fragile) -> None:
    scene = fragile.scene
    with writing([scene.server.port], scene.sdk_key) as ledger:
        ledger.wait_for("200", more=20)
        with fragile.disk.failing(writes=NO_SPACE):
            refused_alone(ledger, "507")
            assert flags_are_served(scene)
            assert kill_is_taken(scene)
        ledger.wait_for("200", more=20)
    assert fragile.disk.failed > 0
    print(held_against_the_store(ledger, scene.server))


def test_a_real_disk_fills_up_and_is_emptied_again(tmp_path: Path) -> None:
    """In a mount namespace of its own, which needs no rights."""
    disk = tmp_path / "disk"
    disk.mkdir()
    told = f"mount -t tmpfs -o size=160m tmpfs {disk} && exec {sys.executable} {STORY} {disk}"
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", told]
    paths = os.pathsep.join(path for path in sys.path if path)
    world = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(command, env=world, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    print(done.stdout.strip())
