"""What a refresh is compared with in bench/refresh.py answers the same questions as the refresh."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from equipoise_server.analysis.rollups import sums
from equipoise_server.analysis.rollups.advance import advance
from equipoise_server.analysis.rollups.state import open_state

BENCH = Path(__file__).parents[4] / "bench" / "refresh.py"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    found = importlib.util.spec_from_file_location("bench_refresh", BENCH)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EQUIPOISE_DATA", str(tmp_path_factory.mktemp("data")))
        patch.setitem(sys.modules, found.name, module)  # dataclasses look there
        found.loader.exec_module(module)
    return module


def test_the_one_pass_over_raw_events_yields_all_that_the_hour_keeps(
    bench: ModuleType, tmp_path: Path
) -> None:
    bench.generate(tmp_path, 6_000)
    rounds, plans = bench.rounds(), bench.plans()
    data = bench.Data(*(bench.segments(tmp_path, kind, rounds) for kind in ("exposure", "track")))
    last = len(rounds)
    with open_state(None) as state:
        for through in (last - 2, last - 1, last):
            advance(state, plans, data.until(through), now=rounds[through - 1][1])
        kept = sums.kept_sums(state)
        moved = {plan.experiment: sums.Evaluated(kept[f"{plan.experiment}#1"].arms, {}) for plan in plans}
    rows = bench.one_pass(data, is_whole=True)
    funnel = [column.name for column in plans[0].columns].index("through") + 1
    assert len(rows) == 2 * len(plans)
    assert sum(found.gram[0, funnel] for one in moved.values() for found in one.arms.values()) > 0
    assert sum(found.crossed for one in moved.values() for found in one.arms.values()) > 0
    assert bench.largest_difference(rows, moved) < 1e-12


def test_the_comparison_sees_a_product_that_differs_and_an_arm_that_lacks(bench: ModuleType) -> None:
    rows = [("e0", "control", 1, 4, 2.0, 3.0)]
    same, other = np.array([[4.0, 2.0], [2.0, 3.0]]), np.array([[4.0, 2.0], [2.0, 6.0]])
    evaluated = {"e0": sums.Evaluated({"control": sums.ArmSums(1, same)}, {})}
    assert bench.largest_difference(rows, evaluated) == 0.0
    differing = {"e0": sums.Evaluated({"control": sums.ArmSums(1, other)}, {})}
    assert bench.largest_difference(rows, differing) == 0.5
    assert bench.largest_difference([], evaluated) == float("inf")
