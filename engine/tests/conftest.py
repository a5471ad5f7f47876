"""Lets the tests import the sources of the vectors."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what this machine cannot run."""
    if shutil.which("node") is None:
        terminalreporter.write_line("left out: the vectors in JavaScript, because node is not installed")
