"""BigQuery's statements, as the analyzer of its language sees them; nobody executes them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from engine_runs import TABLES, statements_of
from histories import EVERY, STARTS, a_plan, instant
from plain_units import DAY

from equipoise_server.analysis.dialects.compiled import BigQuery
from equipoise_server.analysis.plan import Span

pytestmark = pytest.mark.googlesql
ANALYSE = Path(__file__).parents[2] / "googlesql" / "analyse.mjs"
TYPES = {
    "UUID": "STRING", "VARCHAR": "STRING", "INTEGER": "INT64", "BIGINT": "INT64", "DOUBLE": "FLOAT64",
    "TIMESTAMP": "TIMESTAMP", "BOOLEAN": "BOOL",
}  # fmt: skip
SPAN = Span(instant(STARTS + 5 * DAY), instant(STARTS + 3 * DAY))


def objections_to(statements: dict[str, str]) -> dict[str, str | None]:
    """By statement, what the analyzer says against it."""
    tables = {
        name: {column: TYPES[kind] for column, kind in columns.items()} for name, columns in TABLES.items()
    }
    asked = json.dumps({"tables": tables, "statements": statements})
    told = subprocess.run(
        ["node", str(ANALYSE)], input=asked, capture_output=True, text=True, check=False, timeout=120
    )
    assert told.returncode == 0, told.stderr
    found: dict[str, str | None] = json.loads(told.stdout.splitlines()[-1])
    return found


def test_every_statement_of_a_plan_is_bigquery() -> None:
    statements = statements_of(BigQuery(), a_plan(EVERY), SPAN)
    for name, definition in EVERY.items():  # alone, too: an objection hides those after it
        alone = statements_of(BigQuery(), a_plan({name: definition}), SPAN)
        statements[f"{name} alone"] = alone["units"]
    assert objections_to(statements) == dict.fromkeys(statements)


def test_the_analyzer_objects_to_what_bigquery_does_not_take() -> None:
    wrong = {
        "another type": "SELECT CAST('2026-03-01' AS DATETIME) < derived_at FROM tracks",
        "another engine": "SELECT epoch_us(derived_at) FROM tracks",
        "no such column": "SELECT colour FROM tracks",
    }
    assert all(objections_to(wrong).values())
