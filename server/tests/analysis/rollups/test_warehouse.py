"""A running experiment's answers from the state are those from raw events."""

from __future__ import annotations

import random
from datetime import timedelta
from uuid import uuid4

import numpy as np
import pytest
from people import NOW
from scenes import a_running_experiment, a_shop
from traffic import Visit, visited

from equipoise_server.analysis.actions import refresh
from equipoise_server.analysis.moments import Files, Warehouse
from equipoise_server.analysis.plan import Plan, Span, plan_of
from equipoise_server.analysis.refreshing import measured_metrics, running_plans
from equipoise_server.analysis.rollups.keeping import current_state, state_path
from equipoise_server.analysis.rollups.warehouse import RolledWarehouse
from equipoise_server.events import reads
from equipoise_server.events.actions import compact, record
from equipoise_server.events.values import EventKind, Track
from equipoise_server.experiments.values import Iteration

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOON = NOW.replace(hour=0) + 4 * DAY + 12 * HOUR
MIDNIGHT = NOW.replace(hour=0) + 4 * DAY


@pytest.fixture(autouse=True)
def own_disk(tmp_path: object, settings: pytest.FixtureRequest) -> None:
    settings.DATA_DIRECTORY = tmp_path


def a_run() -> tuple[Iteration, Plan]:
    iteration = a_running_experiment(a_shop()).iteration
    assert iteration is not None
    return iteration, plan_of(iteration, measured_metrics(iteration))


def some_traffic(iteration: Iteration, dice: random.Random, units: range) -> None:
    visits = [
        Visit(
            f"u{unit}", dice.choice(("control", "treatment", "treatment", "override")),
            NOW + timedelta(hours=dice.uniform(0, 90)),
            tuple((dice.choice(("purchase", "page")), dice.choice((None, dice.uniform(1, 9))),
                   timedelta(hours=dice.uniform(-5, 40))) for _ in range(dice.randint(0, 4))),
        )
        for unit in units for _ in range(dice.randint(1, 2))
    ]  # fmt: skip
    visited(iteration, visits, now=NOON)


def files_of(iteration: Iteration) -> Files:
    span = {"since": NOW - DAY, "until": NOW + 30 * DAY}
    found = (reads.pinned_files(iteration.environment_id, kind, **span).paths for kind in EventKind)
    return Files(*found)


@pytest.mark.parametrize(
    "span",
    [
        Span(NOON, NOON),
        Span(MIDNIGHT, MIDNIGHT),
        Span(MIDNIGHT, MIDNIGHT - DAY),
        Span(NOON - HOUR, NOON - HOUR),
    ],
    ids=["now", "midnight", "matured", "told by raw events"],
)
def test_state_and_raw_events_answer_alike(span: Span) -> None:
    iteration, plan = a_run()
    dice = random.Random(3)
    some_traffic(iteration, dice, range(40))
    with current_state(iteration.environment_id, plan, lambda: [plan], now=NOON - 2 * HOUR):
        pass
    some_traffic(iteration, dice, range(30, 80))
    other = Track(id=uuid4(), at=NOW + HOUR, name="page", units={"account": "a1"})
    record(iteration.environment_id, [other], now=NOON)
    compact(now=NOON)
    plans = lambda: running_plans(iteration.environment_id)  # noqa: E731  # asked for when needed
    with current_state(iteration.environment_id, plan, plans, now=NOON) as state:
        assert state is not None
        files = files_of(iteration)
        rolled, raw = RolledWarehouse(files, state), Warehouse(files)
        assert rolled.counts(plan, span) == raw.counts(plan, span)
        assert rolled.strangers(plan, span) == raw.strangers(plan, span)
        assert rolled.unjoinable(plan, span) == raw.unjoinable(plan, span)
        pivots = {"purchase": 1.0}
        found, wanted = rolled.moments(plan, span, pivots), raw.moments(plan, span, pivots)
        assert sorted(found) == sorted(wanted) == ["control", "treatment"]
        for arm, one in wanted.items():
            assert (found[arm].moments.n, found[arm].crossed) == (one.moments.n, one.crossed)
            np.testing.assert_allclose(found[arm].moments.means, one.moments.means, rtol=1e-9)
            np.testing.assert_allclose(
                found[arm].moments.comoments, one.moments.comoments, rtol=1e-9, atol=1e-9
            )


def test_a_report_is_the_same_without_the_state() -> None:
    iteration, _ = a_run()
    some_traffic(iteration, random.Random(4), range(200))
    from_state = refresh(iteration.id, NOON)
    path = state_path(iteration.environment_id)
    assert path.exists()
    path.write_bytes(b"no database")
    assert refresh(iteration.id, NOON).arms == from_state.arms
    assert not path.exists() or path.read_bytes() != b"no database"


def test_a_broken_state_is_made_again() -> None:
    iteration, plan = a_run()
    some_traffic(iteration, random.Random(5), range(20))
    path = state_path(iteration.environment_id)
    path.parent.mkdir()
    path.write_bytes(b"no database")
    with current_state(iteration.environment_id, plan, lambda: [plan], now=NOON) as state:
        assert state is None
    with current_state(iteration.environment_id, plan, lambda: [plan], now=NOON) as state:
        assert state is not None
