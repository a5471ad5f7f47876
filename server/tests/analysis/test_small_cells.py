"""Fewer than 20 units in an arm are not shown in any breakdown, and the reason is named."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest
from people import NOW
from scenes import Shop, a_design, a_metric, a_running_experiment, a_shop
from traffic import Visit, visited

from equipoise_server.analysis.actions import refresh
from equipoise_server.analysis.small_cells import TOO_FEW
from equipoise_server.analysis.split import localised
from equipoise_server.analysis.values import Further
from equipoise_server.experiments.values import Iteration, MetricRole, PlannedMetric
from equipoise_server.metrics.values import Aggregate, Definition, Fact, MetricKind

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SPENT = Definition(MetricKind.SUM, Fact("buy", Aggregate.SUM), window=DAY)


def running(shop: Shop, key: str = "checkout-button", *, window: timedelta = DAY) -> Iteration:
    a_metric(shop, f"spent-{key}", replace(SPENT, window=window))
    planned = (PlannedMetric(f"spent-{key}", MetricRole.OEC),)
    design = a_design(
        key, metrics=planned, baseline_deviation=4.0, looks=None, breakdowns=("platform",)
    )  # fmt: skip
    iteration = a_running_experiment(shop, key, design).iteration
    assert iteration is not None
    return iteration


def arm_of(unit: int) -> str:
    return ("control", "treatment")[unit % 2]


def spending(units: Iterable[int], **given: object) -> list[Visit]:
    dice = random.Random(5)
    at = given.pop("at", NOW + HOUR)
    return [
        Visit(f"u{unit}", arm_of(unit), at, (("buy", dice.gauss(10, 2), HOUR),), **given)  # type: ignore[arg-type]  # as the test says
        for unit in units
    ]


def further(iteration: Iteration, days: float) -> Further:
    results = refresh(iteration.id, NOW + days * DAY).results
    assert results is not None
    return results.further


@pytest.mark.parametrize(("units", "is_shown"), [(38, False), (40, True)])
def test_a_segment_of_nineteen_in_an_arm_is_hidden_and_of_twenty_shown(units: int, is_shown: bool) -> None:
    iteration = running(a_shop())
    visits = spending(range(400), attributes={"platform": "ios"})
    visits += spending(range(400, 800), attributes={"platform": "android"})
    visits += spending(range(800, 800 + units), attributes={"platform": "watch"})
    visited(iteration, visits, now=NOW + DAY)
    (table,) = further(iteration, 2).segments
    assert ("watch" in {line.value for line in table.lines}) is is_shown
    assert (table.hidden, table.hidden_reason) == ((0, "") if is_shown else (1, TOO_FEW))


def test_few_triggered_units_are_not_shown() -> None:
    iteration = running(a_shop())
    visits = spending(range(30), differs=True) + spending(range(30, 600), differs=False)
    visited(iteration, visits, now=NOW + DAY)
    (line,) = further(iteration, 2).triggered
    assert line.reason == TOO_FEW
    assert (line.control_units, line.treatment_units, line.share, line.lift, line.everybody) == (None,) * 5


def test_the_tenure_of_few_units_is_not_shown() -> None:
    iteration = running(a_shop(), window=7 * DAY)
    visits = spending(range(30)) + spending(range(30, 600), at=NOW + 8 * DAY)
    visited(iteration, visits, now=NOW + 11 * DAY)
    (line,) = further(iteration, 11).novelty
    assert (line.reason, line.units, line.trend, line.slope, line.after) == (
        TOO_FEW,
        None,
        "unknown",
        None,
        None,
    )


def test_a_crossing_of_few_units_is_not_shown() -> None:
    shop = a_shop()
    mine, theirs = running(shop), running(shop, "banner")
    visited(mine, spending(range(600)), now=NOW + DAY)
    there = [Visit(f"u{unit}", arm_of(unit // 2), NOW + HOUR) for unit in range(40)]
    visited(theirs, there, now=NOW + DAY)
    (line,) = further(mine, 2).interactions
    assert (line.experiment, line.state, line.p_value) == ("banner", "too_small", None)
    assert line.reason == TOO_FEW


def test_the_place_of_a_mismatch_is_named_without_its_few_units() -> None:
    design = a_design()
    by_attribute = {
        "browser": {
            "chrome": {"control": 5_000, "treatment": 5_000},
            "old": {"control": 400, "treatment": 3},
            "rare": {"control": 15, "treatment": 0},
        }
    }
    found = {one.value: one for one in localised(design, [], by_attribute, []).suspects}
    assert found["old"].is_suspect
    assert found["old"].counts == (400, None)
    assert found["chrome"].counts == (5_000, 5_000)
    assert "rare" not in found
