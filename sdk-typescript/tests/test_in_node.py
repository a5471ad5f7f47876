"""Builds the TypeScript SDK and runs its own tests, one by one, in Node."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1]
SUITES = sorted(path.name.removesuffix(".test.ts") for path in PACKAGE.glob("tests/*.test.ts"))
IN_A_BROWSER = {"browser", "openfeature_web"}
WITHIN_SECONDS = 120

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def built() -> Path:
    """The package and its tests as JavaScript; the compiler checks every type on the way."""
    _node("build.mjs")
    return PACKAGE / "build" / "tests"


@pytest.mark.parametrize(
    "suite",
    [pytest.param(name, marks=[pytest.mark.browser] if name in IN_A_BROWSER else []) for name in SUITES],
)
def test_the_suite_passes_in_node(built: Path, suite: str) -> None:
    said = _node("--test", "--test-reporter=tap", str(built / f"{suite}.test.js"))
    assert re.search(r"^# fail 0$", said, re.MULTILINE)
    assert not re.search(r"^# pass 0$", said, re.MULTILINE)
    assert re.search(r"^# skipped 0$", said, re.MULTILINE)


def _node(*arguments: str) -> str:
    node = shutil.which("node")
    assert node is not None
    run = subprocess.run(
        [node, *arguments],
        cwd=PACKAGE,
        capture_output=True,
        text=True,
        timeout=WITHIN_SECONDS,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout
