"""Click-through and view-through metrics find what was planted, and nothing that would have come anyway."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from people import NOW
from scenes import Shop, a_design, a_metric, a_running_experiment, a_shop, the_metrics
from traffic import Visit, visited

from equipoise_server.analysis.actions import refresh
from equipoise_server.analysis.refreshing import running_plans
from equipoise_server.experiments.actions import AddMetric, add_metric
from equipoise_server.experiments.values import MetricRole, PlannedMetric
from equipoise_server.metrics.values import (
    Aggregate,
    Definition,
    Fact,
    MetricKind,
    Through,
    Touch,
    TouchPreset,
    preset_touch,
)

pytestmark = pytest.mark.django_db
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MOMENT = timedelta(microseconds=1)
CLICK = preset_touch(TouchPreset.CLICK_THROUGH_1D, Fact("banner_clicked"))
VIEW = preset_touch(TouchPreset.VIEW_THROUGH_7D, Fact("banner_seen"))
BUYS = Fact("purchase")
REVENUE = Fact("purchase", Aggregate.SUM)
UNITS = 240
Did = tuple[str, float | None, timedelta]


def measured(shop: Shop, did: tuple[Did, ...], **definitions: Definition) -> dict[str, float | None]:
    """What the metrics say of units that all did the same: of each of them, that is."""
    the_metrics(shop)
    for key, definition in definitions.items():
        a_metric(shop, key, definition)
    planned = [PlannedMetric("purchase", MetricRole.OEC)]
    planned += [PlannedMetric(key, MetricRole.SECONDARY) for key in definitions]
    experiment = a_running_experiment(shop, design=a_design(metrics=tuple(planned), looks=None))
    assert experiment.iteration is not None
    visits = [Visit(f"u{n}", ("control", "treatment")[n % 2], NOW + HOUR, did) for n in range(UNITS)]
    visited(experiment.iteration, visits, now=NOW + 9 * DAY)
    report = refresh(experiment.iteration.id, NOW + 9 * DAY)
    assert report.results is not None
    return {row.metric: row.control_value for row in report.results.rows if row.metric in definitions}


def test_the_time_line_of_the_documentation_counts_as_it_says() -> None:
    did: tuple[Did, ...] = (
        ("purchase", 1.0, 1 * HOUR),
        ("banner_seen", None, 2 * HOUR),
        ("purchase", 2.0, 5 * HOUR),
        ("banner_clicked", None, DAY),
        ("purchase", 4.0, DAY + 20 * HOUR),
        ("purchase", 8.0, 2 * DAY),
        ("purchase", 16.0, 7 * DAY + 3 * HOUR),
    )
    week, longer = 7 * DAY, 8 * DAY
    found = measured(
        a_shop(),
        did,
        everything=Definition(MetricKind.SUM, REVENUE, window=longer),
        click=Definition(MetricKind.SUM, REVENUE, window=longer, touches=(CLICK,)),
        view=Definition(MetricKind.SUM, REVENUE, window=longer, touches=(VIEW,)),
        either=Definition(MetricKind.SUM, REVENUE, window=longer, touches=(CLICK, VIEW)),
        times=Definition(MetricKind.COUNT, BUYS, window=week, touches=(CLICK, VIEW)),
    )
    assert found == {"everything": 31.0, "click": 4.0, "view": 14.0, "either": 14.0, "times": 3.0}


def test_a_window_holds_its_first_instant_and_not_its_last() -> None:
    did: tuple[Did, ...] = (
        ("banner_clicked", None, -MINUTE),
        ("purchase", 1.0, MINUTE),
        ("banner_clicked", None, HOUR),
        ("purchase", 2.0, HOUR),
        ("purchase", 4.0, HOUR + DAY - MOMENT),
        ("purchase", 8.0, HOUR + DAY),
    )
    found = measured(a_shop(), did, click=Definition(MetricKind.SUM, REVENUE, touches=(CLICK,)))
    assert found == {"click": 6.0}


def planted(planted_buyers: Counter[str]) -> Iterator[Visit]:
    """A fifth buys anyway, untouched; a click sells to 30 % of those who click, who are more in treatment."""
    dice = random.Random(7)
    for n in range(2_000):
        arm = ("control", "treatment")[n % 2]
        did: list[Did] = []
        if dice.random() < 0.2:
            did.append(("purchase", 10.0, MINUTE))
        if dice.random() < (0.3 if arm == "control" else 0.5):
            clicked = dice.uniform(1, 3) * DAY
            did.append(("mail_opened", None, clicked))
            if dice.random() < 0.3:
                did.append(("purchase", 10.0, clicked + dice.uniform(0, 11.9) * HOUR))
                planted_buyers[arm] += 1
            if dice.random() < 0.3:  # too late to be put down to it
                did.append(("purchase", 10.0, clicked + dice.uniform(12.1, 60) * HOUR))
        yield Visit(f"u{n}", arm, NOW + dice.random() * DAY, tuple(did))


def test_what_a_click_sold_is_found_beside_what_sells_anyway() -> None:
    shop, sold = a_shop(), Counter[str]()
    the_metrics(shop)
    touch = Touch(Through.CLICK, Fact("mail_opened"), 12 * HOUR)
    a_metric(shop, "sold-by-mail", Definition(MetricKind.CONVERSION, BUYS, touches=(touch,)))
    planned = (
        PlannedMetric("purchase", MetricRole.OEC),
        PlannedMetric("sold-by-mail", MetricRole.SECONDARY),
    )
    experiment = a_running_experiment(shop, design=a_design(metrics=planned, looks=None))
    assert experiment.iteration is not None
    visited(experiment.iteration, planted(sold), now=NOW + 9 * DAY)
    report = refresh(experiment.iteration.id, NOW + 16 * DAY)
    assert report.results is not None
    rows = {row.metric: row for row in report.results.rows}
    mail, every = rows["sold-by-mail"], rows["purchase"]
    assert mail.control_value == pytest.approx(sold["control"] / 1_000, rel=1e-12)
    assert mail.treatment_value == pytest.approx(sold["treatment"] / 1_000, rel=1e-12)
    assert mail.lift is not None
    assert every.lift is not None
    assert mail.lift > 2 * every.lift > 0
    assert running_plans(experiment.iteration.environment_id) == ()


def test_a_running_experiment_that_is_given_such_a_metric_late_has_its_whole_history() -> None:
    shop, sold = a_shop(), Counter[str]()
    the_metrics(shop)
    planned = (PlannedMetric("purchase", MetricRole.OEC),)
    experiment = a_running_experiment(shop, design=a_design(metrics=planned, looks=None))
    assert experiment.iteration is not None
    iteration = experiment.iteration
    visited(iteration, planted(sold), now=NOW + 9 * DAY)
    early = refresh(iteration.id, NOW + 10 * DAY)
    assert len(running_plans(iteration.environment_id)) == 1
    touch = Touch(Through.CLICK, Fact("mail_opened"), 12 * HOUR)
    a_metric(shop, "sold-by-mail", Definition(MetricKind.CONVERSION, BUYS, touches=(touch,)))
    add_metric(shop.owner, AddMetric(experiment.id, experiment.version, "sold-by-mail"), now=NOW + 10 * DAY)
    late = refresh(iteration.id, NOW + 11 * DAY)
    assert running_plans(iteration.environment_id) == ()
    assert early.results is not None
    assert late.results is not None
    rows = {row.metric: row for row in late.results.rows}
    assert rows["sold-by-mail"].role is MetricRole.DIAGNOSTIC
    assert rows["sold-by-mail"].treatment_value == pytest.approx(sold["treatment"] / 1_000, rel=1e-12)
    assert rows["purchase"].control_value == pytest.approx(early.results.rows[0].control_value, rel=1e-12)
