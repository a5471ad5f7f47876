"""The one statement against a plain loop over the same events."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from uuid import uuid4

import numpy as np
import pytest
from people import NOW
from scenes import a_metric, a_running_experiment, a_shop, the_metrics
from traffic import Visit, visited

import equipoise_stats as stats
from equipoise_server.analysis.moments import Files, Warehouse, pivots_for
from equipoise_server.analysis.plan import Plan, Span, columns_of, plan_of
from equipoise_server.analysis.refreshing import measured_metrics
from equipoise_server.events import reads
from equipoise_server.events.actions import compact, record
from equipoise_server.events.values import EventKind, Track
from equipoise_server.experiments.values import Experiment, Iteration
from equipoise_server.metrics.values import Aggregate, Definition, Fact, MetricKind

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ENDS = NOW + 14 * DAY
WHOLE = Span(ENDS, ENDS)


def iteration_of(experiment: Experiment) -> Iteration:
    assert experiment.iteration is not None
    return experiment.iteration


def a_warehouse(iteration: Iteration) -> Warehouse:
    span = {"since": iteration.started_at, "until": ENDS}
    found = (reads.pinned_files(iteration.environment_id, kind, **span).paths for kind in EventKind)
    return Warehouse(Files(*found))


def a_plan(iteration: Iteration, definitions: Mapping[str, Definition]) -> Plan:
    columns = [column for key, one in definitions.items() for column in columns_of(key, one)]
    return Plan(
        iteration.experiment_key, iteration.number, "user", ("control", "treatment"), iteration.started_at,
        tuple(columns),
    )  # fmt: skip


DEFINITIONS = {
    "bought": Definition(MetricKind.CONVERSION, Fact("purchase"), window=2 * DAY),
    "purchases": Definition(MetricKind.COUNT, Fact("purchase"), window=5 * DAY, cap=2.0),
    "revenue": Definition(MetricKind.SUM, Fact("purchase", Aggregate.SUM), window=7 * DAY, cap=60.0),
    "basket": Definition(MetricKind.MEAN, Fact("purchase", Aggregate.SUM), window=7 * DAY),
    "rate": Definition(MetricKind.RATIO, Fact("purchase"), Fact("page"), window=3 * DAY),
}


def some_visits(dice: random.Random, units: int = 300) -> list[Visit]:
    """Units that come several times, some in both arms, and do things before and after."""
    visits = []
    for unit in range(units):
        for _ in range(dice.randint(1, 3)):
            did = tuple(
                (dice.choice(("purchase", "page", "other")), dice.choice((None, dice.uniform(0, 50))),
                 timedelta(hours=dice.uniform(-30, 200)))
                for _ in range(dice.randint(0, 5))
            )  # fmt: skip
            arm = (
                dice.choice(("control", "treatment"))
                if dice.random() < 0.05
                else ("control", "treatment")[unit % 2]
            )
            visits.append(Visit(f"u{unit}", arm, NOW + timedelta(hours=dice.uniform(0, 300)), did))
    return visits


def by_hand(visits: list[Visit], span: Span) -> dict[str, list[list[float]]]:
    """One row of numbers per unit and arm, from the definitions in words."""
    firsts: dict[str, Visit] = {}
    for visit in sorted(visits, key=lambda one: one.at):
        if visit.at < span.until:
            firsts.setdefault(visit.unit, visit)
    done = defaultdict(list)
    for visit in visits:
        for name, value, delay in visit.did:
            at = visit.at + delay
            if NOW <= at < span.until and visit.unit in firsts and at >= firsts[visit.unit].at:
                done[visit.unit].append((name, value, at - firsts[visit.unit].at))
    rows: dict[str, list[list[float]]] = defaultdict(list)
    for unit, first in firsts.items():
        if first.at < span.exposed_before:
            rows[first.arm].append(_numbers(done[unit]))
    return rows


def _numbers(done: list[tuple[str, float | None, timedelta]]) -> list[float]:
    def within(name: str, days: int) -> list[float | None]:
        return [value for event, value, after in done if event == name and after < days * DAY]

    week = [value for value in within("purchase", 7) if value is not None]
    return [
        1.0 if within("purchase", 2) else 0.0,
        min(float(len(within("purchase", 5))), 2.0),
        min(sum(week), 60.0),
        sum(week),
        float(len(week)),
        float(len(within("purchase", 3))),
        float(len(within("page", 3))),
    ]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("matured", [False, True])
def test_moments_equal_a_plain_loop_over_the_events(seed: int, matured: bool) -> None:
    iteration = iteration_of(a_running_experiment(a_shop()))
    visits = some_visits(random.Random(seed))
    visited(iteration, visits, now=ENDS)
    plan = a_plan(iteration, DEFINITIONS)
    span = Span(ENDS, ENDS - plan.longest_window) if matured else WHOLE
    found = a_warehouse(iteration).moments(plan, span, {})
    for arm, rows in by_hand(visits, span).items():
        wanted = stats.Moments.from_rows(tuple(column.name for column in plan.columns), rows)
        assert found[arm].moments.n == wanted.n
        np.testing.assert_allclose(found[arm].moments.means, wanted.means, rtol=1e-12)
        np.testing.assert_allclose(found[arm].moments.comoments, wanted.comoments, rtol=1e-9, atol=1e-9)
        assert found[arm].largest["revenue"] == pytest.approx(max(row[2] for row in rows))


def test_crossers_stay_in_their_first_arm_and_are_counted_there() -> None:
    iteration = iteration_of(a_running_experiment(a_shop()))
    visited(
        iteration,
        [
            Visit("u1", "control", NOW + HOUR), Visit("u1", "treatment", NOW + 2 * HOUR),
            Visit("u2", "treatment", NOW + HOUR), Visit("u3", "treatment", NOW + HOUR),
        ],
        now=ENDS,
    )  # fmt: skip
    plan = a_plan(iteration, DEFINITIONS)
    found = a_warehouse(iteration).moments(plan, WHOLE, {})
    assert {arm: (one.moments.n, one.crossed) for arm, one in found.items()} == {
        "control": (1, 1), "treatment": (2, 0)
    }  # fmt: skip


def test_exposures_before_the_start_of_another_iteration_or_unit_type_do_not_count() -> None:
    iteration = iteration_of(a_running_experiment(a_shop()))
    visited(iteration, [Visit("u1", "control", NOW - HOUR), Visit("u2", "override", NOW + HOUR)], now=ENDS)
    warehouse = a_warehouse(iteration)
    plan = a_plan(iteration, DEFINITIONS)
    assert warehouse.moments(plan, WHOLE, {}) == {}
    assert warehouse.strangers(plan, WHOLE) == {"override": 1}


def test_a_property_counts_only_with_its_type() -> None:
    iteration = iteration_of(a_running_experiment(a_shop()))
    visited(iteration, [Visit("u1", "control", NOW)], now=ENDS)
    amounts: list[object] = [2, "3", True, None, 4.5, 1e300]
    record(
        iteration.environment_id,
        [
            Track(id=uuid4(), at=NOW + HOUR, name="paid", units={"user": "u1"},
                  properties={"a/mount~": amount, "card": True, "quote": "it's", "vat": 7})
            for amount in amounts
        ],
        now=ENDS,
    )  # fmt: skip
    compact(now=ENDS)
    facts = {
        "paid": Fact("paid", Aggregate.SUM, "a/mount~"),
        "card": Fact("paid", where={"card": True, "quote": "it's", "vat": 7.0}),
        "text": Fact("paid", where={"card": "true"}),
    }
    definitions = {
        key: Definition(MetricKind.SUM if fact.aggregate is Aggregate.SUM else MetricKind.COUNT, fact)
        for key, fact in facts.items()
    }
    found = a_warehouse(iteration).moments(a_plan(iteration, definitions), WHOLE, {})
    assert found["control"].moments.means.tolist() == [6.5, 6.0, 0.0]


def test_a_large_mean_with_a_small_deviation_keeps_its_variance() -> None:
    iteration = iteration_of(a_running_experiment(a_shop()))
    dice = np.random.default_rng(1)
    values = {f"u{n}": 1e9 + dice.normal() for n in range(2_000)}
    visited(
        iteration,
        [
            Visit(unit, ("control", "treatment")[place % 2], NOW, (("balance", value, HOUR),))
            for place, (unit, value) in enumerate(values.items())
        ],
        now=ENDS,
    )
    plan = a_plan(iteration, {"balance": Definition(MetricKind.SUM, Fact("balance", Aggregate.SUM))})
    warehouse = a_warehouse(iteration)
    pivots = pivots_for(plan, warehouse.moments(plan, WHOLE, {}))
    assert pivots["balance"] == pytest.approx(1e9, abs=2)
    control = warehouse.moments(plan, WHOLE, pivots)["control"].moments
    wanted = float(np.var([value for place, value in enumerate(values.values()) if place % 2 == 0]))
    assert float(control.comoments[0, 0]) / control.n == pytest.approx(wanted, rel=1e-6)


def test_a_plan_reads_each_metric_at_its_frozen_version() -> None:
    shop = a_shop()
    the_metrics(shop)
    a_metric(shop, "extra", Definition(MetricKind.COUNT, Fact("extra")))
    iteration = iteration_of(a_running_experiment(shop))
    plan = plan_of(iteration, measured_metrics(iteration))
    assert [column.name for column in plan.columns] == ["purchase", "latency", "latency:denominator"]
    assert plan.events == ("purchase", "page")
