"""Ramp schedules: due work raises a share at its times, and people can stop it at any time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people import NOW, a_member
from scenes import (
    Shop,
    a_button_flag,
    a_running_experiment,
    a_shop,
    environment_of,
    later,
    settings_of,
    updated,
)

from equipoise_server.access.values import Role
from equipoise_server.audit.reads import of_subject
from equipoise_server.flags import reads
from equipoise_server.flags.actions import (
    ArchiveFlag,
    ChangeRamp,
    CreateGroup,
    KillEnvironment,
    KillFlag,
    KillGroup,
    ScheduleRamp,
    SetRolloutShare,
    add_rollout_rule,
    archive_flag,
    create_group,
    end_ramp,
    kill_environment,
    kill_flag,
    kill_group,
    pause_ramp,
    resume_ramp,
    schedule_ramp,
    set_rollout_share,
    update_flag_settings,
)
from equipoise_server.flags.ramps import _steps_problems
from equipoise_server.flags.values import Flag, Ramp, RampState, RampStep, Rollout, Rule
from equipoise_server.foundation import due_work, revisions
from equipoise_server.foundation.refusals import Conflict, Forbidden, Invalid, NotFound

STEPS = (RampStep(later(1), 100_000), RampStep(later(2), 500_000), RampStep(later(3), 1_000_000))
pytestmark = pytest.mark.django_db


def a_rollout(shop: Shop, share: int = 10_000) -> Flag:
    """A flag with a rollout in production."""
    flag, rule = a_button_flag(shop), Rule("canary", rollout=Rollout("green", "user", share))
    return add_rollout_rule(shop.owner, flag.id, environment_of(shop).id, rule, now=NOW)


def command_for(shop: Shop, flag: Flag) -> ScheduleRamp:
    """Three steps on three days."""
    return ScheduleRamp(flag.id, environment_of(shop).id, "canary", STEPS)


def a_ramp(shop: Shop) -> tuple[Flag, Ramp]:
    """A flag whose rollout rises by schedule."""
    flag = a_rollout(shop)
    return flag, schedule_ramp(shop.owner, command_for(shop, flag), now=NOW)


def work_until(days: float) -> None:
    """Do what is due."""
    while (work := due_work.claim("worker", now=later(days), kinds=frozenset(["flag.ramp"]))) is not None:
        due_work.run(work, now=later(days))
        due_work.finish(work, now=later(days))


def share(flag: Flag) -> int:
    """The rollout's share now."""
    rollout = settings_of(reads.flag(flag.id)).rules[0].rollout
    assert rollout is not None
    return rollout.parts_per_million


def newest(flag: Flag) -> Ramp:
    """The flag's schedule now."""
    return reads.ramps_of(flag.id, settings_of(flag).environment_id)[0]


def test_each_step_is_a_revision_at_its_time() -> None:
    shop = a_shop()
    flag, _ = a_ramp(shop)
    production = environment_of(shop).id
    seen = []
    for days in (0.9, 1, 1.5, 2, 3):
        work_until(days)
        revision = revisions.current(production)
        assert revision is not None
        seen.append((share(flag), revision.number))
    first = seen[0][1]
    assert seen == [
        (10_000, first), (100_000, first + 1), (100_000, first + 1), (500_000, first + 2),
        (1_000_000, first + 3),
    ]  # fmt: skip
    assert newest(flag).state is RampState.ENDED
    record = of_subject("flag", flag.id)[0]
    assert (record.action, record.author.name) == ("flag.ramp", "ramp schedule")


def test_a_late_worker_takes_the_last_step_that_is_due_and_once() -> None:
    shop = a_shop()
    flag, _ = a_ramp(shop)
    work_until(2.5)
    assert (share(flag), newest(flag).done_count) == (500_000, 2)
    revision = revisions.current(environment_of(shop).id)
    work_until(2.6)
    assert revisions.current(environment_of(shop).id) == revision


def test_a_paused_schedule_waits_and_goes_on_later_by_the_pause() -> None:
    shop = a_shop()
    flag, ramp = a_ramp(shop)
    work_until(1)
    pause_ramp(shop.owner, ChangeRamp(ramp.id, "errors"), now=later(1.5))
    work_until(5)
    assert (share(flag), newest(flag).state) == (100_000, RampState.PAUSED)
    resumed = resume_ramp(shop.owner, ChangeRamp(ramp.id), now=later(11.5))
    assert [step.at for step in resumed.steps] == [later(1), later(12), later(13)]
    work_until(11.9)
    assert share(flag) == 100_000
    work_until(12)
    assert share(flag) == 500_000


def test_lowering_by_hand_works_at_once_and_pauses_the_schedule() -> None:
    shop = a_shop()
    flag, _ = a_ramp(shop)
    work_until(2)
    version = settings_of(reads.flag(flag.id)).version
    lower = SetRolloutShare(flag.id, environment_of(shop).id, "canary", 0, version)
    set_rollout_share(shop.owner, lower, now=later(2.5))
    work_until(4)
    assert (share(flag), newest(flag).state) == (0, RampState.PAUSED)
    assert "lowered by hand" in newest(flag).note


def test_lowering_in_the_rules_pauses_the_schedule_too() -> None:
    shop = a_shop()
    flag, _ = a_ramp(shop)
    work_until(2)
    lower = (Rule("canary", rollout=Rollout("green", "user", 10_000)),)
    command = replace(updated(reads.flag(flag.id), "production"), rules=lower)
    update_flag_settings(shop.owner, command, now=later(2.5))
    work_until(4)
    assert (share(flag), newest(flag).state) == (10_000, RampState.PAUSED)
    assert "lowered by hand" in newest(flag).note


def test_raising_by_hand_beyond_a_step_is_not_undone_by_it() -> None:
    shop = a_shop()
    flag, _ = a_ramp(shop)
    raised = SetRolloutShare(flag.id, environment_of(shop).id, "canary", 700_000, settings_of(flag).version)
    set_rollout_share(shop.owner, raised, now=NOW)
    work_until(2)
    assert share(flag) == 700_000
    work_until(3)
    assert share(flag) == 1_000_000


def test_an_ended_schedule_takes_no_step_and_makes_room_for_another() -> None:
    shop = a_shop()
    flag, ramp = a_ramp(shop)
    with pytest.raises(Conflict, match="end it first"):
        schedule_ramp(shop.owner, command_for(shop, flag), now=NOW)
    end_ramp(shop.owner, ChangeRamp(ramp.id), now=NOW)
    work_until(4)
    assert share(flag) == 10_000
    with pytest.raises(Conflict, match="over"):
        resume_ramp(shop.owner, ChangeRamp(ramp.id), now=NOW)
    assert schedule_ramp(shop.owner, command_for(shop, flag), now=NOW).state is RampState.RISING


def test_an_experiment_that_holds_the_flag_pauses_the_schedule() -> None:
    shop = a_shop()
    flag, _ = a_ramp(shop)
    a_running_experiment(shop)
    work_until(4)
    assert (share(flag), newest(flag).state) == (10_000, RampState.PAUSED)
    assert "running experiment “checkout-button”" in newest(flag).note


@pytest.mark.parametrize("level", ["flag", "group", "environment"])
def test_a_kill_pauses_the_schedule_so_that_its_end_finds_the_share_of_before(level: str) -> None:
    shop = a_shop()
    flag, _ = a_ramp(shop)
    work_until(1)
    production = environment_of(shop).id
    if level == "flag":
        kill_flag(shop.owner, KillFlag(flag.id, production), now=later(1.5))
    elif level == "group":
        created = CreateGroup(shop.project.id, "all", "All", frozenset([flag.key]))
        group = create_group(shop.owner, created, now=later(1))
        kill_group(shop.owner, KillGroup(group.id, production), now=later(1.5))
    else:
        kill_environment(shop.owner, KillEnvironment(production), now=later(1.5))
    work_until(4)
    assert (share(flag), newest(flag).state) == (100_000, RampState.PAUSED)
    assert "is killed" in newest(flag).note


def test_the_schedule_of_an_archived_flag_ends() -> None:
    shop = a_shop()
    flag, _ = a_ramp(shop)
    archive_flag(shop.owner, ArchiveFlag(flag.id), now=NOW)
    work_until(4)
    assert newest(flag).state is RampState.ENDED


def test_viewers_change_no_schedule() -> None:
    shop = a_shop()
    flag, ramp = a_ramp(shop)
    viewer = a_member(shop.owner, shop.project, Role.VIEWER)
    for change in (pause_ramp, resume_ramp, end_ramp):
        with pytest.raises(Forbidden):
            change(viewer, ChangeRamp(ramp.id), now=NOW)
    with pytest.raises(Forbidden):
        schedule_ramp(viewer, command_for(shop, flag), now=NOW)


def test_a_schedule_only_rises_and_lies_ahead() -> None:
    shop = a_shop()
    flag = a_rollout(shop, 200_000)
    steps = (RampStep(NOW, 100_000), RampStep(NOW, 50_000), RampStep(later(1), 1_000_001))
    with pytest.raises(Invalid) as refusal:
        schedule_ramp(shop.owner, replace(command_for(shop, flag), steps=steps), now=NOW)
    assert {problem.field for problem in refusal.value.problems} == {
        "steps.0.at", "steps.0.parts_per_million", "steps", "steps.1.at", "steps.1.parts_per_million",
    }  # fmt: skip
    with pytest.raises(NotFound, match="no rollout “other”"):
        schedule_ramp(shop.owner, replace(command_for(shop, flag), rule_id="other"), now=NOW)


steps_of_any_kind = st.lists(
    st.builds(
        RampStep, st.integers(-5, 5).map(lambda hours: NOW + timedelta(hours=hours)), st.integers(0, 5)
    ),
    max_size=4,
)


@settings(deadline=None)
@given(steps_of_any_kind, st.integers(0, 5))
def test_what_passes_rises_strictly_from_now(steps: list[RampStep], now_share: int) -> None:
    is_rising = bool(steps) and all(
        one.at < other.at and one.parts_per_million < other.parts_per_million
        for one, other in zip([RampStep(NOW, now_share), *steps], steps, strict=False)
    )
    assert (not list(_steps_problems(tuple(steps), now_share, NOW))) == is_rising
