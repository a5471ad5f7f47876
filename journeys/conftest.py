"""Real processes, a real browser and a real SDK: what the journeys travel with."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from server_process import Scene, ServerProcess

HERE = Path(__file__).parent
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def set_scene(tmp_path: Path) -> Iterator[Callable[[str], Scene]]:
    """Start an installation with a prepared scene; its processes end with the test."""
    servers: list[ServerProcess] = []

    def start(name: str) -> Scene:
        server = ServerProcess(tmp_path / "data")
        servers.append(server)
        server.migrate()
        known = server.run_script(HERE / "scene.py", name)
        server.serve()
        return Scene(server, known["sdk_key"], known["token"])

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all journeys."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=CHROMIUM_ARGUMENTS
        )
        yield launched
        launched.close()
