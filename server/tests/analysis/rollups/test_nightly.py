"""A state that differs from the raw events is found, discarded and made again; erased units leave it."""

from __future__ import annotations

import random

import pytest
from people import NOW
from scenes import a_running_experiment, a_shop, later
from traffic import Visit, visited

from equipoise_server.analysis.actions import audit_rollups, forget_units, refresh
from equipoise_server.analysis.reads import report_of
from equipoise_server.analysis.refreshing import running_plans
from equipoise_server.analysis.rollups.advance import make_sums
from equipoise_server.analysis.rollups.keeping import current_state, state_path
from equipoise_server.analysis.rollups.nightly import StateDiffers
from equipoise_server.analysis.rollups.state import open_state
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.values import Iteration, VerdictState

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_disk(tmp_path: object, settings: pytest.FixtureRequest) -> None:
    settings.DATA_DIRECTORY = tmp_path


@pytest.fixture
def iteration() -> Iteration:
    found = a_running_experiment(a_shop()).iteration
    assert found is not None
    dice = random.Random(1)
    visits = [
        Visit(f"u{n}", dice.choice(("control", "treatment")), later(dice.uniform(0, 2)),
              (("purchase", dice.uniform(1, 9), later(0.1) - NOW), ("page", 2.0, later(0.2) - NOW)))
        for n in range(60)
    ]  # fmt: skip
    visited(found, visits, now=later(3))
    refresh(found.id, later(3))
    return found


def falsify(iteration: Iteration) -> None:
    """Lose a third of what was counted of one event."""
    with open_state(state_path(iteration.environment_id)) as state:
        (table,) = state.run(
            "SELECT t.table_name FROM duckdb_tables() AS t WHERE t.table_name LIKE 'totals%' LIMIT 1"
        )[0]
        state.run(f"DELETE FROM {table} WHERE rowid % 3 = 0")


def test_a_true_state_passes_and_is_made_smaller(iteration: Iteration) -> None:
    assert audit_rollups(now=later(3)) == 1
    assert audit_rollups(now=later(4)) == 1
    report = report_of(iteration.id)
    assert report is not None
    assert report.verdict is not VerdictState.WITHHELD_STATE


def test_an_audit_reads_raw_events_though_more_have_come_since_the_last_refresh(iteration: Iteration) -> None:
    """A unit is moved to the other arm in everything that is kept, so that the state agrees with itself."""
    plans = running_plans(iteration.environment_id)
    with open_state(state_path(iteration.environment_id)) as state:
        moved = "SELECT MIN(f.u) FROM firsts AS f WHERE f.arm = 2"
        state.run(f"UPDATE firsts SET arm = 1 WHERE firsts.u = ({moved})")
        make_sums(state, [(plan, (0.0,) * len(plan.columns)) for plan in plans], now=state.as_of)
    visited(iteration, [Visit("u99", "control", later(3))], now=later(4))
    with pytest.raises(StateDiffers, match="in what was counted"):
        audit_rollups(now=later(4))


def test_a_false_state_is_discarded_loudly(iteration: Iteration, caplog: pytest.LogCaptureFixture) -> None:
    falsify(iteration)
    with pytest.raises(StateDiffers, match="checkout-button#1"):
        audit_rollups(now=later(3))
    assert not state_path(iteration.environment_id).exists()
    assert "differs from raw events" in caplog.text


def test_a_false_state_withholds_the_results_until_it_is_made_again_and_true(iteration: Iteration) -> None:
    before = report_of(iteration.id)
    assert before is not None
    falsify(iteration)
    with pytest.raises(StateDiffers):
        audit_rollups(now=later(3))
    withheld = report_of(iteration.id)
    assert withheld is not None
    assert (withheld.results, withheld.computed_at) == (None, before.computed_at)
    assert withheld.withheld is not None
    assert withheld.withheld.title == "Results are withheld: the state differs from the raw events"
    verdict = experiments.experiment(iteration.experiment_id).verdict
    assert verdict is not None
    assert (verdict.state, verdict.blocks_shipping) == (
        VerdictState.WITHHELD_STATE,
        (withheld.withheld.title,),
    )
    assert refresh(iteration.id, later(4)).verdict is not VerdictState.WITHHELD_STATE
    again = report_of(iteration.id)
    assert again is not None
    assert (again.arms, again.withheld, again.computed_at) == (before.arms, before.withheld, later(4))


def test_results_stay_withheld_while_the_state_is_false_again(iteration: Iteration) -> None:
    before = report_of(iteration.id)
    assert before is not None
    falsify(iteration)
    with pytest.raises(StateDiffers):
        audit_rollups(now=later(3))
    plans = running_plans(iteration.environment_id)
    with current_state(iteration.environment_id, plans[0], lambda: plans, now=later(4)):
        pass
    falsify(iteration)
    with pytest.raises(StateDiffers, match="checkout-button#1: the state differs from raw events"):
        refresh(iteration.id, later(5))
    withheld = report_of(iteration.id)
    assert withheld is not None
    assert (withheld.verdict, withheld.computed_at) == (VerdictState.WITHHELD_STATE, before.computed_at)
    refresh(iteration.id, later(6))
    assert audit_rollups(now=later(6)) == 1


def test_a_forgotten_unit_is_in_no_byte_of_the_state(iteration: Iteration) -> None:
    path = state_path(iteration.environment_id)
    assert b"u17" in path.read_bytes()
    assert forget_units(iteration.environment_id, "user", ["u17", "nobody"]) == 1
    assert b"u17" not in path.read_bytes()
    with open_state(path) as state:
        assert state.run("SELECT COUNT(*) FROM units") == [(59,)]
