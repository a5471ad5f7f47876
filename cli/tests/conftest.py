"""A real server in a process of its own, and the command line as a user would call it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from server_process import Scene, ServerProcess

from equipoise_cli.main import main

SCENES = Path(__file__).parents[2] / "journeys" / "scene.py"


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A shop with an experiment that runs."""
    hosts = {"EQUIPOISE_SOURCE_HOSTS": "127.0.0.1"}
    server = ServerProcess(tmp_path_factory.mktemp("cli") / "data", settings=hosts)
    server.migrate()
    known = server.run_script(SCENES, "running")
    server.serve()
    yield Scene(server, known["sdk_key"], known["token"])
    server.stop()


@dataclass(frozen=True, slots=True)
class Terminal:
    """Runs `equipoise …` with the environment given."""

    environment: dict[str, str]

    def __call__(self, *arguments: str, **more: str) -> Result:
        """Call it; keyword arguments are further environment variables."""
        return CliRunner().invoke(main, list(arguments), env={**self.environment, **more})


@pytest.fixture
def terminal(scene: Scene, tmp_path: Path) -> Terminal:
    """A terminal of somebody who has set the environment variables."""
    return Terminal(
        {
            "EQUIPOISE_SERVER": scene.server.url,
            "EQUIPOISE_TOKEN": scene.token,
            "EQUIPOISE_PROJECT": "shop",
            "EQUIPOISE_ENVIRONMENT": "production",
            "EQUIPOISE_CONFIG": str(tmp_path / "cli.json"),
        }
    )
