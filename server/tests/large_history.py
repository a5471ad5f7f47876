"""A history of a million units, drawn by DuckDB from hashes: the same one each time; for tests."""

# ruff: noqa: E501  # statements read better in one line

from __future__ import annotations

import math
from pathlib import Path

import duckdb
import numpy as np
from engine_runs import Rows, statements_of
from histories import STARTS, a_plan, instant
from plain_units import DAY

from equipoise_server.analysis.dialects.engines import Engine
from equipoise_server.analysis.plan import Span

MOST_EVENTS = 9
MOST_EXPOSURES = 3
_HOUR = DAY // 24
# A throw between 0 and n - 1, from the unit, which of its rows it is, and what it is for.
_DICE = "CREATE MACRO dice(unit, row, use, n) AS hash(unit * 64 + row, use) % n"
# Half of the instants lie on an hour, so that they meet the ends of windows.
_AT = (
    "make_timestamp({starts} + CAST({first} + dice(unit, row, '{use}-hour', {hours}) AS BIGINT) * {hour} + "
    "CASE WHEN dice(unit, row, '{use}-on', 2) = 0 THEN 0 ELSE CAST(dice(unit, row, '{use}-at', {hour}) AS BIGINT) END)"
)
_ID = "CAST(CAST(md5(concat(unit, '-', row, '-{use}')) AS UUID) AS VARCHAR)"


def write_large_history(directory: Path, units: int, days: int = 5) -> dict[str, Path]:
    """Exposures and track events as Parquet files, ids as texts."""
    with duckdb.connect(":memory:") as database:
        database.execute(_DICE)
        files = {}
        for name, statement in (("exposures", _exposures(units, days)), ("tracks", _tracks(units, days))):
            files[name] = directory / f"{name}.parquet"
            database.execute(f"COPY ({statement}) TO '{files[name]}' (FORMAT PARQUET)")
    return files


def _exposures(units: int, days: int) -> str:
    """Once to three times; one in ten exposures is to the other arm."""
    at = _AT.format(starts=STARTS, first=0, hours=days * 24, hour=_HOUR, use="e")
    crosses = "CASE WHEN dice(unit, row, 'cross', 10) = 0 THEN 1 ELSE 0 END"
    return (
        f"SELECT {_ID.format(use='e')} AS id, 'user' AS unit_type, concat('u', unit) AS unit, "
        "'checkout' AS experiment, 1::INTEGER AS iteration, "
        f"CASE (dice(unit, 0, 'arm', 2) + {crosses}) % 2 WHEN 0 THEN 'control' ELSE 'treatment' END AS variant, "
        f"{at} AS derived_at, FALSE AS is_early, 1::BIGINT AS arrival "
        f"FROM range({units}) AS u(unit), range({MOST_EXPOSURES}) AS r(row) "
        f"WHERE row <= dice(unit, 0, 'exposures', {MOST_EXPOSURES})"
    )


def _tracks(units: int, days: int) -> str:
    """Up to eight events a unit, from two days before the start on; some without a value or properties."""
    at = _AT.format(starts=STARTS, first=-48, hours=(days + 2) * 24, hour=_HOUR, use="t")
    kind = """CASE dice(unit, row, 'kind', 4) WHEN 0 THEN '"a"' WHEN 1 THEN '"b"' WHEN 2 THEN '"c"' ELSE '1' END"""
    card = """CASE dice(unit, row, 'card', 3) WHEN 0 THEN 'true' WHEN 1 THEN 'false' ELSE '"true"' END"""
    size = """CASE dice(unit, row, 'size', 4) WHEN 0 THEN '1' WHEN 1 THEN '2' WHEN 2 THEN '-2.5' ELSE '"2"' END"""
    full = f"""concat('{{"kind": ', {kind}, ', "card": ', {card}, ', "size": ', {size}, '}}')"""
    name = "CASE dice(unit, row, 'name', 5) WHEN 0 THEN 'other' WHEN 1 THEN 'page' WHEN 2 THEN 'page' ELSE 'purchase' END"
    value = (
        "CASE dice(unit, row, 'value', 3) WHEN 0 THEN NULL ELSE dice(unit, row, 'cents', 10007) / 100.0 END"
    )
    return (
        f"SELECT {_ID.format(use='t')} AS id, 'user' AS unit_type, concat('u', unit) AS unit, {name} AS name, "
        f"{at} AS derived_at, FALSE AS is_early, CAST({value} AS DOUBLE) AS value, "
        f"CASE dice(unit, row, 'given', 3) WHEN 0 THEN NULL ELSE {full} END AS properties, 1::BIGINT AS arrival "
        f"FROM range({units}) AS u(unit), range({MOST_EVENTS - 1}) AS r(row) "
        f"WHERE row < dice(unit, 0, 'events', {MOST_EVENTS})"
    )


def statements(engine: Engine) -> dict[str, str]:
    """What is compared: the sums of every kind of metric, and the histograms of quantiles."""
    span = Span(instant(STARTS + 5 * DAY), instant(STARTS + 5 * DAY))
    found = statements_of(engine, a_plan(), span)
    del found["units"]
    return found


def largest_difference(found: Rows, wanted: Rows) -> float:
    """Between two engines' rows: relative, of numbers below 1 absolute; infinite where texts differ."""
    if [row[0] for row in found] != [row[0] for row in wanted]:
        return math.inf
    one, other = (
        np.array([[float(number) for number in row[1:]] for row in rows]) for rows in (found, wanted)
    )
    if one.shape != other.shape:
        return math.inf
    return float(np.max(np.abs(one - other) / np.maximum(np.abs(other), 1.0)))
