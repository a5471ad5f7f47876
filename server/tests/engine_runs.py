"""Engines that run the plan's statements over one history, each opened on this machine alone; for tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psycopg
from histories import EXPOSURE_COLUMNS, QUANTILES, TRACK_COLUMNS, write_parquet
from sqlglot import exp

from equipoise_server.analysis.dialects.engines import ClickHouse, DuckDb, Engine, PostgreSql, Spark, written
from equipoise_server.analysis.dialects.raw import RawSource
from equipoise_server.analysis.dialects.spreads import histogram_query
from equipoise_server.analysis.dialects.units import sums_query, units_query
from equipoise_server.analysis.plan import Plan, Span

PIVOTS = {"revenue": 7.25, "purchases": 1.0}
TABLES = {"exposures": EXPOSURE_COLUMNS, "tracks": TRACK_COLUMNS}
Rows = Sequence[Sequence[Any]]
Run = Callable[[str], Rows]


@dataclass(frozen=True, slots=True)
class Running:
    """An engine that holds the history, and what runs a statement on it."""

    engine: Engine
    run: Run


def statements_of(engine: Engine, plan: Plan, span: Span, *, is_laid_out: bool = False) -> dict[str, str]:
    """Every statement of a plan, over tables `exposures` and `tracks`, as the engine reads it."""
    source = RawSource(engine, plan, span, exp.to_table("exposures"), exp.to_table("tracks"))
    found = {"units": units_query(plan.columns, source), "sums": sums_query(plan.columns, source, PIVOTS)}
    for quantile in QUANTILES.values():
        found[quantile.name] = histogram_query(quantile, source)
    return {name: written(query, engine, is_laid_out=is_laid_out) for name, query in found.items()}


def history_files(directory: Path, exposures: Rows, tracks: Rows) -> dict[str, Path]:
    """The two tables as files that every engine reads: ids as texts, for not all know UUIDs in Parquet."""
    rows = {"exposures": exposures, "tracks": tracks}
    return {
        name: write_parquet(directory / f"{name}.parquet", as_texts(columns), [*map(tuple, rows[name])])
        for name, columns in TABLES.items()
    }


def as_texts(columns: Mapping[str, str]) -> dict[str, str]:
    """The columns with texts for ids."""
    return {name: "VARCHAR" if kind == "UUID" else kind for name, kind in columns.items()}


@contextmanager
def on_duckdb(files: Mapping[str, Path]) -> Iterator[Running]:
    """The embedded engine."""
    with duckdb.connect(":memory:") as database:
        for name, path in files.items():
            database.execute(f"CREATE VIEW {name} AS FROM read_parquet('{path}')")
        yield Running(DuckDb(), lambda statement: database.execute(statement).fetchall())


@contextmanager
def on_postgresql(files: Mapping[str, Path], address: str) -> Iterator[Running]:
    """A PostgreSQL that runs already; the tables are gone when the connection is."""
    with psycopg.connect(address) as connection, connection.cursor() as cursor, duckdb.connect() as reader:
        for name, columns in TABLES.items():
            declared = ", ".join(f"{one} {kind.replace('DOUBLE', 'FLOAT8')}" for one, kind in columns.items())
            cursor.execute(f"CREATE TEMP TABLE {name} ({declared})")
            reader.execute(f"SELECT {', '.join(columns)} FROM read_parquet('{files[name]}')")
            with cursor.copy(f"COPY {name} FROM STDIN") as copy:
                while rows := reader.fetchmany(10_000):
                    for row in rows:
                        copy.write_row(row)
            cursor.execute(f"ANALYZE {name}")
        yield Running(PostgreSql(), lambda statement: cursor.execute(statement).fetchall())


@contextmanager
def on_clickhouse(files: Mapping[str, Path]) -> Iterator[Running]:
    """ClickHouse, embedded as chdb."""
    from chdb import session  # noqa: PLC0415  # only where it is installed

    kinds = {
        "VARCHAR": "Nullable(String)", "INTEGER": "Int32", "BIGINT": "Int64", "BOOLEAN": "Bool",
        "DOUBLE": "Nullable(Float64)", "TIMESTAMP": "DateTime64(6, 'UTC')", "UUID": "UUID",
    }  # fmt: skip
    opened = session.Session()
    try:
        for name, columns in TABLES.items():
            declared = ", ".join(
                f"{one} {'String' if one == 'unit' else kinds[kind]}" for one, kind in columns.items()
            )
            opened.query(f"CREATE TABLE {name} ({declared}) ENGINE = Memory")
            opened.query(
                f"INSERT INTO {name} SELECT {', '.join(columns)} FROM file('{files[name]}', Parquet)"
            )
        yield Running(
            ClickHouse(), lambda statement: json.loads(str(opened.query(statement, "JSONCompact")))["data"]
        )
    finally:
        opened.close()


@contextmanager
def on_spark(files: Mapping[str, Path]) -> Iterator[Running]:
    """Spark with two threads; it needs Java 17."""
    from pyspark.sql import SparkSession  # noqa: PLC0415  # only where it is installed

    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.memory", "6g")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.parquet.inferTimestampNTZ.enabled", "true")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    try:
        spark.sparkContext.setLogLevel("ERROR")
        for name, path in files.items():
            spark.read.parquet(str(path)).createOrReplaceTempView(name)
        yield Running(Spark(), lambda statement: spark.sql(statement).collect())
    finally:
        spark.stop()
