"""Every kind of metric and window, from raw events in DuckDB, against plain Python."""

from __future__ import annotations

import random
from pathlib import Path

import duckdb
import pytest
from histories import (
    EXPOSURE_COLUMNS,
    STARTS,
    TRACK_COLUMNS,
    a_history,
    a_plan,
    exposure_rows,
    instant,
    track_rows,
    write_parquet,
)
from plain_units import DAY, UnitRow, unit_rows

from equipoise_server.analysis.dialects.units import units_query
from equipoise_server.analysis.plan import Plan, Span
from equipoise_server.analysis.query import raw_source


def found_rows(plan: Plan, span: Span, exposures: Path, tracks: Path) -> dict[str, UnitRow]:
    query = units_query(plan.columns, raw_source(plan, span, exposures=[exposures], tracks=[tracks]))
    rows = duckdb.connect(":memory:").execute(query.sql(dialect="duckdb")).fetchall()
    return {
        unit: UnitRow(unit, arm, bool(crossed), tuple(numbers)) for _, unit, arm, _, crossed, *numbers in rows
    }


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("days", [(6, 6), (4.3, 4.3), (6, 3.1)], ids=["all", "until", "matured"])
def test_each_unit_has_the_numbers_of_its_definitions(
    seed: int, days: tuple[float, float], tmp_path: Path
) -> None:
    plan = a_plan()
    met, did = a_history(random.Random(seed), units=120)
    exposures = write_parquet(tmp_path / "e.parquet", EXPOSURE_COLUMNS, exposure_rows(met))
    tracks = write_parquet(tmp_path / "t.parquet", TRACK_COLUMNS, track_rows(did))
    until, before = (STARTS + round(day * DAY) for day in days)
    wanted = unit_rows(plan, met, did, until=until, exposed_before=before)
    found = found_rows(plan, Span(instant(until), instant(before)), exposures, tracks)
    assert found == wanted
    assert len(wanted) > 40


def test_the_histories_move_every_number() -> None:
    plan = a_plan()
    met, did = a_history(random.Random(1), units=120)
    rows = unit_rows(plan, met, did, until=STARTS + 6 * DAY, exposed_before=STARTS + 6 * DAY)
    for place, column in enumerate(plan.columns):
        assert len({row.numbers[place] for row in rows.values()}) > 1, column.name
