"""Signs of bad data that the warehouse's own counts give: asked where they mean something, and only there."""

from __future__ import annotations

import random
from datetime import timedelta
from uuid import uuid4

import pytest
from people import NOW
from scenes import Shop, a_design, a_metric, a_running_experiment, a_shop, later
from traffic import Visit, visited

from equipoise_server.analysis import models
from equipoise_server.analysis.actions import refresh
from equipoise_server.analysis.values import Report
from equipoise_server.experiments.actions import Stop, stop
from equipoise_server.experiments.values import Iteration, MetricRole, PlannedMetric, VerdictState
from equipoise_server.metrics.values import Aggregate, Definition, Fact, MetricKind

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SPENT = Definition(MetricKind.SUM, Fact("buy", Aggregate.SUM), window=DAY, covariate_days=7)


def spending(shop: Shop) -> Iteration:
    a_metric(shop, "spent", SPENT)
    design = a_design(metrics=(PlannedMetric("spent", MetricRole.OEC),), looks=None, baseline_deviation=4.0)
    iteration = a_running_experiment(shop, design=design).iteration
    assert iteration is not None
    return iteration


def came(iteration: Iteration, *, buyers: tuple[float, float], units: int = 2_000) -> None:
    dice, visits = random.Random(2), []
    for unit in range(units):
        place = unit % 2
        did = [("buy", dice.gauss(10, 2), -2 * DAY)] if dice.random() < 0.5 else []
        if dice.random() < buyers[place]:
            did.append(("buy", dice.gauss(10, 2), HOUR))
        visits.append(Visit(f"u{unit}", ("control", "treatment")[place], NOW + HOUR, tuple(did)))
    visited(iteration, visits, now=NOW + DAY)


def keys(report: Report) -> set[str]:
    return {note.key for note in report.notes}


def test_a_unit_that_buys_nothing_is_no_lost_unit_where_most_buy_nothing() -> None:
    iteration = spending(a_shop())
    came(iteration, buyers=(0.1, 0.2))
    report = refresh(iteration.id, NOW + 2 * DAY)
    assert report.results is not None
    assert "join_loss" not in keys(report)


def test_more_silent_units_in_one_arm_are_told_where_most_send_something() -> None:
    iteration = spending(a_shop())
    came(iteration, buyers=(0.95, 0.85))
    report = refresh(iteration.id, NOW + 2 * DAY)
    (told,) = [note for note in report.notes if note.key == "join_loss"]
    assert told.title == "One variant loses more outcomes than another"


def test_the_last_look_keeps_one_p_value_of_a_comparison_that_cannot_differ() -> None:
    shop = a_shop()
    iteration = spending(shop)
    came(iteration, buyers=(0.5, 0.9))
    stop(shop.owner, Stop(iteration.experiment_id, "Enough."), now=later(3))
    refresh(iteration.id, later(4))
    last = models.Look.objects.get(iteration_id=iteration.id, is_final=True)
    p_value = last.found["null_p_value"]
    assert 0.001 < p_value <= 1


def past_looks(p_values: list[float]) -> None:
    models.Look.objects.bulk_create(
        models.Look(
            iteration_id=uuid4(), number=1, as_of=NOW - DAY, is_final=True, found={"null_p_value": p_value}
        )
        for p_value in p_values
    )


def test_an_engine_whose_null_comparisons_are_not_chance_shows_no_result_and_says_why() -> None:
    iteration = spending(a_shop())
    came(iteration, buyers=(0.5, 0.9))
    past_looks([number / 400 for number in range(200)])
    report = refresh(iteration.id, NOW + 2 * DAY)
    assert report.results is None
    assert report.verdict is VerdictState.WITHHELD_SRM
    assert "Comparisons without a difference do not look like chance" in report.sentence
    assert "variant" not in report.sentence


def test_null_comparisons_that_look_like_chance_say_nothing() -> None:
    iteration = spending(a_shop())
    came(iteration, buyers=(0.5, 0.9))
    past_looks([(number + 0.5) / 200 for number in range(200)])
    models.Look.objects.create(
        iteration_id=uuid4(), number=1, as_of=NOW, is_final=True, found={"null_p_value": None}
    )
    report = refresh(iteration.id, NOW + 2 * DAY)
    assert report.results is not None
    assert "null_p_values" not in keys(report)
