"""Looks before a planned end: on schedule, of matured units, kept in a ledger, and none after the last."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from agreeing import assert_the_same
from people import NOW
from scenes import Shop, a_design, a_metric, a_running_experiment, a_shop
from traffic import Visit, visited

import equipoise_stats as stats
from equipoise_server.analysis import reads
from equipoise_server.analysis.actions import refresh
from equipoise_server.analysis.judging import planned_units
from equipoise_server.analysis.looks import due_looks, planned_looks
from equipoise_server.analysis.values import Conclusion, Method, Report
from equipoise_server.experiments.actions import Stop, stop
from equipoise_server.experiments.values import (
    Experiment,
    Iteration,
    Looks,
    MetricRole,
    PlannedMetric,
    Spending,
    VerdictState,
)
from equipoise_server.metrics.values import Definition, Fact, Margin, MarginKind, MetricKind

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0) + DAY
SHORT = Definition(MetricKind.CONVERSION, Fact("buy"), window=DAY)
ALONE = (PlannedMetric("buy", MetricRole.OEC),)


def iteration_of(experiment: Experiment) -> Iteration:
    assert experiment.iteration is not None
    return experiment.iteration


def running(shop: Shop, **changes: object) -> Experiment:
    """Eight planned days of 500 units; they respond within a day."""
    a_metric(shop, "buy", SHORT)
    design = a_design(metrics=ALONE, planned_days=8, daily_units=500)
    return a_running_experiment(shop, design=replace(design, **changes))  # type: ignore[arg-type]  # a shorthand


def buyers(days: int, lift: float = 0.0, *, a_day: int = 500, rate: float = 0.2) -> list[Visit]:
    dice = random.Random(11)
    visits = []
    for unit in range(days * a_day):
        arm = ("control", "treatment")[unit % 2]
        buys = dice.random() < rate * (1 + (lift if arm == "treatment" else 0.0))
        given = {"platform": ("ios", "android", "web")[unit // 2 % 3], "visits": dice.random()}
        did = (("buy", None, HOUR),) if buys else ()
        visits.append(Visit(f"u{unit}", arm, NOW + DAY * unit / a_day, did, attributes=given))
    return visits


def with_visits(visits: list[Visit]) -> list[Visit]:
    """Half of them also visit, whatever they buy."""
    dice = random.Random(5)
    return [
        replace(one, did=(*one.did, ("visit", None, HOUR))) if dice.random() < 0.5 else one for one in visits
    ]


def looked(iteration: Iteration, days: float) -> Report:
    return refresh(iteration.id, NOW.replace(hour=0) + days * DAY + HOUR)


def test_a_planned_end_is_looked_at_by_repeated_intervals_of_matured_units() -> None:
    iteration = iteration_of(running(a_shop()))
    assert planned_units(iteration, DAY) == 3_500
    visited(iteration, buyers(8, 0.05), now=NOW + 9 * DAY)
    early = looked(iteration, 1)
    assert early.results is None
    assert early.withheld is not None
    assert "1 day to respond" in early.withheld.explanation
    report = looked(iteration, 4)
    assert report.results is not None
    assert report.results.method is Method.GROUP_SEQUENTIAL
    assert report.results.is_final is False
    (row,) = report.results.rows
    assert row.look is not None
    assert row.control_units + row.treatment_units == round(row.look.information * 3_500)
    assert row.control_units + row.treatment_units < sum(arm.exposed for arm in report.arms)
    plan = stats.LookRule(stats.LookPlan(), 0.05)
    times = (row.look.information,)
    assert row.look.critical > plan.look_at(times, ended=False).critical - 1
    assert row.look.critical > 2.5
    assert report.results.plan is not None
    assert (report.results.plan.looks_taken, report.results.plan.looks_planned) == (3, 9)


def test_the_ledger_grows_by_a_look_a_day_and_ends_at_the_planned_end() -> None:
    iteration = iteration_of(running(a_shop()))
    visited(iteration, buyers(8, 0.05), now=NOW + 9 * DAY)
    last = looked(iteration, 9)
    assert last.results is not None
    assert last.results.is_final is True
    assert last.results.looked_at == iteration.planned_end_at
    (row,) = last.results.rows
    assert row.look is not None
    assert row.look.is_last
    assert row.look.alpha_spent == pytest.approx(0.05)
    assert row.look.information == pytest.approx(1.0, abs=0.01)
    assert row.look.critical == pytest.approx(2.06, abs=0.06)
    assert [point.lift is None for point in last.results.lift_over_time] == [True] + 7 * [False]
    assert looked(iteration, 12).results == last.results


def test_alpha_is_held_over_all_looks_where_a_fixed_end_after_sequences_would_not() -> None:
    """Of the planned looks, the sizes of all bounds together spend five percent and no more."""
    times = stats.equal_looks(7)
    bounds = stats.group_sequential_bounds(times)
    assert stats.overall_error(times, bounds.critical) == pytest.approx(0.05, abs=1e-6)


def test_a_plan_of_few_looks_is_kept() -> None:
    shop = a_shop()
    iteration = iteration_of(running(shop, looks=Looks(2, Spending.POCOCK)))
    assert planned_looks(iteration) == 2
    assert [look.as_of for look in due_looks(iteration, now=NOW + 9 * DAY)] == [
        MIDNIGHT + 4 * DAY, iteration.planned_end_at,
    ]  # fmt: skip
    one = replace(iteration, design=replace(iteration.design, looks=Looks(1)))
    assert [look.is_planned_end for look in due_looks(one, now=NOW + 9 * DAY)] == [True]


def test_a_clear_effect_wins_at_an_early_look() -> None:
    iteration = iteration_of(running(a_shop(), planned_days=14))
    visited(iteration, buyers(10, 0.6), now=NOW + 11 * DAY)
    report = looked(iteration, 10)
    assert report.verdict is VerdictState.WINNING
    assert report.results is not None
    assert report.results.is_final is False


def test_more_units_than_planned_make_the_last_look_early() -> None:
    iteration = iteration_of(running(a_shop(), planned_days=14, daily_units=300))
    visited(iteration, buyers(10), now=NOW + 11 * DAY)
    report = looked(iteration, 10)
    assert report.results is not None
    assert report.results.is_final is True
    assert report.results.looked_at < NOW + 10 * DAY
    assert looked(iteration, 13).results == report.results


def test_an_early_stop_takes_a_look_without_spending_what_was_meant_for_the_end() -> None:
    shop = a_shop()
    experiment = running(shop)
    iteration = iteration_of(experiment)
    visited(iteration, buyers(6, 0.02), now=NOW + 7 * DAY)
    stopped = stop(shop.owner, Stop(experiment.id, "A campaign begins."), now=NOW + 5 * DAY)
    report = refresh(iteration.id, NOW + 6 * DAY)
    assert report.results is not None
    assert report.results.is_final is True
    (row,) = report.results.rows
    assert row.look is not None
    assert not row.look.is_last
    assert row.look.alpha_spent < 0.03
    assert reads.has_final_report(iteration.id, stopped_at=iteration_of(stopped).stopped_at)


def test_a_stop_before_any_unit_matured_gives_no_number_and_is_final() -> None:
    shop = a_shop()
    experiment = running(shop)
    iteration = iteration_of(experiment)
    visited(iteration, buyers(1), now=NOW + DAY)
    stopped = stop(shop.owner, Stop(experiment.id, "A mistake."), now=NOW + 2 * HOUR)
    report = refresh(iteration.id, NOW + DAY)
    assert report.withheld is not None
    assert report.withheld.title == "Stopped too early for results"
    assert reads.has_final_report(iteration.id, stopped_at=iteration_of(stopped).stopped_at)


def test_without_planned_looks_the_end_is_a_sequence_too() -> None:
    iteration = iteration_of(running(a_shop(), looks=None))
    visited(iteration, buyers(8), now=NOW + 9 * DAY)
    report = looked(iteration, 9)
    assert report.results is not None
    assert (report.results.method, report.results.is_final) == (Method.CONFIDENCE_SEQUENCE, True)


def test_a_notebook_makes_a_running_experiments_report_with_everything_in_it() -> None:
    shop = a_shop()
    a_metric(shop, "visit", replace(SHORT, fact=Fact("visit")))
    guard = PlannedMetric(
        "visit", MetricRole.GUARDRAIL, Margin(MarginKind.RELATIVE, 0.5), bound=0.0001,
        alarm_margin=Margin(MarginKind.RELATIVE, 0.9),
    )  # fmt: skip
    changes = {
        "metrics": (*ALONE, guard),
        "covariates": ("visits",),
        "strata": "platform",
        "breakdowns": ("platform",),
    }
    iteration = iteration_of(running(shop, **changes))
    visited(iteration, with_visits(buyers(8, 0.3)), now=NOW + 9 * DAY)
    report = looked(iteration, 7)
    found = stats.analyse(*stats.from_document(reads.evidence_of(iteration.id)))
    assert isinstance(found, stats.Results)
    assert report.results is not None
    assert_the_same(report.results.rows, found)
    buy, visit = report.results.rows
    assert buy.adjusted_for == ("visits", "platform")
    assert visit.guardrail is not None
    assert (visit.guardrail.bound, visit.guardrail.bound_state) == (0.0001, "pass")
    table = report.results.further.segments[0]
    assert {line.value for line in table.lines} == {"ios", "android", "web"}
    assert table.hidden == 0
    (bayes,) = report.results.further.bayes
    assert bayes.probability_better > 0.9
    assert bayes.prior_experiments == 0


def test_several_metrics_decide_by_their_weights() -> None:
    shop = a_shop()
    a_metric(shop, "visit", replace(SHORT, fact=Fact("visit")))
    parts = (
        PlannedMetric("buy", MetricRole.OEC, weight=70),
        PlannedMetric("visit", MetricRole.OEC, weight=30),
    )
    iteration = iteration_of(running(shop, metrics=parts, looks=None))
    visited(iteration, with_visits(buyers(8, 0.5)), now=NOW + 9 * DAY)
    report = looked(iteration, 8)
    assert report.results is not None
    whole, buy, visit = report.results.rows
    assert (whole.metric, whole.role, whole.control_value) == (":oec", MetricRole.OEC, None)
    assert (buy.role, buy.weight, visit.weight) == (MetricRole.DIAGNOSTIC, 0.7, 0.3)
    assert whole.lift == pytest.approx(0.7 * (buy.lift or 0) + 0.3 * (visit.lift or 0))
    assert whole.conclusion is Conclusion.BETTER
    assert buy.conclusion is Conclusion.NOT_READ
    assert report.sentence.startswith("Green raises the weighted OEC by ")
    assert report.verdict is VerdictState.WINNING
