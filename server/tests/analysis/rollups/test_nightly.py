"""A state that differs from the raw events is found, discarded and made again; erased units leave it."""

from __future__ import annotations

import random

import pytest
from people import NOW
from scenes import a_running_experiment, a_shop, later
from traffic import Visit, visited

from equipoise_server.analysis.actions import audit_rollups, forget_units, refresh
from equipoise_server.analysis.rollups.keeping import state_path
from equipoise_server.analysis.rollups.nightly import StateDiffers
from equipoise_server.analysis.rollups.state import open_state
from equipoise_server.experiments.values import Iteration

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


def test_a_true_state_passes_and_is_made_smaller(iteration: Iteration) -> None:
    assert audit_rollups() == 1
    assert audit_rollups() == 1


def test_a_false_state_is_discarded_loudly(iteration: Iteration, caplog: pytest.LogCaptureFixture) -> None:
    path = state_path(iteration.environment_id)
    with open_state(path) as state:
        (table,) = state.run(
            "SELECT t.table_name FROM duckdb_tables() AS t WHERE t.table_name LIKE 'totals%' LIMIT 1"
        )[0]
        state.run(f"DELETE FROM {table} WHERE rowid % 3 = 0")
    with pytest.raises(StateDiffers, match="checkout-button#1"):
        audit_rollups()
    assert not path.exists()
    assert "differs from raw events" in caplog.text
    refresh(iteration.id, later(3))
    assert audit_rollups() == 1


def test_a_forgotten_unit_is_in_no_byte_of_the_state(iteration: Iteration) -> None:
    path = state_path(iteration.environment_id)
    assert b"u17" in path.read_bytes()
    assert forget_units(iteration.environment_id, "user", ["u17", "nobody"]) == 1
    assert b"u17" not in path.read_bytes()
    with open_state(path) as state:
        assert state.run("SELECT COUNT(*) FROM units") == [(59,)]
