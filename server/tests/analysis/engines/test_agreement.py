"""The same plan gives the same numbers on every engine, unit by unit and summed up."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from engine_runs import (
    PIVOTS,
    Rows,
    Running,
    history_files,
    on_clickhouse,
    on_duckdb,
    on_postgresql,
    on_spark,
    statements_of,
)
from histories import EVERY, QUANTILES, STARTS, a_history, a_plan, exposure_rows, instant, track_rows
from plain_units import DAY, UnitRow, bins, unit_rows
from postgresql import postgresql

from equipoise_server.analysis.plan import Plan, Span

__all__ = ["postgresql"]

# Spark's gateway leaves its sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)

UNTIL = STARTS + 5 * DAY
MATURED = STARTS + 3 * DAY
SPAN = Span(instant(UNTIL), instant(MATURED))
ENGINES = [
    pytest.param("duckdb"),
    pytest.param("postgresql", marks=pytest.mark.postgresql),
    pytest.param("clickhouse", marks=pytest.mark.clickhouse),
    pytest.param("spark", marks=pytest.mark.spark),
]


@dataclass(frozen=True, slots=True)
class History:
    """A plan, the files of what happened, and what each unit must have."""

    plan: Plan
    files: dict[str, Path]
    wanted: dict[str, UnitRow]
    bins: dict[str, Counter[tuple[str, int]]]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    met, did = a_history(random.Random(11), units=150)
    plan = a_plan(EVERY)
    files = history_files(tmp_path_factory.mktemp("history"), exposure_rows(met), track_rows(did))
    wanted = unit_rows(plan, met, did, until=UNTIL, exposed_before=MATURED)
    assert len(wanted) > 50
    ranked = {
        name: bins(plan, one, (met, did), until=UNTIL, exposed_before=MATURED)
        for name, one in QUANTILES.items()
    }
    assert all(len(one) > 3 for one in ranked.values())
    return History(plan, files, wanted, ranked)


@pytest.fixture(scope="module", params=ENGINES)
def running(request: pytest.FixtureRequest, history: History) -> Iterator[Running]:
    with opened(request, history.files) as found:
        yield found


def opened(request: pytest.FixtureRequest, files: dict[str, Path]) -> AbstractContextManager[Running]:
    match request.param:
        case "postgresql":
            return on_postgresql(files, request.getfixturevalue("postgresql"))
        case "clickhouse":
            return on_clickhouse(files)
        case "spark":
            return on_spark(files)
        case _:
            return on_duckdb(files)


def found_by(running: Running, history: History, statement: str) -> Rows:
    return running.run(statements_of(running.engine, history.plan, SPAN)[statement])


def test_each_unit_has_the_numbers_of_plain_python(running: Running, history: History) -> None:
    rows = {
        str(unit): UnitRow(str(unit), str(arm), bool(int(crossed)), tuple(map(float, numbers)))
        for _, unit, arm, _, crossed, *numbers in found_by(running, history, "units")
    }
    assert rows == history.wanted


def test_each_arm_has_the_sums_of_plain_python(running: Running, history: History) -> None:
    assert_sums(history, found_by(running, history, "sums"))


@pytest.mark.parametrize("name", QUANTILES)
def test_each_bin_holds_what_it_holds_in_plain_python(running: Running, history: History, name: str) -> None:
    found = {(arm, int(bin_)): int(values) for arm, bin_, values in found_by(running, history, name)}
    assert found == history.bins[name]


def assert_sums(history: History, found: Rows) -> None:
    """(arm, units, crossed, sums, products, largest), products by their upper triangle."""
    k = len(history.plan.columns)
    shift = np.array([PIVOTS.get(column.name, 0.0) for column in history.plan.columns])
    by_arm = {str(row[0]): [float(one) for one in row[1:]] for row in found}
    assert sorted(by_arm) == sorted({row.arm for row in history.wanted.values()})
    for arm, numbers in by_arm.items():
        mine = [row for row in history.wanted.values() if row.arm == arm]
        rows = np.array([row.numbers for row in mine])
        shifted = rows - shift
        products = (shifted.T @ shifted)[np.triu_indices(k)]
        plain = [len(mine), sum(row.is_crossed for row in mine), *shifted.sum(0), *products, *rows.max(0)]
        np.testing.assert_allclose(numbers, plain, rtol=1e-9, atol=1e-9)
