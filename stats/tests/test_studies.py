"""Every simulation study at the size that runs in each build."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from simulations.study import told

STUDIES = sorted(path.stem for path in (Path(__file__).parents[1] / "simulations").glob("s[0-9]*.py"))


@pytest.mark.simulation
@pytest.mark.parametrize("name", STUDIES)
def test_the_study_finds_what_is_promised(name: str) -> None:
    module = import_module(f"simulations.{name}")
    result = module.study(module.CI, 1)
    assert result.passed, told(result, 0.0)
