"""What all running experiments of an environment measure is asked of the database at once."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from people import NOW
from scenes import PURCHASE, Shop, a_design, a_running_experiment, a_shop

from equipoise_server.analysis.refreshing import measured_metrics, running_plans
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.values import MetricRole, PlannedMetric
from equipoise_server.metrics.actions import CreateMetric, create_metric
from equipoise_server.metrics.values import Direction

pytestmark = pytest.mark.django_db


def an_experiment_with_metrics(shop: Shop, key: str, metrics: int) -> None:
    """A running experiment with so many metrics of its own besides the usual ones."""
    named = [f"{key}-{number}" for number in range(metrics)]
    for name in named:
        create_metric(
            shop.owner,
            CreateMetric(shop.project.id, name, name, PURCHASE, Direction.INCREASE),
            now=NOW,
        )
    design = a_design(key)
    more = (*design.metrics, *(PlannedMetric(name, MetricRole.DIAGNOSTIC) for name in named))
    a_running_experiment(shop, key, a_design(key, metrics=more))


def test_the_queries_of_planning_do_not_grow_with_experiments_and_metrics() -> None:
    shop = a_shop()
    an_experiment_with_metrics(shop, "first", metrics=1)
    (one,) = experiments.running_iterations()
    with CaptureQueriesContext(
        connection,
    ) as few:
        assert len(running_plans(one.environment_id)) == 1
    for key in ("second", "third"):
        an_experiment_with_metrics(shop, key, metrics=4)
    with CaptureQueriesContext(connection) as many:
        plans = running_plans(one.environment_id)
    assert len(plans) == 3
    assert len(many) == len(few) == 2


def test_metrics_that_were_looked_up_at_once_are_those_that_are_looked_up_one_by_one() -> None:
    shop = a_shop()
    an_experiment_with_metrics(shop, "first", metrics=2)
    (one,) = experiments.running_iterations()
    (plan,) = running_plans(one.environment_id)
    alone = measured_metrics(one)
    assert [measured.metric.key for measured in alone] == ["purchase", "latency", "first-0", "first-1"]
    assert {column.name.split(":")[0] for column in plan.columns} == {
        measured.metric.key for measured in alone
    }
