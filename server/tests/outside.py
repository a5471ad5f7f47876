"""Experiments that another system assigns, with the table of exposures that it writes; for tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
from people import NOW
from scenes import Shop, a_design, launched, the_metrics
from warehouses import a_connection, an_orders_source, sources_directory

from equipoise_server.experiments.actions import CreateExperiment, create_experiment
from equipoise_server.experiments.values import (
    Arm,
    Design,
    Experiment,
    ExposureTable,
    MetricRole,
    PlannedMetric,
)
from equipoise_server.sources.values import ColumnType, Shape, Source

COLUMNS = {
    "experiment_id": ColumnType.TEXT,
    "variation_id": ColumnType.NUMBER,
    "run": ColumnType.NUMBER,
    "plan": ColumnType.TEXT,
    "age": ColumnType.NUMBER,
}
ARMS = {"0": "control", "1": "treatment"}
TABLE = ExposureTable("exposures", "variation_id", ARMS, "experiment_id", "their-button")


@dataclass(frozen=True, slots=True)
class Seen:
    """One row: a unit met a variation."""

    unit: str | None
    at: datetime
    variation: int | None
    experiment: str = "their-button"
    run: int = 1
    plan: str | None = None
    age: float | None = None


def written_exposures(rows: Iterable[Seen], table: str = "exposures") -> Path:
    """The rows as a Parquet file of the directory `shop`."""
    directory = sources_directory() / "shop"
    directory.mkdir(exist_ok=True)
    target = directory / f"{table}.parquet"
    database = duckdb.connect(":memory:")
    database.execute(
        "CREATE TABLE e (user_id VARCHAR, seen_at TIMESTAMP, experiment_id VARCHAR, variation_id INT,"
        " run INT, plan VARCHAR, age DOUBLE)"
    )
    given = [
        [one.unit, one.at.replace(tzinfo=None), one.experiment, one.variation, one.run, one.plan, one.age]
        for one in rows
    ]
    if given:
        database.executemany("INSERT INTO e VALUES (?, ?, ?, ?, ?, ?, ?)", given)
    database.execute(f"COPY e TO '{target}' (FORMAT PARQUET)")
    database.close()
    return target


def an_exposure_source(shop: Shop, columns: Mapping[str, ColumnType] = COLUMNS) -> Source:
    """The source of the exposures; its file is there."""
    a_connection(shop)
    shape = Shape("lake", {"user": "user_id"}, "seen_at", columns, table="exposures")
    return an_orders_source(shop, shape, key="exposures")


def an_outside_design(table: ExposureTable = TABLE, **changes: Any) -> Design:
    """A sound plan for an experiment that is assigned outside."""
    usual: dict[str, Any] = {
        "arms": (Arm("control", "Grey", 1, {}), Arm("treatment", "Green", 1, {})),
        "metrics": (
            PlannedMetric("purchase", MetricRole.OEC),
            PlannedMetric("latency", MetricRole.GUARDRAIL),
        ),
        "exposures": table,
        "looks": None,
    }
    return a_design(**{**usual, **changes})


def an_outside_draft(shop: Shop, design: Design | None = None, key: str = "checkout-button") -> Experiment:
    """A draft that is assigned outside."""
    the_metrics(shop)
    command = CreateExperiment(shop.project.id, key, key.capitalize(), design or an_outside_design())
    return create_experiment(shop.owner, command, now=NOW)


def an_outside_experiment(shop: Shop, design: Design | None = None) -> Experiment:
    """The same, running since NOW."""
    return launched(shop, an_outside_draft(shop, design))
