"""Every simulation study at the size that runs in each build."""

from __future__ import annotations

import pytest
from simulations.page import FOLDER, RESULTS
from simulations.stored import CI_SIZE, read, run, study_names
from simulations.study import told

KEPT = read(FOLDER / RESULTS)


@pytest.mark.simulation
@pytest.mark.parametrize("name", study_names())
def test_the_study_finds_what_is_promised(name: str) -> None:
    found = run(name, size=CI_SIZE)
    assert found.result.passed, told(found.result, found.seconds)
    # What is kept of the full size answers the same questions.
    assert [row.name for row in found.result.rows] == [row.name for row in KEPT[name].result.rows]
    assert (found.asks, found.result.title) == (KEPT[name].asks, KEPT[name].result.title)
