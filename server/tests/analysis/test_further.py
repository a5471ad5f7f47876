"""Readings beside the decision: they explain, are as wide as the look's own intervals, and decide nothing."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from people import NOW
from scenes import Shop, a_design, a_draft_experiment, a_metric, a_running_experiment, a_shop, launched
from traffic import Visit, visited

from equipoise_server.analysis.actions import refresh
from equipoise_server.analysis.values import Further, Report
from equipoise_server.experiments.values import Experiment, Iteration, MetricRole, PlannedMetric
from equipoise_server.metrics.values import Aggregate, Definition, Fact, MetricKind

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SPENT = Definition(MetricKind.SUM, Fact("buy", Aggregate.SUM), window=DAY)
UNITS = 6_000


def running(
    shop: Shop, key: str = "checkout-button", *, window: timedelta = DAY, units: str = "spent"
) -> Experiment:
    metric = f"{units}-{key}"
    a_metric(shop, metric, replace(SPENT, window=window))
    planned = (PlannedMetric(metric, MetricRole.OEC),)
    design = a_design(
        key, metrics=planned, baseline_deviation=4.0, looks=None, breakdowns=("platform",)
    )  # fmt: skip
    return a_running_experiment(shop, key, design)


def iteration_of(experiment: Experiment) -> Iteration:
    assert experiment.iteration is not None
    return experiment.iteration


def further(report: Report) -> Further:
    assert report.results is not None
    return report.results.further


def arm_of(unit: int) -> str:
    return ("control", "treatment")[unit % 2]


def test_segments_are_shrunk_and_small_ones_hidden() -> None:
    iteration, dice = iteration_of(running(a_shop())), random.Random(1)
    visits = []
    for unit in range(UNITS):
        platform = "watch" if unit < 30 else ("ios", "android")[unit // 2 % 2]
        better = 2.0 if platform == "ios" and arm_of(unit) == "treatment" else 0.0
        did = (("buy", dice.gauss(10 + better, 3), HOUR),)
        visits.append(Visit(f"u{unit}", arm_of(unit), NOW + HOUR, did, attributes={"platform": platform}))
    visited(iteration, visits, now=NOW + DAY)
    (table,) = further(refresh(iteration.id, NOW + 2 * DAY)).segments
    lifts = {line.value: line for line in table.lines}
    assert set(lifts) == {"ios", "android"}
    assert table.hidden == 1
    ios, android = lifts["ios"], lifts["android"]
    assert ios.lift is not None
    assert android.lift is not None
    assert 0.1 < ios.lift < 0.25
    assert abs(android.lift) < 0.05
    assert table.differs_p_value is not None
    assert table.differs_p_value < 0.001


def test_an_effect_that_fades_is_called_a_novelty() -> None:
    iteration, dice = iteration_of(running(a_shop(), window=7 * DAY)), random.Random(2)
    visits = []
    for unit in range(UNITS):
        treated = arm_of(unit) == "treatment"
        did = tuple(
            ("buy", dice.gauss(5, 1) + (max(0.0, 2 - 0.8 * day) if treated else 0.0), day * DAY + HOUR)
            for day in range(7)
        )
        visits.append(Visit(f"u{unit}", arm_of(unit), NOW + HOUR, did))
    visited(iteration, visits, now=NOW + 11 * DAY)
    (line,) = further(refresh(iteration.id, NOW + 11 * DAY)).novelty
    assert (line.trend, line.days, line.units) == ("novelty", 7, UNITS)
    assert line.slope is not None
    assert line.slope < 0


@pytest.mark.parametrize("window", [DAY, 7 * DAY])
def test_what_happens_once_is_no_novelty(window: timedelta) -> None:
    iteration, dice = iteration_of(running(a_shop(), window=window)), random.Random(2)
    visits = [
        Visit(f"u{unit}", arm_of(unit), NOW + HOUR, (("buy", dice.gauss(5 + unit % 2, 1), HOUR),))
        for unit in range(UNITS)
    ]
    visited(iteration, visits, now=NOW + 11 * DAY)
    assert further(refresh(iteration.id, NOW + 11 * DAY)).novelty == ()


def test_units_that_the_change_could_touch_are_read_alone_and_for_everybody() -> None:
    iteration, dice = iteration_of(running(a_shop())), random.Random(3)
    visits = []
    for unit in range(UNITS):
        touched = unit // 2 % 4 == 0
        better = 2.0 if touched and arm_of(unit) == "treatment" else 0.0
        did = (("buy", dice.gauss(10 + better, 2), HOUR),)
        visits.append(Visit(f"u{unit}", arm_of(unit), NOW + HOUR, did, differs=touched))
    visited(iteration, visits, now=NOW + DAY)
    (line,) = further(refresh(iteration.id, NOW + 2 * DAY)).triggered
    assert line.share == pytest.approx(0.25)
    assert line.is_valid
    assert line.lift == pytest.approx(0.2, abs=0.03)
    assert line.everybody == pytest.approx(0.05, abs=0.01)


def test_another_experiment_that_changes_the_effect_is_named() -> None:
    shop = a_shop()
    mine, theirs = iteration_of(running(shop)), iteration_of(running(shop, "banner"))
    dice, here, there = random.Random(4), [], []
    for unit in range(8_000):
        banner = ("control", "treatment")[unit // 2 % 2]
        together = 2.0 if arm_of(unit) == "treatment" and banner == "treatment" else 0.0
        here.append(
            Visit(f"u{unit}", arm_of(unit), NOW + HOUR, (("buy", dice.gauss(10 + together, 2), HOUR),))
        )
        there.append(Visit(f"u{unit}", banner, NOW + HOUR))
    visited(mine, here, now=NOW + DAY)
    visited(theirs, there, now=NOW + DAY)
    (line,) = further(refresh(mine.id, NOW + 2 * DAY)).interactions
    assert (line.experiment, line.state, line.is_dependent) == ("banner", "interacts", False)
    assert line.p_value is not None
    assert line.p_value < 0.001


def test_a_second_reading_weighs_what_shipping_and_waiting_lose() -> None:
    shop = a_shop()
    draft = a_draft_experiment(shop, design=a_design(looks=None))
    iteration, dice = iteration_of(launched(shop, draft)), random.Random(5)
    visits = [
        Visit(f"u{unit}", arm_of(unit), NOW + HOUR,
              (("purchase", None, HOUR),) if dice.random() < (0.3 if unit % 2 else 0.2) else ())
        for unit in range(UNITS)
    ]  # fmt: skip
    visited(iteration, visits, now=NOW + DAY)
    (line,) = further(refresh(iteration.id, NOW + 2 * DAY)).bayes
    assert line.probability_better > 0.99
    assert line.loss_of_shipping < 0.001 < line.loss_of_holding
    assert 0 < line.lift < 0.5
