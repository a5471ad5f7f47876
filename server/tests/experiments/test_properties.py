"""What must hold for every plan: schedules, ramps and holdouts, searched for counterexamples."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scenes import a_design

from equipoise_server.access.values import Environment, Project
from equipoise_server.experiments.covering import Starting, coverings_of
from equipoise_server.experiments.randomisation_checks import ramp_faults, switchback_faults
from equipoise_server.experiments.scheduling import draw, treated_share_by_hour
from equipoise_server.experiments.values import (
    GateStep,
    Holdout,
    HoldoutScope,
    Pairing,
    Season,
    Switchback,
)
from equipoise_server.flags.values import Flag, FlagKind, FlagSettings, FlagType, FlagVariant

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
PROJECT = UUID(int=1)
PRODUCTION = Environment(UUID(int=2), PROJECT, "production", "Production", True)
SHOP = Project(PROJECT, "shop", "Shop", ("user", "account"), "user", (PRODUCTION,))

plans = st.builds(
    Switchback,
    regions=st.integers(2, 8).map(lambda count: tuple(f"region-{place}" for place in range(count))),
    window_minutes=st.sampled_from([60, 120, 240, 480]),
    days=st.integers(1, 4).map(lambda fortnights: 14 * fortnights),
    pairing=st.sampled_from(list(Pairing)),
)


@settings(deadline=None, max_examples=40)
@given(plan=plans, seed=st.integers(0, 2**31 - 1))
def test_every_plan_that_passes_its_check_is_drawn_balanced_whatever_the_seed(
    plan: Switchback, seed: int
) -> None:
    design = a_design(unit_type="account", planned_days=None, switchback=plan)
    assume(not list(switchback_faults(design, NOW)))
    schedule = draw(design, plan, seed=seed, now=NOW)
    assert schedule == draw(design, plan, seed=seed, now=NOW)
    assert {len(row) for row in schedule.rows.values()} == {plan.days * 24 * 60 // plan.window_minutes}
    treated = sum(row.count("1") for row in schedule.rows.values())
    assert treated * 2 == sum(map(len, schedule.rows.values()))
    shares = treated_share_by_hour(schedule, "1").values()
    assert sum(shares) / len(shares) == pytest.approx(0.5)


steps = st.lists(st.builds(GateStep, st.integers(-1, 100), st.integers(-1, 1_000_001)), max_size=6)


@given(ramp=steps, start=st.integers(1, 1_000_000))
def test_a_ramp_without_faults_only_grows(ramp: list[GateStep], start: int) -> None:
    design = a_design(audience_parts_per_million=start, ramp=tuple(ramp))
    grows = all(
        one.after_hours < other.after_hours and one.parts_per_million < other.parts_per_million
        for one, other in zip([GateStep(0, start), *ramp], ramp, strict=False)
    )
    in_range = all(step.parts_per_million <= 1_000_000 for step in ramp)
    assert (not list(ramp_faults(design))) == (grows and in_range)


def a_holdout(place: int, unit_type: str, *, is_open: bool) -> Holdout:
    season = Season(1, "salt", NOW, NOW)
    return Holdout(
        UUID(int=100 + place), f"holdout-{place}", "Holdout", "", unit_type, 20_000, HoldoutScope(),
        (season,), None if is_open else NOW, NOW, 1,
    )  # fmt: skip


FLAG = Flag(
    UUID(int=3), PROJECT, "button", "Button", "", FlagType.STRING, FlagKind.RELEASE, "",
    (FlagVariant("grey", "grey"),),
    {"production": FlagSettings(PRODUCTION.id, "production", "grey", "grey", None, (), (), 1, ())}, NOW, None,
)  # fmt: skip
kinds = st.lists(st.tuples(st.sampled_from(["user", "account", "city"]), st.booleans()), max_size=8)


@given(kinds=kinds, taken=st.sampled_from([{}, {"user": "elsewhere"}]))
def test_a_flag_gets_at_most_one_holdout_of_each_unit_type(
    kinds: list[tuple[str, bool]], taken: dict[str, str]
) -> None:
    holdouts = [a_holdout(place, *kind[:1], is_open=kind[1]) for place, kind in enumerate(kinds)]
    starting = Starting(FLAG, PRODUCTION, "grey")
    found = list(coverings_of(starting, SHOP, holdouts, taken))
    by_key = {holdout.key: holdout for holdout in holdouts}
    covering = [by_key[one.holdout_key] for one in found if not one.reason]
    types = [holdout.unit_type for holdout in covering]
    assert len(types) == len(set(types))
    assert not set(types) & set(taken)
    assert all(holdout.is_open and holdout.unit_type in SHOP.unit_types for holdout in covering)
