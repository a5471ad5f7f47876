"""Clusters are one observation each: compared once, at the end, and counted as clusters by the gate."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from people import NOW
from scenes import a_design, a_metric, a_running_experiment, a_shop
from traffic import Visit, visited

import equipoise_stats as stats
from equipoise_server.analysis.actions import refresh
from equipoise_server.analysis.looks import due_looks, planned_looks
from equipoise_server.analysis.values import Conclusion, GuardrailState, Method, Report, SrmState
from equipoise_server.experiments.values import Iteration, MetricRole, PlannedMetric, VerdictState
from equipoise_server.metrics.values import (
    Aggregate,
    Definition,
    Direction,
    Fact,
    Margin,
    MarginKind,
    MetricKind,
)

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SPENT = Definition(MetricKind.SUM, Fact("buy", Aggregate.SUM), window=DAY)
SHARE = Definition(MetricKind.CONVERSION, Fact("buy"), window=DAY)


def an_iteration() -> Iteration:
    """An experiment on units whose cities were drawn; the drawing itself is not what is tested here."""
    shop = a_shop()
    a_metric(shop, "spent", SPENT)
    a_metric(shop, "buys", SHARE, direction=Direction.INCREASE)
    planned = (
        PlannedMetric("spent", MetricRole.OEC),
        PlannedMetric("buys", MetricRole.GUARDRAIL, Margin(MarginKind.RELATIVE, 0.5)),
    )
    found = a_running_experiment(
        shop, design=a_design(metrics=planned, planned_days=14, baseline_deviation=10.0)
    ).iteration
    assert found is not None
    return found


def cities(count: int, lift: float, *, seed: int = 3) -> list[Visit]:
    dice = random.Random(seed)
    visits = []
    for city in range(count):
        arm = ("control", "treatment")[city % 2]
        mood = dice.gauss(10, 2) + (lift if arm == "treatment" else 0.0)
        for unit in range(20 + city % 30):
            did = (("buy", max(0.0, mood + dice.gauss(0, 1)), HOUR),) if unit % 4 else ()
            visits.append(
                Visit(f"c{city}-u{unit}", arm, NOW + DAY * dice.random(), did, cluster=f"city-{city}")
            )
    return visits


def report_of(monkeypatch: pytest.MonkeyPatch, visits: list[Visit], *, days: float) -> Report:
    iteration = an_iteration()
    clustered = replace(iteration, design=replace(iteration.design, cluster_type="city"))
    visited(iteration, visits, now=NOW + 2 * DAY)
    # The design of a cluster is launched elsewhere; here only its evidence matters.
    monkeypatch.setattr("equipoise_server.analysis.refreshing.experiments.iteration", lambda _: clustered)
    assert due_looks(clustered, now=NOW + HOUR) == ()
    assert planned_looks(clustered) is None
    return refresh(iteration.id, NOW + days * DAY)


def test_before_the_end_clusters_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_of(monkeypatch, cities(40, 0.0), days=3)
    assert report.results is None
    assert report.withheld is not None
    assert "Each city is one observation" in report.withheld.explanation
    assert report.srm.state is SrmState.PASS


def test_at_the_end_their_totals_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    visits = cities(48, 4.0)
    report = report_of(monkeypatch, visits, days=15)
    assert report.results is not None
    assert report.results.method is Method.FIXED
    assert report.results.is_final is True
    spent, buys = report.results.rows
    totals: dict[str, float] = {}
    sizes: dict[str, int] = {}
    for visit in visits:
        assert visit.cluster is not None
        sizes[visit.cluster] = sizes.get(visit.cluster, 0) + 1
        totals[visit.cluster] = totals.get(visit.cluster, 0.0) + sum(
            value or 0.0 for _, value, _ in visit.did
        )
    treated = [int(city.split("-")[1]) % 2 == 1 for city in totals]
    table = stats.ClusterTable(
        np.array(list(totals.values())), np.array([sizes[city] for city in totals]), np.array(treated)
    )
    expected = stats.delta_effect(table)
    assert isinstance(expected, stats.ClusterEffect)
    assert spent.effect == pytest.approx(expected.effect.value, rel=1e-9)
    assert spent.effect_interval is not None
    assert spent.effect_interval.low == pytest.approx(expected.effect.lower, rel=1e-9)
    assert (spent.control_units, spent.treatment_units) == (24, 24)
    assert spent.conclusion is Conclusion.BETTER
    assert spent.lift is None
    assert buys.guardrail is not None
    assert buys.guardrail.state is GuardrailState.PASS
    assert report.verdict is VerdictState.WINNING
    assert "Each city is one observation" in report.results.further.method_note


def test_few_clusters_are_permuted_and_too_few_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    few = report_of(monkeypatch, cities(12, 6.0), days=15)
    assert few.results is not None
    assert "drawing the assignment again" in few.results.further.method_note


def test_six_clusters_are_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_of(monkeypatch, cities(6, 6.0), days=15)
    assert report.results is not None
    assert report.results.rows[0].effect is None
    assert "fewer than 4 clusters" in report.results.rows[0].reason
    assert report.verdict is VerdictState.INCONCLUSIVE


def test_the_gate_counts_clusters_and_not_their_members(monkeypatch: pytest.MonkeyPatch) -> None:
    visits = [v for v in cities(40, 0.0) if v.arm == "control" or int(v.unit.split("-u")[1]) < 12]
    report = report_of(monkeypatch, visits, days=3)
    control, treatment = (arm.exposed for arm in report.arms)
    assert control > 2 * treatment
    assert report.srm.state is SrmState.PASS
