"""Holdouts: what they cover, what their units get, how a season ends. The engine of the SDKs decides."""

from __future__ import annotations

from dataclasses import replace

import pytest
from people import NOW, a_member
from scenes import (
    Shop,
    a_button_flag,
    a_design,
    a_draft_experiment,
    a_running_experiment,
    a_shop,
    environment_of,
    found,
    later,
    launched,
    updated,
)

from equipoise_engine import Decision
from equipoise_server.access.values import Role
from equipoise_server.experiments import reads
from equipoise_server.experiments.actions import (
    CloseHoldout,
    CreateExperiment,
    CreateHoldout,
    Decide,
    OpenSeason,
    ReleaseUnit,
    Stop,
    close_holdout,
    create_experiment,
    create_holdout,
    decide,
    open_season,
    release_unit,
    stop,
)
from equipoise_server.experiments.values import CoveredFlag, DecisionKind, Holdout, HoldoutScope
from equipoise_server.flags.actions import (
    AddEnvironment,
    UpdateFlag,
    add_environment,
    update_flag,
    update_flag_settings,
)
from equipoise_server.flags.reads import flag_by_key
from equipoise_server.flags.values import FlagVariant, Prerequisite, Rollout, Rule
from equipoise_server.foundation.refusals import Conflict, Forbidden, Invalid, NotFound
from equipoise_server.snapshots import reads as snapshots

pytestmark = pytest.mark.django_db
FLAG = "checkout-button"
UNITS = [f"unit-{number}" for number in range(3_000)]
EVERYTHING = HoldoutScope()


@pytest.fixture
def shop() -> Shop:
    return a_shop()


def a_holdout(shop: Shop, key: str = "global", **changes: object) -> Holdout:
    command = CreateHoldout(key, "Global holdout", "user", 50_000, EVERYTHING)
    return create_holdout(shop.owner, replace(command, **changes), now=NOW)  # type: ignore[arg-type]  # by name


def decision(shop: Shop, unit: str, flag: str = FLAG) -> Decision:
    context = {"units": {"user": unit, "account": unit}}
    return snapshots.preview(environment_of(shop).id).evaluate(flag, context, None)


def held_units(shop: Shop, flag: str = FLAG) -> list[str]:
    snapshot = snapshots.preview(environment_of(shop).id)
    context = [(unit, {"units": {"user": unit}}) for unit in UNITS]
    decisions = ((unit, snapshot.evaluate(flag, asked, None)) for unit, asked in context)
    return [unit for unit, decided in decisions if decided.metadata.get("holdout.arm") == "holdout"]


def covered(shop: Shop, key: str = "global") -> list[tuple[str, str]]:
    return [(one.flag_key, one.baseline) for one in reads.holdout(shop.project.id, key).covered]


def a_rollout(shop: Shop, flag: str = FLAG, variant: str = "green") -> None:
    rule = Rule("", rollout=Rollout(variant, "user", 500_000))
    held = flag_by_key(shop.project.id, flag)
    update_flag_settings(shop.owner, replace(updated(held, "production"), rules=(rule,)), now=NOW)


def test_an_experiment_that_starts_after_the_season_leaves_held_units_on_control(shop: Shop) -> None:
    a_holdout(shop)
    a_running_experiment(shop)
    assert covered(shop) == [(FLAG, "grey")]
    held = held_units(shop)
    assert len(held) == pytest.approx(len(UNITS) / 20, rel=0.3)
    for unit in held[:20]:
        decided = decision(shop, unit)
        assert (decided.variant, decided.enrolment) == ("grey", None)
        assert [(seat.experiment, seat.iteration, seat.arm) for seat in decided.exposable] == [
            ("global", 1, "holdout")
        ]
    free = decision(shop, next(unit for unit in UNITS if unit not in held))
    assert [seat.arm for seat in free.holdouts] == ["open"]
    assert free.enrolment is not None


def test_what_started_before_the_season_is_not_covered(shop: Shop) -> None:
    a_running_experiment(shop)
    a_holdout(shop)
    assert covered(shop) == []
    assert held_units(shop) == []


def test_a_rollout_that_starts_is_covered_from_the_default(shop: Shop) -> None:
    a_button_flag(shop)
    a_holdout(shop)
    a_rollout(shop)
    assert covered(shop) == [(FLAG, "grey")]
    assert {decision(shop, unit).variant for unit in held_units(shop)} == {"grey"}


def test_a_rollout_that_is_copied_into_a_new_environment_starts_there_and_is_covered(shop: Shop) -> None:
    for flag in (FLAG, "plain"):
        a_button_flag(shop, flag)
    targeted = Rule("", {"all": []}, serve="green")
    command = replace(updated(flag_by_key(shop.project.id, "plain"), "production"), rules=(targeted,))
    update_flag_settings(shop.owner, command, now=NOW)
    a_rollout(shop)
    a_holdout(shop, scope=HoldoutScope(environments=()))
    a_holdout(shop, "elsewhere", unit_type="account")
    copy = AddEnvironment(shop.project.id, "staging", "Staging", environment_of(shop).id)
    staging = add_environment(shop.owner, copy, now=NOW)
    assert [(one.environment_id, one.flag_key, one.baseline) for one in over(shop)] == [
        (staging.id, FLAG, "grey")
    ]
    snapshot = snapshots.preview(staging.id)
    decided = [snapshot.evaluate(FLAG, {"units": {"user": unit}}, None) for unit in UNITS]
    held = [one.variant for one in decided if one.metadata.get("holdout.arm") == "holdout"]
    assert set(held) == {"grey"}
    assert covered(shop, "elsewhere") == []
    add_environment(shop.owner, AddEnvironment(shop.project.id, "empty", "Empty"), now=NOW)
    assert len(over(shop)) == 1


def over(shop: Shop) -> tuple[CoveredFlag, ...]:
    return reads.holdout(shop.project.id, "global").covered


def test_an_edit_that_starts_no_rollout_is_not_covered(shop: Shop) -> None:
    a_button_flag(shop)
    a_holdout(shop)
    held = flag_by_key(shop.project.id, FLAG)
    update_flag_settings(shop.owner, replace(updated(held, "production"), default="green"), now=NOW)
    assert covered(shop) == []


def test_a_flag_with_older_rules_is_left_alone_and_the_wizard_is_told_why(shop: Shop) -> None:
    a_button_flag(shop)
    a_rollout(shop)
    a_holdout(shop)
    draft = a_draft_experiment(shop)
    (covering,) = reads.coverings(draft, environment_of(shop))
    assert "older rules" in covering.reason
    launched(shop, draft)
    assert covered(shop) == []


def test_the_wizard_knows_what_will_be_held_back(shop: Shop) -> None:
    a_holdout(shop)
    (covering,) = reads.coverings(a_draft_experiment(shop), environment_of(shop))
    assert (covering.flag_key, covering.baseline, covering.reason) == (FLAG, "grey", "")


def test_a_flag_has_one_holdout_of_each_unit_type(shop: Shop) -> None:
    a_holdout(shop)
    a_holdout(shop, "second")
    a_holdout(shop, "accounts", unit_type="account")
    draft = a_draft_experiment(shop)
    told = {one.holdout_key: one.reason for one in reads.coverings(draft, environment_of(shop))}
    assert told == {"global": "", "second": "“global” covers it already", "accounts": ""}
    launched(shop, draft)
    assert [len(covered(shop, key)) for key in ("global", "second", "accounts")] == [1, 0, 1]


def test_a_holdout_covers_what_its_scope_names_alone(shop: Shop) -> None:
    a_holdout(shop, "others", scope=HoldoutScope(flags=("another",)))
    a_holdout(shop, "tests", scope=HoldoutScope(environments=("development",)))
    a_holdout(shop, "this", scope=HoldoutScope((shop.project.id,), ("production",), (FLAG,)))
    a_running_experiment(shop)
    assert [len(covered(shop, key)) for key in ("others", "tests", "this")] == [0, 0, 1]


def test_shipping_leaves_held_units_where_they_were(shop: Shop) -> None:
    a_holdout(shop)
    running = a_running_experiment(shop)
    found(stop(shop.owner, Stop(running.id), now=later(14)))
    held = held_units(shop)
    decide(shop.owner, Decide(running.id, DecisionKind.SHIP, "treatment", "it won"), now=later(14))
    assert {decision(shop, unit).variant for unit in held} == {"grey"}
    assert decision(shop, next(unit for unit in UNITS if unit not in held)).variant == "green"


def test_a_new_season_draws_other_units_and_lets_go_of_what_was_covered(shop: Shop) -> None:
    holdout = a_holdout(shop)
    a_running_experiment(shop)
    before = held_units(shop)
    season = open_season(shop.owner, OpenSeason(holdout.id, holdout.version), now=later(200))
    assert [one.number for one in season.seasons] == [1, 2]
    assert season.seasons[0].ended_at == later(200)
    assert held_units(shop) == []
    a_button_flag(shop, "banner")
    a_rollout(shop, "banner")
    after = held_units(shop, "banner")
    assert after
    assert len(set(before) & set(after)) < len(after) / 4


def test_a_closed_holdout_holds_nobody_and_opens_no_season(shop: Shop) -> None:
    holdout = a_holdout(shop)
    a_running_experiment(shop)
    closed = close_holdout(shop.owner, CloseHoldout(holdout.id, "the year is over"), now=later(200))
    assert (closed.is_open, closed.covered) == (False, ())
    assert held_units(shop) == []
    with pytest.raises(Conflict, match="closed"):
        open_season(shop.owner, OpenSeason(holdout.id, closed.version), now=later(201))
    a_running_experiment(shop, "banner")
    assert covered(shop) == []


def test_a_season_is_opened_once_by_two_who_press_at_the_same_time(shop: Shop) -> None:
    holdout = a_holdout(shop)
    open_season(shop.owner, OpenSeason(holdout.id, holdout.version), now=NOW)
    with pytest.raises(Conflict, match="meanwhile"):
        open_season(shop.owner, OpenSeason(holdout.id, holdout.version), now=NOW)


def test_a_released_unit_gets_the_variant_by_override_and_leaves_the_analysis(shop: Shop) -> None:
    holdout = a_holdout(shop)
    a_running_experiment(shop)
    unit, other = held_units(shop)[:2]
    command = ReleaseUnit(holdout.id, environment_of(shop).id, unit, {FLAG: "green"}, "ticket 4711")
    release_unit(shop.owner, command, now=NOW)
    decided = decision(shop, unit)
    assert (decided.variant, decided.metadata["step"], decided.exposable) == ("green", "override", ())
    assert decision(shop, other).variant == "grey"
    release_unit(shop.owner, replace(command, variants={FLAG: "grey"}), now=NOW)
    assert decision(shop, unit).variant == "grey"
    settings = flag_by_key(shop.project.id, FLAG).settings["production"]
    assert [one.variant for one in settings.overrides] == ["grey"]


def test_releasing_a_unit_leaves_the_rest_of_the_flag_as_it_was(shop: Shop) -> None:
    holdout = a_holdout(shop)
    for key in (FLAG, "login"):
        a_button_flag(shop, key)
    needs = (Prerequisite("login", ("green", "grey")),)
    command = replace(updated(flag_by_key(shop.project.id, FLAG), "production"), prerequisites=needs)
    update_flag_settings(shop.owner, command, now=NOW)
    a_rollout(shop)
    before = flag_by_key(shop.project.id, FLAG).settings["production"]
    released = ReleaseUnit(holdout.id, environment_of(shop).id, held_units(shop)[0], {FLAG: "green"})
    release_unit(shop.owner, released, now=NOW)
    after = flag_by_key(shop.project.id, FLAG).settings["production"]
    assert after.prerequisites == needs
    assert replace(after, overrides=(), version=before.version) == before


def test_only_covered_flags_release_a_unit_that_is_one(shop: Shop) -> None:
    holdout = a_holdout(shop)
    a_running_experiment(shop)
    command = ReleaseUnit(holdout.id, environment_of(shop).id, "", {"banner": "green"})
    with pytest.raises(Invalid) as refused:
        release_unit(shop.owner, command, now=NOW)
    assert {problem.field for problem in refused.value.problems} == {"unit", "variants"}
    with pytest.raises(Invalid, match="which variant"):
        release_unit(shop.owner, replace(command, unit="u1", variants={}), now=NOW)


def test_a_baseline_cannot_leave_its_flag_while_the_season_is_open(shop: Shop) -> None:
    holdout = a_holdout(shop)
    a_button_flag(shop)
    a_rollout(shop)
    held = flag_by_key(shop.project.id, FLAG)
    rules = (Rule("", serve="green"),)
    update_flag_settings(
        shop.owner, replace(updated(held, "production"), rules=rules, default="green", off="green"), now=NOW
    )
    held = flag_by_key(shop.project.id, FLAG)
    update_flag_settings(
        shop.owner, replace(updated(held, "development"), default="green", off="green"), now=NOW
    )
    held = flag_by_key(shop.project.id, FLAG)
    fewer = UpdateFlag(held.id, held.version, held.name, (FlagVariant("green", "green"),))
    with pytest.raises(Invalid, match="keeps its units on “grey”"):
        update_flag(shop.owner, fewer, now=NOW)
    close_holdout(shop.owner, CloseHoldout(holdout.id), now=NOW)
    assert len(update_flag(shop.owner, fewer, now=NOW).variants) == 1


def test_everything_wrong_with_a_holdout_is_told_at_once(shop: Shop) -> None:
    a_running_experiment(shop)
    with pytest.raises(Invalid) as refused:
        a_holdout(
            shop, FLAG, name=" ", unit_type="city", parts_per_million=60_000, months=24,
            scope=HoldoutScope(environments=("moon",), flags=("A!",)),
        )  # fmt: skip
    fields = {problem.field for problem in refused.value.problems}
    assert fields == {"key", "name", "unit_type", "parts_per_million", "months", "environments", "flags"}


def test_holdouts_and_experiments_have_different_keys(shop: Shop) -> None:
    a_holdout(shop)
    command = CreateExperiment(shop.project.id, "global", "Global", a_design())
    with pytest.raises(Invalid, match="key of a holdout"):
        create_experiment(shop.owner, command, now=NOW)


def test_whoever_opens_a_holdout_administers_all_it_may_cover(shop: Shop) -> None:
    a_shop("bakery", "bea@example.com")
    with pytest.raises(Forbidden):
        a_holdout(shop)
    own = a_holdout(shop, scope=HoldoutScope((shop.project.id,)))
    engineer = a_member(shop.owner, shop.project, Role.ENGINEER)
    with pytest.raises(Forbidden):
        close_holdout(engineer, CloseHoldout(own.id), now=NOW)
    bakery = a_shop("tavern", "tom@example.com")
    with pytest.raises(NotFound):
        reads.holdout(bakery.project.id, "global")
    assert reads.holdouts_of(bakery.project.id) == ()
    assert len(reads.holdouts_of(shop.project.id)) == 1
