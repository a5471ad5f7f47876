"""The TypeScript SDK and the OpenFeature clients of npm, against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from in_node import PACKAGE, build, run_suite
from server_process import ServerProcess

SUITES = sorted(path.name.removesuffix(".test.ts") for path in PACKAGE.glob("tests/real/*.test.ts"))
IN_A_BROWSER = {"pages"}

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running server with flags of every type: where it is and what opens it, as JSON."""
    server = ServerProcess(tmp_path_factory.mktemp("server"))
    server.migrate()
    known = server.run_script(Path(__file__).with_name("scene.py"))
    server.serve()
    yield json.dumps({"url": server.url, **known})
    server.stop()


@pytest.mark.parametrize(
    "suite",
    [pytest.param(name, marks=[pytest.mark.browser] if name in IN_A_BROWSER else []) for name in SUITES],
)
def test_real_clients_get_the_right_answers(scene: str, suite: str) -> None:
    build()
    run_suite(f"real/{suite}", {"EQUIPOISE_SCENE": scene})
