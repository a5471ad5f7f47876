"""Builds the TypeScript package and runs its suites in Node."""

from __future__ import annotations

import fcntl
import functools
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
WITHIN_SECONDS = 300


@functools.cache
def build() -> None:
    """Make modules of the package and its tests; the compiler checks every type on the way.

    Once a run: of the processes that share its tests, the first builds and the others wait.
    """
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", "")
    with (PACKAGE / "node_modules" / ".built-for").open("a+") as built_for:
        fcntl.flock(built_for, fcntl.LOCK_EX)
        built_for.seek(0)
        if run and built_for.read() == run:
            return
        node("build.mjs", "tests")
        built_for.truncate(0)
        built_for.write(run)


def run_suite(name: str, settings: Mapping[str, str] | None = None) -> None:
    """Run one compiled suite: every test has to pass, and none may be skipped."""
    said = node("--test", "--test-reporter=tap", f"build/tests/{name}.test.js", settings=settings)
    counted = dict(re.findall(r"^# (pass|fail|skipped|todo) (\d+)$", said, re.MULTILINE))
    assert int(counted["pass"]) > 0, said
    assert {counted[kind] for kind in ("fail", "skipped", "todo")} == {"0"}, said


def node(*arguments: str, settings: Mapping[str, str] | None = None) -> str:
    """Run Node in the package; answer what it prints, or fail with it."""
    found = shutil.which("node")
    assert found is not None
    run = subprocess.run(
        [found, *arguments],
        cwd=PACKAGE,
        env={**os.environ, **(settings or {})},
        capture_output=True,
        text=True,
        timeout=WITHIN_SECONDS,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout
