"""Every misuse of a metric or its source gives an error that names the metric, the field and the way out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from people import NOW
from scenes import (
    Shop,
    a_design,
    a_draft_experiment,
    a_metric,
    a_running_experiment,
    a_shop,
    environment_of,
    the_metrics,
)
from traffic import Visit, visited
from warehouses import (
    Order,
    a_connection,
    an_orders_shape,
    an_orders_source,
    sources_directory,
    written_orders,
)

from equipoise_server.analysis import reads
from equipoise_server.analysis.actions import refresh
from equipoise_server.experiments.reads import launch_checks
from equipoise_server.experiments.values import Iteration, MetricRole, PlannedMetric
from equipoise_server.foundation.refusals import Invalid
from equipoise_server.metrics.values import Aggregate, Definition, Fact, MetricKind
from equipoise_server.sources.actions import ReviseSource, archive_connection, archive_source, revise_source
from equipoise_server.sources.reads import connection_by_key, source_by_key
from equipoise_server.sources.values import ColumnType, Shape, SourceUnusable

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SUM = Fact("", Aggregate.SUM, "amount", source="orders")
REVENUE = Definition(MetricKind.SUM, SUM)


@pytest.fixture(autouse=True)
def own_sources(own_disk: Path, settings: pytest.FixtureRequest) -> None:
    settings.SOURCES_DIRECTORY = own_disk / "sources"


@pytest.fixture
def shop() -> Shop:
    shop = a_shop()
    written_orders([Order(f"u{n}", NOW + HOUR, 10.0 + n % 3) for n in range(100)])
    a_connection(shop)
    an_orders_source(shop)
    return shop


METRICS: dict[str, tuple[Definition, str, str]] = {
    "an unknown column": (
        replace(REVENUE, fact=replace(SUM, property="price")),
        "definition.fact.property",
        "it has: amount, gift, status",
    ),
    "an unknown column in a filter": (
        replace(REVENUE, fact=replace(SUM, where={"colour": "red"})),
        "definition.fact.where",
        "declares no column “colour”",
    ),
    "a column of another type": (
        replace(REVENUE, fact=replace(SUM, property="status")),
        "definition.fact.property",
        "holds texts, not numbers. Choose another column, or cast it in the source.",
    ),
    "a filter of another type": (
        replace(REVENUE, fact=replace(SUM, where={"gift": "yes"})),
        "definition.fact.where",
        "holds true and false, not texts",
    ),
    "no column to add up": (
        replace(REVENUE, fact=replace(SUM, property="")),
        "definition.fact.property",
        "name the column of “orders@1” that is added up",
    ),
    "a source that is not there": (
        replace(REVENUE, fact=replace(SUM, source="invoices")),
        "definition.fact.source",
        "There are: orders.",
    ),
    "a version that is not there": (
        replace(REVENUE, fact=replace(SUM, source="orders@7")),
        "definition.fact.source",
        "“orders” at version 7",
    ),
    "something that names no version": (
        replace(REVENUE, fact=replace(SUM, source="orders@new")),
        "definition.fact.source",
        "write “orders”, or “orders@2” for a version",
    ),
    "an event and a source": (
        replace(REVENUE, fact=replace(SUM, event="order")),
        "definition.fact.event",
        "leave one of the two out",
    ),
    "neither an event nor a source": (
        replace(REVENUE, fact=replace(SUM, source="")),
        "definition.fact.event",
        "or the source whose rows do",
    ),
    "a window of 0": (
        replace(REVENUE, window=timedelta(0)),
        "definition.window",
        "longer than 0 and at most 90 days",
    ),
    "a ratio without a denominator": (
        replace(REVENUE, kind=MetricKind.RATIO),
        "definition.denominator",
        "say which events it is divided by",
    ),
    "an unknown column below the line": (
        replace(REVENUE, kind=MetricKind.RATIO, denominator=replace(SUM, property="price")),
        "definition.denominator.property",
        "declares no column “price”",
    ),
}


@pytest.mark.parametrize("misuse", METRICS)
def test_a_metric_that_cannot_be_is_refused_when_it_is_saved(misuse: str, shop: Shop) -> None:
    definition, field, way_out = METRICS[misuse]
    with pytest.raises(Invalid) as refusal:
        a_metric(shop, "revenue", definition)
    told = {problem.field: problem.message for problem in refusal.value.problems}
    assert field in told
    assert told[field].startswith("“revenue”: ")
    assert way_out in told[field]


SOURCES: dict[str, tuple[dict[str, object], str, str]] = {
    "SQL that writes": (
        {"table": "", "sql": "DELETE FROM orders"}, "sql", "“DELETE FROM orders” is none",
    ),
    "SQL of another file": ({"table": "", "sql": "SELECT * FROM 'x.csv'"}, "sql", "files and addresses"),
    "a table and a query": ({"sql": "SELECT 1 AS a"}, "table", "either a table or a SQL query"),
    "a table that is not there": ({"table": "orderz"}, "sql", "orderz"),
    "a column that is not there": (
        {"columns": {"price": ColumnType.NUMBER}}, "columns.price",
        "there are: user_id, ordered_at, amount, status, gift",
    ),
    "a column of another type": (
        {"columns": {"status": ColumnType.NUMBER}}, "columns.status", "holds texts, not numbers",
    ),
    "no unit column": ({"units": {}}, "units", "such as user: user_id"),
    "a unit column that is not there": ({"units": {"user": "uid"}}, "units.user", "no column “uid”"),
    "a unit of instants": ({"units": {"user": "ordered_at"}}, "units.user", "holds instants"),
    "a unit type of another project": ({"units": {"ship": "user_id"}}, "units.ship", "it has: user, account"),
    "no time": ({"time": ""}, "time", "Name the column that says when"),
    "a time of texts": ({"time": "status"}, "time", "holds texts, not instants or dates"),
    "a connection that is not there": ({"connection": "sea"}, "connection", "there are: lake"),
}  # fmt: skip


@pytest.mark.parametrize("misuse", SOURCES)
def test_a_source_that_cannot_be_is_refused_when_it_is_saved(misuse: str, shop: Shop) -> None:
    changes, field, way_out = SOURCES[misuse]
    with pytest.raises(Invalid) as refusal:
        an_orders_source(shop, an_orders_shape(**changes), key="other")
    told = {problem.field: problem.message for problem in refusal.value.problems}
    assert field in told, told
    assert way_out in told[field]


def gone(_shop: Shop) -> None:
    (sources_directory() / "shop" / "orders.parquet").unlink()


def without_column(_shop: Shop) -> None:
    target = sources_directory() / "shop" / "orders.parquet"
    duckdb.connect().sql(
        "SELECT 'u1' AS user_id, TIMESTAMP '2026-03-02' AS ordered_at, 'paid' AS status, true AS gift"
    ).write_parquet(str(target))


def of_another_type(_shop: Shop) -> None:
    target = sources_directory() / "shop" / "orders.parquet"
    duckdb.connect().sql(
        "SELECT 'u1' AS user_id, TIMESTAMP '2026-03-02' AS ordered_at, 'much' AS amount, 'paid' AS status, "
        "true AS gift FROM range(3)"
    ).write_parquet(str(target))


def broken(_shop: Shop) -> None:
    (sources_directory() / "shop" / "orders.parquet").write_bytes(b"no parquet at all")


def directory_gone(_shop: Shop) -> None:
    directory = sources_directory() / "shop"
    directory.rename(directory.with_name("moved"))


@dataclass(frozen=True, slots=True)
class Failure:
    """What befalls a source after it was saved, and what the refresh says then."""

    befalls: Callable[[Shop], None]
    field: str
    told: str


FAILURES = {
    "the table is gone": Failure(gone, "sql", "orders"),
    "a column is gone": Failure(without_column, "columns.amount", "there are: user_id, ordered_at"),
    "a column changed its type": Failure(of_another_type, "columns.amount", "holds texts, not numbers"),
    "the file is broken": Failure(broken, "sql", "cannot be read"),
    "the directory is gone": Failure(directory_gone, "connection", "There is no “shop”"),
}


def a_measured_run(shop: Shop) -> Iteration:
    a_metric(shop, "revenue", REVENUE)
    the_metrics(shop)
    planned = (PlannedMetric("purchase", MetricRole.OEC), PlannedMetric("revenue", MetricRole.SECONDARY))
    experiment = a_running_experiment(shop, design=a_design(metrics=planned, looks=None))
    assert experiment.iteration is not None
    visits = [Visit(f"u{n}", ("control", "treatment")[n % 2], NOW) for n in range(100)]
    visited(experiment.iteration, visits, now=NOW + HOUR)
    return experiment.iteration


@pytest.mark.parametrize("failure", FAILURES)
def test_a_source_that_fails_later_stops_the_refresh_by_name_and_the_last_report_stays(
    failure: str, shop: Shop
) -> None:
    iteration = a_measured_run(shop)
    held = refresh(iteration.id, NOW + 2 * DAY)
    expected = FAILURES[failure]
    expected.befalls(shop)
    with pytest.raises(SourceUnusable) as raised:
        refresh(iteration.id, NOW + 3 * DAY)
    (problem,) = raised.value.problems
    assert problem.field == f"metrics.revenue.{expected.field}"
    assert problem.message.startswith("The metric “revenue” cannot be computed. The source “orders@1”: ")
    assert expected.told in problem.message
    assert reads.report_of(iteration.id) == held


def test_a_source_that_is_archived_is_still_read_by_running_experiments_and_refused_to_others(
    shop: Shop,
) -> None:
    iteration = a_measured_run(shop)
    archive_source(shop.owner, source_by_key(shop.project.id, "orders").id, now=NOW)
    assert refresh(iteration.id, NOW + 9 * DAY).results is not None
    with pytest.raises(Invalid, match="“orders” is archived; read another"):
        a_metric(shop, "more", REVENUE)
    archive_connection(shop.owner, connection_by_key(shop.project.id, "lake").id, now=NOW)
    with pytest.raises(SourceUnusable, match="its connection “lake” is archived; name another"):
        refresh(iteration.id, NOW + 10 * DAY)


def test_a_ratio_over_nothing_has_no_number_and_says_so(shop: Shop) -> None:
    nothing = replace(SUM, where={"status": "never"})
    a_metric(shop, "share", Definition(MetricKind.RATIO, SUM, denominator=nothing))
    the_metrics(shop)
    planned = (PlannedMetric("purchase", MetricRole.OEC), PlannedMetric("share", MetricRole.SECONDARY))
    experiment = a_running_experiment(shop, design=a_design(metrics=planned, looks=None))
    assert experiment.iteration is not None
    visits = [Visit(f"u{n}", ("control", "treatment")[n % 2], NOW) for n in range(100)]
    visited(experiment.iteration, visits, now=NOW + HOUR)
    results = refresh(experiment.iteration.id, NOW + 9 * DAY).results
    assert results is not None
    (row,) = (one for one in results.rows if one.metric == "share")
    assert (row.control_value, row.effect, row.lift) == (None, None, None)


def test_a_launch_names_the_metric_whose_source_lacks_the_unit_type(shop: Shop) -> None:
    a_metric(shop, "revenue", REVENUE)
    the_metrics(shop)
    planned = (PlannedMetric("purchase", MetricRole.OEC), PlannedMetric("revenue", MetricRole.SECONDARY))
    design = a_design(metrics=planned, unit_type="account")
    checks = launch_checks(a_draft_experiment(shop, design=design), environment_of(shop), NOW)
    (check,) = (one for one in checks if one.key == "sources")
    assert not check.passed
    assert check.field == "metrics.1.key"
    assert "“revenue” reads “orders@1”, which has no column for accounts but user" in check.message


def test_a_revised_source_leaves_metrics_at_their_version(shop: Shop) -> None:
    metric = a_metric(shop, "revenue", REVENUE)
    assert metric.definition.fact.source == "orders@1"
    shape: Shape = an_orders_shape(columns={"amount": ColumnType.NUMBER})
    held = source_by_key(shop.project.id, "orders")
    command = ReviseSource(held.id, held.edition, held.name, shape, "", "")
    assert revise_source(shop.owner, command, now=NOW).ref == "orders@2"
    assert source_by_key(shop.project.id, "orders", version=1).shape.columns != shape.columns
    assert a_metric(shop, "later", REVENUE).definition.fact.source == "orders@2"
