"""The studies of estimators and designs at their small size: every number lies in its range."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

STUDIES = (
    "s06_relative_lift",
    "s07_unit_mismatch",
    "s08_event_quantile",
    "s09_cuped",
    "s12_switchback",
    "s13_clusters",
    "s15_novelty",
    "s17_winners_curse",
    "s18_holdout",
    "s19_dilution",
    "s21_resalting",
    "s22_interactions",
    "s23_numerics",
    "s24_skew",
)


@pytest.mark.simulation
@pytest.mark.parametrize("name", STUDIES)
def test_the_study_finds_what_the_methods_promise(name: str) -> None:
    module = importlib.import_module(f"simulations.{name}")
    result = module.study(module.CI, 1)
    failed = [row for row in result.rows if not row.passed]
    assert not failed
