"""Rows of a table of exposures: counted and fetched alike from files and from PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from outside import Seen, an_exposure_source, written_exposures
from people import NOW
from scenes import a_shop

from equipoise_server.sources.actions import Wanted, fetch_rows
from equipoise_server.sources.reads import Counting, count_rows, refuse_unreadable, written
from equipoise_server.sources.values import Between, Source, SourceUnusable

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BETWEEN = Between(NOW - 2 * DAY, NOW)
ROWS = (
    Seen("u1", NOW - DAY, 0, age=31.5),
    Seen("u1", NOW - HOUR, 1, plan="paid, twice"),
    Seen("ü'2\\", NOW - DAY, 10, plan=""),
    Seen("u3", NOW - 3 * DAY, 0),
    Seen("u4", NOW + HOUR, 1),
    Seen("u5", NOW - DAY, None),
    Seen("", NOW - DAY, 1),
    Seen(None, NOW - DAY, 1),
    Seen("u6", NOW - DAY, 1, experiment="another"),
)
THEIRS = {"experiment_id": "their-button"}


@pytest.fixture
def source() -> Source:
    shop = a_shop()
    written_exposures(ROWS)
    return an_exposure_source(shop)


def test_rows_are_counted_by_value_and_by_where_they_lie_in_time(source: Source) -> None:
    found = count_rows(Counting(source, "user", "variation_id", BETWEEN, THEIRS))
    assert [(one.value, one.rows, one.units) for one in found.by_value] == [
        ("", 1, 1), ("0", 1, 1), ("1", 2, 2), ("10", 1, 1),
    ]  # fmt: skip
    assert (found.rows, found.units, found.crossed) == (5, 4, 1)
    assert (found.earlier, found.later, found.nameless, found.timeless) == (1, 1, 2, 0)
    assert (found.first_at, found.last_at, found.latest_at) == (NOW - DAY, NOW - HOUR, NOW + HOUR)
    assert found.estimate is None


def test_a_number_is_one_of_the_rows_that_are_wanted(source: Source) -> None:
    found = count_rows(Counting(source, "user", "experiment_id", BETWEEN, {"variation_id": "1", "run": "1"}))
    assert [(one.value, one.rows) for one in found.by_value] == [("another", 1), ("their-button", 2)]


def test_rows_come_over_as_the_texts_that_a_mapping_names(source: Source, tmp_path: Path) -> None:
    fetched = fetch_rows(Wanted(source, "user", BETWEEN, None, where=THEIRS), tmp_path)
    rows = duckdb.connect().sql(f"SELECT * FROM read_parquet('{fetched.path}')").fetchall()
    bare = NOW.replace(tzinfo=None)
    assert sorted(rows) == [
        ("u1", bare - DAY, "31.5", "their-button", None, "1", "0"),
        ("u1", bare - HOUR, None, "their-button", "paid, twice", "1", "1"),
        ("u5", bare - DAY, None, "their-button", None, "1", None),
        ("ü'2\\", bare - DAY, None, "their-button", "", "1", "10"),
    ]


def test_values_are_written_as_a_mapping_names_them() -> None:
    values = (None, True, False, 3.0, 3.5, "three", 1e20)
    assert [written(one) for one in values] == [
        "",
        "true",
        "false",
        "3",
        "3.5",
        "three",
        "100000000000000000000",
    ]


def test_a_source_whose_columns_are_gone_is_refused_by_name(source: Source) -> None:
    refuse_unreadable(source)
    target = written_exposures(ROWS)
    duckdb.connect().sql(f"SELECT user_id, seen_at FROM read_parquet('{target}')").write_parquet(str(target))
    with pytest.raises(SourceUnusable) as refused:
        refuse_unreadable(source)
    named = [problem.field for problem in refused.value.problems]
    assert named == [f"columns.{name}" for name in source.shape.columns]
