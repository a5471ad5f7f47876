"""Every kind of metric and window, from raw events in DuckDB, against plain Python."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest
from histories import (
    EVERY,
    EXPOSURE_COLUMNS,
    QUANTILES,
    STARTS,
    TRACK_COLUMNS,
    a_history,
    a_plan,
    exposure_rows,
    instant,
    track_rows,
    write_parquet,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_units import DAY, UnitRow, bins, unit_rows

from equipoise_server.analysis.columns import Quantile
from equipoise_server.analysis.dialects.engines import DuckDb, written
from equipoise_server.analysis.dialects.spreads import histogram_query
from equipoise_server.analysis.dialects.units import units_query
from equipoise_server.analysis.plan import Plan, Span
from equipoise_server.analysis.query import moments_query, raw_source

Rows = list[tuple[object, ...]]
Files = tuple[Sequence[Path], Sequence[Path]]


def found_rows(plan: Plan, span: Span, exposures: Path, tracks: Path) -> dict[str, UnitRow]:
    query = units_query(plan.columns, raw_source(plan, span, exposures=[exposures], tracks=[tracks]))
    rows = duckdb.connect(":memory:").execute(query.sql(dialect="duckdb")).fetchall()
    return {
        unit: UnitRow(unit, arm, bool(crossed), tuple(numbers)) for _, unit, arm, _, crossed, *numbers in rows
    }


def found_bins(plan: Plan, span: Span, quantile: Quantile, files: Files) -> dict[tuple[str, int], int]:
    source = raw_source(plan, span, exposures=files[0], tracks=files[1])
    query = written(histogram_query(quantile, source), DuckDb())
    rows = duckdb.connect(":memory:").execute(query).fetchall()
    return {(arm, bin_): values for arm, bin_, values in rows}


def found_sums(plan: Plan, span: Span, files: Files) -> list[tuple[object, ...]]:
    query = moments_query(plan, span, exposures=files[0], tracks=files[1], pivots={"revenue": 7.25})
    rows = duckdb.connect(":memory:").execute(written(query, DuckDb())).fetchall()
    return sorted(rows, key=str)


def split(directory: Path, rows: tuple[Rows, Rows], files: int) -> Files:
    """The rows in so many files of each kind, as they come."""
    exposures, tracks = (
        [
            write_parquet(directory / f"{name}{files}-{part}.parquet", columns, kind[part::files])
            for part in range(files)
        ]
        for name, columns, kind in zip(("e", "t"), (EXPOSURE_COLUMNS, TRACK_COLUMNS), rows, strict=True)
    )
    return exposures, tracks


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("days", [(6, 6), (4.3, 4.3), (6, 3.1)], ids=["all", "until", "matured"])
def test_each_unit_has_the_numbers_of_its_definitions(
    seed: int, days: tuple[float, float], tmp_path: Path
) -> None:
    plan = a_plan(EVERY)
    met, did = a_history(random.Random(seed), units=120)
    exposures = write_parquet(tmp_path / "e.parquet", EXPOSURE_COLUMNS, exposure_rows(met))
    tracks = write_parquet(tmp_path / "t.parquet", TRACK_COLUMNS, track_rows(did))
    until, before = (STARTS + round(day * DAY) for day in days)
    wanted = unit_rows(plan, met, did, until=until, exposed_before=before)
    found = found_rows(plan, Span(instant(until), instant(before)), exposures, tracks)
    assert found == wanted
    assert len(wanted) > 40


def test_ten_thousand_units_have_the_numbers_of_their_definitions(tmp_path: Path) -> None:
    plan = a_plan(EVERY)
    met, did = a_history(random.Random(5), units=10_000)
    exposures = write_parquet(tmp_path / "e.parquet", EXPOSURE_COLUMNS, exposure_rows(met))
    tracks = write_parquet(tmp_path / "t.parquet", TRACK_COLUMNS, track_rows(did))
    until, before = STARTS + 5 * DAY, STARTS + 4 * DAY
    span = Span(instant(until), instant(before))
    wanted = unit_rows(plan, met, did, until=until, exposed_before=before)
    assert found_rows(plan, span, exposures, tracks) == wanted
    assert len(wanted) > 6_000
    for name, quantile in QUANTILES.items():
        ranked = bins(plan, quantile, (met, did), until=until, exposed_before=before)
        assert found_bins(plan, span, quantile, ([exposures], [tracks])) == ranked, name


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1_000), order=st.randoms(use_true_random=False), files=st.integers(1, 4))
def test_any_order_and_any_split_of_the_events_gives_identical_sums(
    seed: int, order: random.Random, files: int
) -> None:
    kinds = {name: EVERY[name] for name in ("revenue", "basket", "kinds", "through", "alone", "seen_revenue")}
    plan, span = a_plan(kinds), Span(instant(STARTS + 5 * DAY), instant(STARTS + 5 * DAY))
    met, did = a_history(random.Random(seed), units=30)
    rows = (exposure_rows(met), track_rows(did))
    with tempfile.TemporaryDirectory() as directory:
        once = split(Path(directory), rows, 1)
        for part in rows:
            order.shuffle(part)
        again = split(Path(directory), rows, files)
        assert found_sums(plan, span, again) == found_sums(plan, span, once)
        for quantile in QUANTILES.values():
            assert found_bins(plan, span, quantile, again) == found_bins(plan, span, quantile, once)


def test_the_histories_move_every_number() -> None:
    plan = a_plan(EVERY)
    met, did = a_history(random.Random(1), units=120)
    rows = unit_rows(plan, met, did, until=STARTS + 6 * DAY, exposed_before=STARTS + 6 * DAY)
    for place, column in enumerate(plan.columns):
        assert len({row.numbers[place] for row in rows.values()}) > 1, column.name
