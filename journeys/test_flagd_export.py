"""flagd's evaluators of PyPI and npm give 20,000 units what our own engine gives them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from flagd_export import check, fixture

from equipoise_server.edge.flagd.dialects import Dialect

HERE = Path(__file__).parent
UNITS = 20_000


@pytest.mark.timeout(300)
def test_the_evaluator_of_pypi_agrees() -> None:
    assert check(UNITS, Dialect.V3, ascii_only=False) == 0


@pytest.mark.node
@pytest.mark.parametrize("dialect", [Dialect.V2, Dialect.BOTH])
def test_the_evaluator_of_npm_agrees(dialect: Dialect, tmp_path: Path) -> None:
    fixture(UNITS, dialect, tmp_path)
    command = ["node", str(HERE / "flagd_export.mjs"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert (told["units"], told["differing"]) == (UNITS, 0)
    assert told["asked"] == UNITS * told["flags"]
