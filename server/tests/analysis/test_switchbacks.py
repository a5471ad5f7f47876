"""Switched regions are judged by their windows, once, by drawing the schedule again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import numpy as np
import pytest
from people import NOW, an_admin
from scenes import Shop, a_design, a_metric, a_running_experiment, a_shop
from traffic import Visit, visited

import equipoise_stats as stats
from equipoise_server.access.actions import CreateProject, create_project
from equipoise_server.access.reads import actor_of_user
from equipoise_server.analysis import switched
from equipoise_server.analysis.actions import refresh
from equipoise_server.analysis.columns import columns_of
from equipoise_server.analysis.values import Conclusion, Report
from equipoise_server.events.actions import compact, record
from equipoise_server.events.values import Track
from equipoise_server.experiments.statistics_checks import KINDS_OF_WINDOWS
from equipoise_server.experiments.values import (
    Iteration,
    MetricRole,
    Pairing,
    PlannedMetric,
    Schedule,
    Switchback,
)
from equipoise_server.metrics.values import Aggregate, Definition, Fact, MetricKind

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0) + DAY
REGIONS = tuple(f"r{n}" for n in range(6))
DAYS, WINDOWS_A_DAY = 14, 4
PLAN = stats.SwitchbackPlan(len(REGIONS), DAYS, WINDOWS_A_DAY, seed=5)
TREATED = stats.switchback_design(PLAN).treated
SCHEDULE = Schedule(
    5, Pairing.DAYS, MIDNIGHT, 6 * 3_600, 1_800, DAYS,
    {region: "".join(map(str, row)) for region, row in zip(REGIONS, TREATED.tolist(), strict=True)},
)  # fmt: skip


def demand(lift: float) -> np.ndarray:
    dice = np.random.default_rng(9)
    base = dice.normal(20, 4, (len(REGIONS), 1)) + dice.normal(0, 1, TREATED.shape)
    return base + lift * TREATED


def report_of(
    monkeypatch: pytest.MonkeyPatch, table: np.ndarray, *, days: float, shop: Shop | None = None
) -> Report:
    shop = shop or a_shop()
    a_metric(shop, "orders", Definition(MetricKind.SUM, Fact("order", Aggregate.SUM), window=HOUR))
    design = a_design(metrics=(PlannedMetric("orders", MetricRole.OEC),), planned_days=None, unit_type="user")
    found = a_running_experiment(shop, design=design).iteration
    assert found is not None
    switched = replace(
        found, schedule=SCHEDULE, planned_end_at=SCHEDULE.ends_at,
        design=replace(found.design, switchback=Switchback(REGIONS)),
    )  # fmt: skip
    load(found, table)
    # How such a design is launched is tested elsewhere; here only its evidence matters.
    monkeypatch.setattr("equipoise_server.analysis.refreshing.experiments.iteration", lambda _: switched)
    return refresh(found.id, NOW + days * DAY)


def load(iteration: Iteration, table: np.ndarray) -> None:
    """Each window's total in two events after the burn-in, and one before it that must not count."""
    events, arms = [], ("control", "treatment")
    exposures = []
    for place, region in enumerate(REGIONS):
        for window, total in enumerate(table[place]):
            begin = MIDNIGHT + window * 6 * HOUR
            exposures.append(Visit(f"{region}:{window}", arms[TREATED[place, window]], begin + HOUR))
            for at, value in ((HOUR / 4, 999.0), (HOUR, total - 5), (5 * HOUR, 5.0)):
                events.append(Track(uuid4(), begin + at, "order", {"user": region}, float(value)))
    visited(iteration, exposures, now=NOW + 16 * DAY)
    record(iteration.environment_id, iter(events), now=NOW + 16 * DAY)
    compact(now=NOW + 16 * DAY)


@pytest.mark.parametrize("kind", sorted(KINDS_OF_WINDOWS))
def test_what_a_launch_lets_through_can_be_told_of_a_window(kind: MetricKind) -> None:
    fact = Fact("buy", Aggregate.SUM)
    definition = Definition(kind, fact, denominator=Fact("visit"), threshold=10.0)
    assert {column.reduction for column in columns_of("m", definition)} <= switched._PER_EVENT


def test_before_the_last_window_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_of(monkeypatch, demand(3.0), days=6)
    assert report.results is None
    assert report.withheld is not None
    assert "Each region's window is one observation" in report.withheld.explanation


def test_at_the_end_the_schedule_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    table = demand(3.0)
    report = report_of(monkeypatch, table, days=16)
    assert report.results is not None
    (row,) = report.results.rows
    assert row.effect is not None
    assert row.effect_interval is not None
    expected = stats.switchback_effect(
        table,
        stats.SwitchbackDesign(PLAN, TREATED),
        rng=np.random.default_rng(report.iteration_id.int % 2**32),
    )
    assert isinstance(expected, stats.SwitchbackEffect)
    assert row.effect == pytest.approx(expected.effect.value, rel=1e-9)
    assert row.effect_interval.low == pytest.approx(expected.effect.lower, rel=1e-6)
    assert row.p_value == expected.p_value
    assert (row.control_units, row.treatment_units) == (168, 168)
    assert row.conclusion is Conclusion.BETTER
    assert "drawing the schedule again" in report.results.further.method_note


def test_a_project_that_hides_ids_reads_its_regions_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = an_admin()
    hiding = CreateProject("shop", "Shop", ("user", "account"), is_pseudonymised=True)
    project = create_project(owner, hiding, now=NOW)
    shop = Shop(actor_of_user(UUID(owner.author.id)), project)
    report = report_of(monkeypatch, demand(3.0), days=16, shop=shop)
    assert report.results is not None
    (row,) = report.results.rows
    assert row.conclusion is Conclusion.BETTER
