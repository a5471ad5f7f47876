"""Real processes, a real browser and a real SDK: what the journeys travel with."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from server_process import COMMAND, Scene, ServerProcess, free_port

from equipoise_server.commands.demo_processes import is_free

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


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the whole demo, as `make demo` starts it; Ctrl-C ends it in good order.

    It takes the machine from other tests as long as it runs: one module uses it.
    """
    port, directory = free_port(), tmp_path_factory.mktemp("demo")
    settings = {**os.environ, "EQUIPOISE_DATA": str(directory), "PYTHONUNBUFFERED": "1"}
    started = subprocess.Popen(
        [*COMMAND, "demo", "--port", str(port)], env=settings, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    said = []
    for line in started.stdout:
        said.append(line)
        if "Equipoise is ready" in line:
            break
    else:
        pytest.fail(f"the demo did not come up:\n{''.join(said)}")
    yield f"http://127.0.0.1:{port}"
    started.send_signal(signal.SIGINT)
    assert started.wait(30) == 0
    started.stdout.close()
    assert is_free(port)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a module. It leaves no event loop behind for tests that run one of their own."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=CHROMIUM_ARGUMENTS
        )
        yield launched
        launched.close()
