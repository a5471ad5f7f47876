"""Random histories of units and one metric of every kind, in the event store's columns; for tests."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import duckdb
from plain_units import DAY, MICROSECOND, Did, Met

from equipoise_server.analysis.columns import Column, Quantile, columns_of
from equipoise_server.analysis.plan import Plan
from equipoise_server.metrics.values import (
    Aggregate,
    Align,
    Definition,
    Fact,
    MetricKind,
    Spread,
    Through,
    Touch,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START = datetime(2026, 3, 1, tzinfo=UTC)
STARTS = (START - EPOCH) // MICROSECOND
ONE_DAY = timedelta(days=1)
PURCHASE, VALUE = Fact("purchase"), Fact("purchase", Aggregate.SUM)
SIZE = Fact("purchase", Aggregate.SUM, "size")

DEFINITIONS: Mapping[str, Definition] = {
    "bought": Definition(MetricKind.CONVERSION, PURCHASE, window=timedelta(hours=31)),
    "purchases": Definition(MetricKind.COUNT, PURCHASE, window=3 * ONE_DAY, cap=2.0, covariate_days=2),
    "revenue": Definition(MetricKind.SUM, VALUE, window=2 * ONE_DAY, cap=60.0, covariate_days=3),
    "cards": Definition(MetricKind.COUNT, replace(PURCHASE, where={"card": True})),
    "pairs": Definition(
        MetricKind.COUNT, replace(PURCHASE, where={"size": 2}), align=Align.DAY, window=ONE_DAY
    ),
    "size": Definition(MetricKind.SUM, Fact("purchase", Aggregate.SUM, "size"), delay=timedelta(hours=5)),
    "mood": Definition(
        MetricKind.SUM, Fact("page", Aggregate.WEIGHT, "kind", None, {"a": 1.5, "b": -4.0}), window=ONE_DAY
    ),
    "basket": Definition(MetricKind.MEAN, VALUE, window=2 * ONE_DAY),
    "rate": Definition(MetricKind.RATIO, PURCHASE, Fact("page"), window=ONE_DAY, covariate_days=1),
    "kinds": Definition(MetricKind.UNIQUE, Fact("page", property="kind"), window=3 * ONE_DAY),
    "back": Definition(
        MetricKind.RETENTION, Fact("page", where={"kind": "a"}), delay=ONE_DAY, window=2 * ONE_DAY
    ),
    "through": Definition(
        MetricKind.FUNNEL, Fact("page"), steps=(Fact("page"), PURCHASE), window=2 * ONE_DAY, align=Align.DAY
    ),
    "slow": Definition(MetricKind.EXCEEDANCE, VALUE, threshold=20.0, window=2 * ONE_DAY),
    "alone": Definition(
        MetricKind.ABSENCE, Fact("page"), answer=PURCHASE, within=timedelta(hours=7), window=2 * ONE_DAY
    ),
}  # fmt: skip
PAGE_A, OTHER = Fact("page", where={"kind": "a"}), Fact("other")
BY_CLICK = Touch(Through.CLICK, PAGE_A, timedelta(hours=9))
BY_VIEW = Touch(Through.VIEW, OTHER, timedelta(hours=20))
TOUCHED: Mapping[str, Definition] = {
    "clicked": Definition(MetricKind.CONVERSION, PURCHASE, window=2 * ONE_DAY, touches=(BY_CLICK,)),
    "seen_revenue": Definition(
        MetricKind.SUM, VALUE, window=3 * ONE_DAY, cap=60.0, covariate_days=2, touches=(BY_CLICK, BY_VIEW)
    ),
    "clicked_basket": Definition(MetricKind.MEAN, VALUE, delay=timedelta(hours=5), touches=(BY_CLICK,)),
    "clicked_kinds": Definition(
        MetricKind.UNIQUE, Fact("page", property="kind"), window=ONE_DAY, align=Align.DAY, touches=(BY_VIEW,)
    ),
    "per_page": Definition(MetricKind.RATIO, PURCHASE, Fact("page"), touches=(BY_VIEW,)),
    "seen_slow": Definition(MetricKind.EXCEEDANCE, VALUE, threshold=20.0, touches=(BY_VIEW,)),
    "again": Definition(
        MetricKind.COUNT, Fact("page"), touches=(Touch(Through.VIEW, Fact("page"), timedelta(hours=1)),)
    ),
}  # fmt: skip
"""Metrics that follow clicks or views: read from raw events alone, for sums know no order."""
EVERY: Mapping[str, Definition] = {**DEFINITIONS, **TOUCHED}
QUANTILES = {
    key: Quantile(replace(column, name=key), share, over)
    for key, column, share, over in (
        ("usual", Column("", VALUE, 2 * ONE_DAY), 0.5, Spread.EVENTS),
        ("slowest", Column("", SIZE, ONE_DAY, align=Align.DAY), 0.95, Spread.EVENTS),
        ("spender", Column("", VALUE, 2 * ONE_DAY, delay=timedelta(hours=5)), 0.9, Spread.UNITS),
    )
}  # fmt: skip
ARMS = ("control", "treatment")
_ABSENT = "\\N"


def a_plan(
    definitions: Mapping[str, Definition] = DEFINITIONS, experiment: str = "checkout", since: datetime = START
) -> Plan:
    """The plan of an experiment with these metrics."""
    columns = [column for key, one in definitions.items() for column in columns_of(key, one)]
    return Plan(experiment, 1, "user", ARMS, since, tuple(columns))


def a_history(dice: random.Random, *, units: int, days: int = 5) -> tuple[list[Met], list[Did]]:
    """Units that come several times, some in both arms, and do things before and after."""
    met, did = [], []
    for number in range(units):
        unit = f"u{number}"
        arm = dice.choice(ARMS)
        for _ in range(dice.randint(0, 3)):
            crosses = dice.random() < 0.1
            met.append(Met(an_id(dice), unit, an_instant(dice, days), dice.choice(ARMS) if crosses else arm))
        did += [something(dice, unit, days) for _ in range(dice.randint(0, 16))]
    return met, did


def something(dice: random.Random, unit: str, days: int = 5) -> Did:
    """Anything that a unit may do, from two days before the start on."""
    properties = {
        "kind": dice.choice(("a", "b", "c", 1)), "card": dice.choice((True, False, "true")),
        "size": dice.choice((1, 2, 2.5, "2", None)),
    }  # fmt: skip
    return Did(
        an_id(dice), unit, an_instant(dice, days, -2),
        dice.choice(("purchase", "purchase", "page", "page", "other")),
        dice.choice((None, 0.25 * dice.randint(0, 200))),
        dice.choice((None, properties, {"kind": "a"})),
    )  # fmt: skip


def an_instant(dice: random.Random, days: int, first: int = 0) -> int:
    """Often on the hour, so that instants and the ends of windows meet."""
    at = STARTS + dice.randint(first * 24, days * 24 - 1) * (DAY // 24)
    return at + dice.choice((0, 0, dice.randint(0, DAY // 24 - 1)))


def an_id(dice: random.Random) -> str:
    """A random UUID."""
    return str(UUID(int=dice.getrandbits(128)))


EXPOSURE_COLUMNS = {
    "id": "UUID", "unit_type": "VARCHAR", "unit": "VARCHAR", "experiment": "VARCHAR", "iteration": "INTEGER",
    "variant": "VARCHAR", "derived_at": "TIMESTAMP", "is_early": "BOOLEAN", "arrival": "BIGINT",
}  # fmt: skip
TRACK_COLUMNS = {
    "id": "UUID", "unit_type": "VARCHAR", "unit": "VARCHAR", "name": "VARCHAR", "derived_at": "TIMESTAMP",
    "is_early": "BOOLEAN", "value": "DOUBLE", "properties": "VARCHAR", "arrival": "BIGINT",
}  # fmt: skip


def exposure_rows(met: Iterable[Met], arrival: int = 1) -> list[tuple[object, ...]]:
    """In the order of EXPOSURE_COLUMNS."""
    return [
        (one.id, "user", one.unit, one.experiment, 1, one.variant, naive(one.at), False, arrival)
        for one in met
    ]


def track_rows(did: Iterable[Did], arrival: int = 1) -> list[tuple[object, ...]]:
    """In the order of TRACK_COLUMNS."""
    return [
        (one.id, "user", one.unit, one.name, naive(one.at), False, one.value,
         None if one.properties is None else json.dumps(dict(one.properties)), arrival)
        for one in did
    ]  # fmt: skip


def naive(at: int) -> datetime:
    """UTC without a zone, as stores keep it."""
    return (EPOCH + at * MICROSECOND).replace(tzinfo=None)


def instant(at: int) -> datetime:
    """An aware instant."""
    return EPOCH + at * MICROSECOND


def write_parquet(path: Path, columns: Mapping[str, str], rows: Sequence[tuple[object, ...]]) -> Path:
    """Rows as a file of the event store."""
    written = path.with_suffix(".csv")
    with written.open("w", newline="") as file:
        csv.writer(file).writerows([_ABSENT if value is None else value for value in row] for row in rows)
    kinds = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
    read = f"read_csv('{written}', columns={{{kinds}}}, header=false, auto_detect=false, nullstr='{_ABSENT}')"
    with duckdb.connect(":memory:") as database:
        database.execute(f"COPY (FROM {read}) TO '{path}' (FORMAT PARQUET)")
    written.unlink()
    return path
