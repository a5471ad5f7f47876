"""The same plan gives the same sums on every engine."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import psycopg
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
)
from plain_units import DAY, UnitRow, unit_rows
from postgresql import postgresql
from sqlglot import exp

from equipoise_server.analysis.dialects.engines import Engine, PostgreSql, written
from equipoise_server.analysis.dialects.raw import RawSource
from equipoise_server.analysis.dialects.units import sums_query, units_query
from equipoise_server.analysis.plan import Plan, Span

__all__ = ["postgresql"]

UNTIL = STARTS + 5 * DAY
MATURED = STARTS + 3 * DAY
Rows = Sequence[tuple[object, ...]]


def a_source(engine: Engine, plan: Plan) -> RawSource:
    span = Span(instant(UNTIL), instant(MATURED))
    return RawSource(engine, plan, span, exp.to_table("exposures"), exp.to_table("tracks"))


def assert_units(plan: Plan, found: Rows, wanted: dict[str, UnitRow]) -> None:
    rows = {
        unit: UnitRow(str(unit), str(arm), bool(crossed), tuple(map(float, numbers)))  # type: ignore[arg-type]  # numbers
        for _, unit, arm, _, crossed, *numbers in found
    }
    assert rows == wanted


def assert_sums(plan: Plan, found: Rows, wanted: dict[str, UnitRow]) -> None:
    """(arm, units, crossed, sums, products, largest), products by their upper triangle."""
    k = len(plan.columns)
    by_arm = {str(row[0]): [float(one) for one in row[1:]] for row in found}  # type: ignore[arg-type]  # numbers
    assert sorted(by_arm) == sorted({row.arm for row in wanted.values()})
    for arm, numbers in by_arm.items():
        mine = [row for row in wanted.values() if row.arm == arm]
        rows = np.array([row.numbers for row in mine])
        products = (rows.T @ rows)[np.triu_indices(k)]
        plain = [len(mine), sum(row.is_crossed for row in mine), *rows.sum(0), *products, *rows.max(0)]
        np.testing.assert_allclose(numbers, plain, rtol=1e-9, atol=1e-9)


@pytest.fixture(scope="module")
def history() -> tuple[Rows, Rows, Plan, dict[str, UnitRow]]:
    met, did = a_history(random.Random(11), units=150)
    plan = a_plan()
    wanted = unit_rows(plan, met, did, until=UNTIL, exposed_before=MATURED)
    assert len(wanted) > 50
    return exposure_rows(met), track_rows(did), plan, wanted


@pytest.mark.postgresql
def test_postgresql_agrees_with_plain_python(
    postgresql: str, history: tuple[Rows, Rows, Plan, dict[str, UnitRow]]
) -> None:
    exposures, tracks, plan, wanted = history
    source = a_source(PostgreSql(), plan)
    with psycopg.connect(postgresql) as connection, connection.cursor() as cursor:
        for name, columns, rows in (
            ("exposures", EXPOSURE_COLUMNS, exposures),
            ("tracks", TRACK_COLUMNS, tracks),
        ):
            kinds = ", ".join(f"{one} {kind.replace('DOUBLE', 'FLOAT8')}" for one, kind in columns.items())
            cursor.execute(f"CREATE TEMP TABLE {name} ({kinds})")
            with cursor.copy(f"COPY {name} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(f"ANALYZE {name}")
        found = cursor.execute(written(units_query(plan.columns, source), PostgreSql())).fetchall()
        assert_units(plan, found, wanted)
        found = cursor.execute(written(sums_query(plan.columns, source, {}), PostgreSql())).fetchall()
        assert_sums(plan, found, wanted)
