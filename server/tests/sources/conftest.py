"""Each test of sources has its own disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from postgresql import postgresql

__all__ = ["postgresql"]


@pytest.fixture(autouse=True)
def own_disk(tmp_path: Path, settings: pytest.FixtureRequest) -> Path:
    settings.DATA_DIRECTORY = tmp_path
    settings.SOURCES_DIRECTORY = tmp_path / "sources"
    settings.SOURCE_SECRETS = tmp_path / "secrets"
    return tmp_path
