"""Checks that ClickHouse and Spark give the numbers of DuckDB and of plain Python, for every kind of metric.

    pip install --require-hashes --target bench/.venv/engines -r bench/engines.txt
    PYTHONPATH=bench/.venv/engines .venv/bin/python bench/engines.py

Spark needs Java 17. Both run on this machine; nothing leaves it. PostgreSQL is checked by the tests.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "equipoise_server.foundation.settings")
os.environ.setdefault("EQUIPOISE_DATA", tempfile.gettempdir())
sys.path.insert(0, str(Path(__file__).parents[1] / "server/tests"))
import django

django.setup()

import duckdb  # noqa: E402  # after the set-up
import histories  # noqa: E402
import numpy as np  # noqa: E402
from plain_units import DAY, UnitRow, unit_rows  # noqa: E402
from sqlglot import exp  # noqa: E402

from equipoise_server.analysis.dialects.engines import (  # noqa: E402
    ClickHouse,
    DuckDb,
    Engine,
    Spark,
    written,
)
from equipoise_server.analysis.dialects.raw import RawSource  # noqa: E402
from equipoise_server.analysis.dialects.units import units_query  # noqa: E402
from equipoise_server.analysis.plan import Span  # noqa: E402

UNTIL = histories.STARTS + 5 * DAY
Rows = Iterable[Any]
TABLES = {"exposures": histories.EXPOSURE_COLUMNS, "tracks": histories.TRACK_COLUMNS}


def on_duckdb(files: dict[str, Path]) -> Callable[[str], Rows]:
    """The embedded engine."""
    database = duckdb.connect(":memory:")
    for name, path in files.items():
        database.execute(f"CREATE VIEW {name} AS FROM read_parquet('{path}')")
    return lambda statement: database.execute(statement).fetchall()


def on_clickhouse(files: dict[str, Path]) -> Callable[[str], Rows]:
    """ClickHouse, embedded as chdb."""
    from chdb import session  # noqa: PLC0415  # only where it is installed

    kinds = {
        "VARCHAR": "Nullable(String)", "INTEGER": "Int32", "BIGINT": "Int64", "BOOLEAN": "Bool",
        "DOUBLE": "Nullable(Float64)", "TIMESTAMP": "DateTime64(6, 'UTC')", "UUID": "UUID",
    }  # fmt: skip
    opened = session.Session()
    for name, columns in TABLES.items():
        declared = ", ".join(
            f"{one} {'String' if one == 'unit' else kinds[kind]}" for one, kind in columns.items()
        )
        opened.query(f"CREATE TABLE {name} ({declared}) ENGINE = Memory")
        opened.query(f"INSERT INTO {name} SELECT {', '.join(columns)} FROM file('{files[name]}', Parquet)")
    return lambda statement: _json_rows(opened.query(statement, "JSONCompact"))


def _json_rows(found: Any) -> Rows:
    import json  # noqa: PLC0415  # for this engine alone

    return json.loads(str(found))["data"]  # type: ignore[no-any-return]  # rows


def on_spark(files: dict[str, Path]) -> Callable[[str], Rows]:
    """Spark on this machine alone."""
    from pyspark.sql import SparkSession  # noqa: PLC0415  # only where it is installed

    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.parquet.inferTimestampNTZ.enabled", "true")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    for name, path in files.items():
        spark.read.parquet(str(path)).createOrReplaceTempView(name)
    return lambda statement: spark.sql(statement).collect()


ENGINES: dict[str, tuple[Engine, Callable[[dict[str, Path]], Callable[[str], Rows]]]] = {
    "duckdb": (DuckDb(), on_duckdb),
    "clickhouse": (ClickHouse(), on_clickhouse),
    "spark": (Spark(), on_spark),
}


def differences(found: Rows, wanted: dict[str, UnitRow]) -> int:
    """How many units differ by more than 1e-9 in any number."""
    rows = {
        str(unit): (str(arm), bool(int(crossed)), numbers) for _, unit, arm, _, crossed, *numbers in found
    }
    wrong = len(rows.keys() ^ wanted.keys())
    for unit, one in wanted.items():
        arm, crossed, numbers = rows.get(unit, ("", False, ()))
        same = len(numbers) == len(one.numbers) and np.allclose(
            [float(number) for number in numbers], one.numbers, rtol=1e-9, atol=1e-9
        )
        wrong += unit in rows and not (same and (arm, crossed) == (one.arm, one.is_crossed))
    return wrong


def main() -> int:
    """Draw a history, compute it on each engine, compare; 1 when one differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engines", nargs="*", default=[*ENGINES])
    parser.add_argument("--units", type=int, default=400)
    chosen = parser.parse_args()
    met, did = histories.a_history(random.Random(3), units=chosen.units)
    plan = histories.a_plan()
    wanted = unit_rows(plan, met, did, until=UNTIL, exposed_before=UNTIL)
    span = Span(histories.instant(UNTIL), histories.instant(UNTIL))
    faults = 0
    with tempfile.TemporaryDirectory() as directory:
        rows = {"exposures": histories.exposure_rows(met), "tracks": histories.track_rows(did)}
        files = {}
        for name, columns in TABLES.items():
            texts = {one: "VARCHAR" if kind == "UUID" else kind for one, kind in columns.items()}
            files[name] = histories.write_parquet(Path(directory) / f"{name}.parquet", texts, rows[name])
        for name in chosen.engines:
            engine, opened = ENGINES[name]
            run = opened(files)
            source = RawSource(engine, plan, span, exp.to_table("exposures"), exp.to_table("tracks"))
            statement = written(units_query(plan.columns, source), engine)
            began = time.perf_counter()
            wrong = differences(run(statement), wanted)
            took = time.perf_counter() - began
            print(f"{name:12}{len(wanted)} units × {len(plan.columns)} numbers, {wrong} differ, {took:.1f} s")
            faults += wrong
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
