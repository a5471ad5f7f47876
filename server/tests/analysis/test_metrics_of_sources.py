"""Metrics of tables and queries: their rows give the numbers that events give; failures name the metric."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from people import NOW, an_admin
from scenes import Shop, a_design, a_metric, a_running_experiment, a_shop, environment_of, the_metrics
from traffic import Visit, visited
from warehouses import Order, a_connection, an_orders_shape, an_orders_source, written_orders

from equipoise_server.access import reads as access
from equipoise_server.access.actions import CreateProject, create_project
from equipoise_server.access.reads import actor_of_user
from equipoise_server.analysis import reads
from equipoise_server.analysis.actions import ImportFromSource, import_exposures, mapping_from_text, refresh
from equipoise_server.analysis.values import ComparisonRow, Report
from equipoise_server.experiments.values import Experiment, MetricRole, PlannedMetric
from equipoise_server.foundation.refusals import Invalid
from equipoise_server.metrics.values import Aggregate, Definition, Fact, MetricKind
from equipoise_server.sources.values import ColumnType, SourceUnusable

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
UNITS = 400


@pytest.fixture(autouse=True)
def own_sources(own_disk: Path, settings: pytest.FixtureRequest) -> None:
    settings.SOURCES_DIRECTORY = own_disk / "sources"


def bought(
    units: int, seed: int = 3
) -> Iterator[tuple[str, str, datetime, tuple[tuple[float, timedelta], ...]]]:
    """(unit, arm, exposed at, (amount, delay) of each order); some orders lie before the exposure."""
    dice = random.Random(seed)
    for unit in range(units):
        arm = ("control", "treatment")[unit % 2]
        orders = tuple(
            (round(dice.gauss(40 if arm == "control" else 44, 9), 2), dice.uniform(-4, 9) * DAY)
            for _ in range(dice.choice((0, 0, 1, 1, 2, 3)))
        )
        yield f"u{unit}", arm, NOW + 8 * DAY * unit / units, orders


def in_both_places() -> tuple[list[Visit], list[Order]]:
    """The same purchases as events and as rows; rows of strangers are in the table as well."""
    visits, orders = [], []
    for unit, arm, at, did in bought(UNITS):
        events = tuple(("order", amount, delay) for amount, delay in did)
        visits.append(Visit(unit, arm, at, (*events, ("page", 100.0, HOUR))))
        orders += [Order(unit, at + delay, amount) for amount, delay in did]
    strangers = [Order(f"stranger{n}", NOW + DAY, 1e6) for n in range(50)]
    return visits, [*orders, *strangers]


def metrics_of_both(shop: Shop) -> tuple[str, ...]:
    """Each metric twice: over events, and over the source."""
    sums, counts = Aggregate.SUM, Aggregate.COUNT
    pairs = {
        "revenue": (MetricKind.SUM, sums),
        "order-value": (MetricKind.MEAN, sums),
        "orders": (MetricKind.COUNT, counts),
        "buyers": (MetricKind.CONVERSION, counts),
    }
    for key, (kind, aggregate) in pairs.items():
        covariate = None if kind is MetricKind.CONVERSION else 3
        event = Fact("order", aggregate)
        row = Fact("", aggregate, "amount" if aggregate is sums else "", source="orders")
        for name, fact in ((key, event), (f"{key}-rows", row)):
            a_metric(shop, name, Definition(kind, fact, covariate_days=covariate))
    return tuple(pairs)


def an_experiment_on_both(shop: Shop) -> Experiment:
    keys = metrics_of_both(shop)
    the_metrics(shop)
    planned = [PlannedMetric("purchase", MetricRole.OEC)]
    planned += [PlannedMetric(name, MetricRole.SECONDARY) for key in keys for name in (key, f"{key}-rows")]
    return a_running_experiment(shop, design=a_design(metrics=tuple(planned), looks=None))


def a_warehouse(shop: Shop, orders: list[Order]) -> None:
    written_orders(orders)
    a_connection(shop)
    an_orders_source(shop)


def rows_of(report: Report) -> dict[str, ComparisonRow]:
    assert report.results is not None
    return {row.metric: row for row in report.results.rows}


def test_rows_of_a_table_give_the_numbers_that_the_same_events_give() -> None:
    shop = a_shop()
    visits, orders = in_both_places()
    a_warehouse(shop, orders)
    experiment = an_experiment_on_both(shop)
    assert experiment.iteration is not None
    visited(experiment.iteration, visits, now=NOW + 9 * DAY)
    found = rows_of(refresh(experiment.iteration.id, NOW + 16 * DAY))
    for key in ("revenue", "order-value", "orders", "buyers"):
        event, row = found[key], found[f"{key}-rows"]
        assert event.effect is not None
        assert row.effect == pytest.approx(event.effect, rel=1e-12)
        assert row.control_value == pytest.approx(event.control_value, rel=1e-12)
        assert row.p_value == event.p_value or row.p_value == pytest.approx(event.p_value, rel=1e-9)
    assert found["revenue-rows"].effect != 0


def test_a_query_filters_and_renames_what_metrics_read() -> None:
    shop = a_shop()
    written_orders([Order(f"u{n}", NOW + HOUR, 10.0, "paid" if n % 4 else "refunded") for n in range(200)])
    a_connection(shop)
    sql = "SELECT user_id, ordered_at, amount * 100 AS cents FROM orders WHERE status = 'paid'"
    shape = an_orders_shape(table="", sql=sql, columns={"cents": ColumnType.NUMBER})
    an_orders_source(shop, shape)
    cents = Definition(MetricKind.SUM, Fact("", Aggregate.SUM, "cents", source="orders"))
    a_metric(shop, "cents", cents)
    the_metrics(shop)
    planned = (PlannedMetric("purchase", MetricRole.OEC), PlannedMetric("cents", MetricRole.SECONDARY))
    experiment = a_running_experiment(shop, design=a_design(metrics=planned, looks=None))
    assert experiment.iteration is not None
    visits = [Visit(f"u{n}", ("control", "treatment")[n % 2], NOW) for n in range(200)]
    visited(experiment.iteration, visits, now=NOW + DAY)
    row = rows_of(refresh(experiment.iteration.id, NOW + 9 * DAY))["cents"]
    assert (row.control_value, row.treatment_value) == (500.0, 1000.0)


def test_a_source_that_is_gone_stops_the_refresh_by_name_and_keeps_the_last_report() -> None:
    shop = a_shop()
    visits, orders = in_both_places()
    target = written_orders(orders)
    a_connection(shop)
    an_orders_source(shop)
    experiment = an_experiment_on_both(shop)
    assert experiment.iteration is not None
    visited(experiment.iteration, visits, now=NOW + 9 * DAY)
    held = refresh(experiment.iteration.id, NOW + 12 * DAY)
    target.unlink()
    with pytest.raises(SourceUnusable) as failure:
        refresh(experiment.iteration.id, NOW + 14 * DAY)
    told = {problem.field: problem.message for problem in failure.value.problems}
    assert set(told) == {f"metrics.{key}-rows.sql" for key in ("revenue", "order-value", "orders", "buyers")}
    message = told["metrics.revenue-rows.sql"]
    assert message.startswith("The metric “revenue-rows” cannot be computed. The source “orders@1”: ")
    assert message.endswith("Revise the source or its files.")
    assert reads.report_of(experiment.iteration.id) == held


def test_a_running_experiment_keeps_the_version_of_its_source() -> None:
    shop = a_shop()
    written_orders([Order(f"u{n}", NOW + HOUR, 10.0) for n in range(100)])
    a_connection(shop)
    source = an_orders_source(shop)
    metric = a_metric(
        shop, "revenue", Definition(MetricKind.SUM, Fact("", Aggregate.SUM, "amount", source="orders"))
    )
    assert metric.definition.fact.source == source.ref == "orders@1"
    assert replace(metric.definition.fact, source="").event == ""


EXPOSURES = """
window_days = 7
[experiment]
key = "elsewhere"
name = "Elsewhere"
hypothesis = "What another system shows makes people spend more."
[variant]
column = "status"
control = "old"
arms = [{ value = "old", key = "old", name = "Old" }, { value = "new", key = "new", name = "New" }]
[time]
column = "ordered_at"
[[metrics]]
metric = "revenue"
role = "oec"
"""


def exposures_elsewhere(shop: Shop) -> None:
    """A table of exposures: unit, time, and the variant in `status`; one unit is there twice."""
    rows = [Order(f"u{n}", NOW + n * HOUR / 10, None, ("old", "new")[n % 2]) for n in range(200)]
    written_orders([*rows, Order("u0", NOW + DAY, None, "old")], table="exposures")
    shape = an_orders_shape(table="exposures", columns={"status": ColumnType.TEXT})
    an_orders_source(shop, shape, key="exposures")


def test_exposures_of_another_system_are_measured_by_metrics_of_tables() -> None:
    shop = a_shop()
    written_orders([Order(f"u{n}", NOW + DAY, 10.0 + n % 2 + n // 2 % 3) for n in range(200)])
    a_connection(shop)
    an_orders_source(shop)
    exposures_elsewhere(shop)
    revenue = Definition(MetricKind.SUM, Fact("", Aggregate.SUM, "amount", source="orders"))
    a_metric(shop, "revenue", revenue)
    production = environment_of(shop)
    command = ImportFromSource(shop.project.id, production.id, mapping_from_text(EXPOSURES), "exposures")
    experiment = import_exposures(shop.owner, command, now=NOW + 30 * DAY)
    assert experiment.iteration is not None
    report = reads.report_of(experiment.iteration.id)
    assert report is not None
    assert {arm.arm: arm.exposed for arm in report.arms} == {"old": 100, "new": 100}
    assert rows_of(report)["revenue"].effect == pytest.approx(1.0)


def test_an_import_names_the_unit_type_that_its_source_lacks() -> None:
    shop = a_shop()
    a_connection(shop)
    exposures_elsewhere(shop)
    mapping = mapping_from_text(EXPOSURES.replace("[variant]", "[unit]\ntype = 'account'\n[variant]", 1))
    command = ImportFromSource(shop.project.id, environment_of(shop).id, mapping, "exposures")
    with pytest.raises(Invalid) as refusal:
        import_exposures(shop.owner, command, now=NOW + 30 * DAY)
    assert [problem.field for problem in refusal.value.problems] == ["unit.type"]


def test_a_project_that_hides_ids_finds_its_units_in_a_table_of_raw_ids() -> None:
    owner = an_admin()
    command = CreateProject("shop", "Shop", is_pseudonymised=True)
    project = create_project(owner, command, now=NOW)
    shop = Shop(actor_of_user(UUID(owner.author.id)), project)
    written_orders([Order(f"u{n}", NOW + HOUR, 10.0 + n % 2 + n // 2 % 3) for n in range(300)])
    a_connection(shop)
    an_orders_source(shop)
    a_metric(shop, "revenue", Definition(MetricKind.SUM, Fact("", Aggregate.SUM, "amount", source="orders")))
    the_metrics(shop)
    planned = (PlannedMetric("purchase", MetricRole.OEC), PlannedMetric("revenue", MetricRole.SECONDARY))
    experiment = a_running_experiment(shop, design=a_design(metrics=planned, looks=None))
    assert experiment.iteration is not None
    key = access.project_key(project.id)
    arms = ("control", "treatment")
    visits = [Visit(key.pseudonym("user", f"u{n}"), arms[n % 2], NOW) for n in range(200)]
    visited(experiment.iteration, visits, now=NOW + HOUR)
    row = rows_of(refresh(experiment.iteration.id, NOW + 9 * DAY))["revenue"]
    assert row.control_value == pytest.approx(10.99, abs=0.02)
    assert row.effect == pytest.approx(1.0)


def test_sources_are_read_once_an_hour_while_nobody_asks() -> None:
    shop = a_shop()
    written_orders([Order(f"u{n}", NOW + HOUR, 10.0) for n in range(20)])
    a_connection(shop)
    an_orders_source(shop)
    a_metric(shop, "revenue", Definition(MetricKind.SUM, Fact("", Aggregate.SUM, "amount", source="orders")))
    the_metrics(shop)
    planned = (PlannedMetric("purchase", MetricRole.OEC), PlannedMetric("revenue", MetricRole.SECONDARY))
    reading = a_running_experiment(shop, design=a_design(metrics=planned, looks=None)).iteration
    plain = a_running_experiment(shop, "plain", design=a_design("plain", looks=None)).iteration
    assert reading is not None
    assert plain is not None
    both = (reading, plain)
    assert reads.resting(both, now=NOW + DAY) == frozenset()
    for one in both:
        refresh(one.id, NOW + DAY)
    assert reads.resting(both, now=NOW + DAY + 59 * HOUR / 60) == {reading.id}
    assert reads.resting(both, now=NOW + DAY + HOUR) == frozenset()
