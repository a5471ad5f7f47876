"""The state equals plain Python over everything that arrived, in whatever order and portions it came."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from analysis_state import assert_true
from histories import DEFINITIONS, STARTS, a_history, a_plan
from plain_units import DAY
from stored import Stored

from equipoise_server.analysis.rollups import sums
from equipoise_server.analysis.rollups.advance import StateAhead, advance
from equipoise_server.analysis.rollups.state import HASH, open_state

HOUR = DAY // 24


@pytest.mark.parametrize("seed", range(3))
def test_one_build_equals_plain_python(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when so few units fit into memory that they are added up in several goes."""
    monkeypatch.setattr(sums, "MOST_NUMBERS_AT_ONCE", (150, 700, 10_000_000)[seed])
    stored, plan = Stored(tmp_path), a_plan()
    stored.receive(*a_history(random.Random(seed), units=60))
    now = STARTS + 4 * DAY + 3 * HOUR
    with open_state(None) as state:
        advance(state, [plan], stored.arrived(), now=now)
        assert_true(state, plan, stored, now)


@pytest.mark.parametrize("seed", range(6))
def test_any_order_of_arrival_and_any_portions_give_the_same(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    stored, plan = Stored(tmp_path), a_plan()
    met, did = a_history(dice, units=40)
    dice.shuffle(met)
    dice.shuffle(did)
    with open_state(None) as state:
        for step in range(6):
            stored.receive(met[step::6], did[step::6])
            if dice.random() < 0.3:
                stored.merge()
            now = STARTS + DAY * (step + 1) - HOUR * dice.randint(0, 20)
            advance(state, [plan], stored.arrived(), now=now)
            assert_true(state, plan, stored, now)


def test_a_metric_and_an_experiment_added_late_have_their_whole_history(tmp_path: Path) -> None:
    stored = Stored(tmp_path)
    stored.receive(*a_history(random.Random(5), units=60))
    few = a_plan({key: DEFINITIONS[key] for key in ("bought", "basket")})
    every = a_plan()
    now = STARTS + 5 * DAY
    with open_state(None) as state:
        advance(state, [few], stored.arrived(), now=now - DAY)
        done = advance(state, [every], stored.arrived(), now=now)
        assert done.built == ("purchase", "page")
        assert_true(state, every, stored, now)
        assert advance(state, [few], stored.arrived(), now=now).built == ()
        assert_true(state, few, stored, now)


def test_news_touch_only_their_units(tmp_path: Path) -> None:
    stored, plan = Stored(tmp_path), a_plan()
    met, did = a_history(random.Random(7), units=80)
    stored.receive(met, did[1:])
    now = STARTS + 6 * DAY
    with open_state(None) as state:
        advance(state, [plan], stored.arrived(), now=now)
        again = advance(state, [plan], stored.arrived(), now=now)
        assert (again.touched, again.made, again.built, again.split_again) == (0, (), (), 0)
        unit = met[0].unit
        stored.receive(did=[one for one in a_history(random.Random(8), units=80)[1] if one.unit == unit])
        assert advance(state, [plan], stored.arrived(), now=now).touched <= 1
        assert_true(state, plan, stored, now)


def test_units_that_share_a_hash_are_counted_apart(tmp_path: Path) -> None:
    stored, plan = Stored(tmp_path), a_plan()
    one, other = units_that_share_a_hash()
    met, did = a_history(random.Random(11), units=20)
    names = {"u1": one, "u2": other}
    met = [replace(event, unit=names.get(event.unit, event.unit)) for event in met]
    did = [replace(event, unit=names.get(event.unit, event.unit)) for event in did]
    assert {one, other} <= {event.unit for event in (*met, *did)}
    with open_state(None) as state:
        for step, unit in enumerate((one, other, None), 3):
            stored.receive(
                [event for event in met if (event.unit if event.unit in {one, other} else None) == unit],
                [event for event in did if (event.unit if event.unit in {one, other} else None) == unit],
            )
            advance(state, [plan], stored.arrived(), now=STARTS + step * DAY)
            assert_true(state, plan, stored, STARTS + step * DAY)
        assert state.run("SELECT COUNT(*) - COUNT(DISTINCT units.h) FROM units") == [(1,)]


def units_that_share_a_hash() -> tuple[str, str]:
    """Among a hundred thousand texts there are some, as there are birthdays among guests."""
    hashed = HASH.format(table="named")
    with open_state(None) as state:
        found = state.run(
            f"SELECT MIN(named.unit), MAX(named.unit) FROM"
            f" (SELECT 'user' AS unit_type, 'u' || n.n AS unit FROM range(300000) AS n (n)) AS named"
            f" GROUP BY {hashed} HAVING COUNT(*) = 2 ORDER BY 1 LIMIT 1"
        )
    ((one, other),) = found
    return one, other


def test_a_state_of_another_database_hashes_its_units_again(tmp_path: Path) -> None:
    stored, plan, path = Stored(tmp_path), a_plan(), tmp_path / "state.duckdb"
    met, did = a_history(random.Random(12), units=40)
    stored.receive(met[::2], did[::2])
    with open_state(path) as state:
        advance(state, [plan], stored.arrived(), now=STARTS + 3 * DAY)
        state.run("UPDATE units SET h = 0")
        state.run("UPDATE ledger SET hashed_by = '0.0.1'")
    stored.receive(met[1::2], did[1::2])
    with open_state(path) as state:
        advance(state, [plan], stored.arrived(), now=STARTS + 4 * DAY)
        assert_true(state, plan, stored, STARTS + 4 * DAY)


def test_a_state_of_another_form_is_made_again(tmp_path: Path) -> None:
    stored, plan, path = Stored(tmp_path), a_plan(), tmp_path / "state.duckdb"
    stored.receive(*a_history(random.Random(13), units=40))
    with open_state(path) as state:
        advance(state, [plan], stored.arrived(), now=STARTS + 3 * DAY)
        state.run(
            "CREATE OR REPLACE TABLE ledger AS SELECT 2 AS form, 1::BIGINT AS arrival, 1::BIGINT AS as_of"
        )
    with open_state(path) as state:
        assert advance(state, [plan], stored.arrived(), now=STARTS + 3 * DAY).made == ("checkout#1",)
        assert_true(state, plan, stored, STARTS + 3 * DAY)


def test_the_state_does_not_answer_for_the_past(tmp_path: Path) -> None:
    stored, plan = Stored(tmp_path), a_plan()
    with open_state(None) as state:
        advance(state, [plan], stored.arrived(), now=STARTS + DAY)
        with pytest.raises(StateAhead):
            advance(state, [plan], stored.arrived(), now=STARTS)


def test_an_experiment_follows_when_what_it_reads_is_built_again_for_another(tmp_path: Path) -> None:
    stored = Stored(tmp_path)
    stored.receive(*a_history(random.Random(9), units=60))
    steady = a_plan({"rate": DEFINITIONS["rate"]})
    other = a_plan({"basket": DEFINITIONS["basket"]}, "search")
    with open_state(None) as state:
        advance(state, [steady], stored.arrived(), now=STARTS + 2 * DAY)
        done = advance(state, [steady, other], stored.arrived(), now=STARTS + 4 * DAY)
        assert (done.built, done.made) == (("purchase",), ("search#1",))
        assert_true(state, steady, stored, STARTS + 4 * DAY)
