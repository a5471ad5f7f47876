"""The rooms' tests once more, on PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from postgresql import postgresql

__all__ = ["postgresql"]

HERE = Path(__file__).parent
# Each part makes its tables once; several parts can be tested at the same time.
PARTS = {
    "who and what": ("foundation", "audit", "access", "jobs"),
    "facts": ("events", "metrics", "api"),
    "tables and the forgotten": ("sources", "privacy"),
    "decisions": ("flags", "health", "snapshots", "experiments"),
}


@pytest.mark.postgresql
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", PARTS)
def test_the_rooms_hold_on_postgresql_too(postgresql: str, tmp_path: Path, part: str) -> None:
    rooms = [str(HERE / room) for room in PARTS[part]]
    environment = {**os.environ, "DATABASE_URL": postgresql, "EQUIPOISE_DATA": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *rooms]
    root = HERE.parents[1]
    run = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-8_000:] + run.stderr[-2_000:]
