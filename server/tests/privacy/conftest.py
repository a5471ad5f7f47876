"""Each test of privacy has its own disk."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_disk(tmp_path: Path, settings: pytest.FixtureRequest) -> Path:
    settings.DATA_DIRECTORY = tmp_path
    return tmp_path
