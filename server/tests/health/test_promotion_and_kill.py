"""What follows from health checks: ramps wait while one does not pass, and a row of failures acts once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from health_scene import (
    ILL,
    PLAN,
    WELL,
    a_check,
    after_looks,
    killing,
    next_look,
    rolling_back,
    work,
)
from metrics_server import Metrics, a_metrics_server, connected
from people import NOW
from scenes import (
    Shop,
    a_button_flag,
    a_design,
    a_running_experiment,
    environment_of,
    later,
    settings_of,
)

from equipoise_server.audit.reads import of_subject
from equipoise_server.audit.values import AuditEntry
from equipoise_server.automation.health import react_to_health
from equipoise_server.automation.values import NOTHING
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.actions import PauseRamp, ResumeRamp, pause_ramp, resume_ramp
from equipoise_server.experiments.values import Experiment, GateStep, Iteration, Status, StopCause
from equipoise_server.flags import actions as flag_actions
from equipoise_server.flags import reads as flags
from equipoise_server.flags.actions import (
    ChangeRamp,
    KillFlag,
    ScheduleRamp,
    add_rollout_rule,
    schedule_ramp,
    unkill_flag,
)
from equipoise_server.flags.values import Flag, Ramp, RampState, RampStep, Rollout, Rule
from equipoise_server.foundation import revisions
from equipoise_server.foundation.refusals import Conflict
from equipoise_server.health import reads
from equipoise_server.health.actions import DeleteCheck, ask_due, delete_check
from equipoise_server.health.values import HealthCheck, State, Why

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
FIRST = later(1)
STEPS = (RampStep(FIRST, 100_000), RampStep(later(2), 500_000), RampStep(later(3), 1_000_000))


def a_ramp(shop: Shop) -> Flag:
    """A flag whose rollout rises from 1 % by schedule, on three days."""
    flag, production = a_button_flag(shop), environment_of(shop).id
    rule = Rule("canary", rollout=Rollout("green", "user", 10_000))
    add_rollout_rule(shop.owner, flag.id, production, rule, now=NOW)
    schedule_ramp(shop.owner, ScheduleRamp(flag.id, production, "canary", STEPS), now=NOW)
    return flag


def a_gate(shop: Shop) -> Experiment:
    """An experiment whose gate grows from 1 % to 10 % after a day and to everybody after two."""
    ramp = (GateStep(24, 100_000), GateStep(48, 1_000_000))
    return a_running_experiment(shop, design=a_design(audience_parts_per_million=10_000, ramp=ramp))


def watched(shop: Shop, experiment: Experiment) -> HealthCheck:
    return a_check(shop, flags.flag_by_key(shop.project.id, experiment.key))


def share(flag: Flag) -> int:
    rollout = settings_of(flags.flag(flag.id)).rules[0].rollout
    assert rollout is not None
    return rollout.parts_per_million


def ramp_of(flag: Flag) -> Ramp:
    return flags.ramps_of(flag.id, settings_of(flag).environment_id)[0]


def run_of(experiment: Experiment) -> Iteration:
    iteration = experiments.experiment(experiment.id).iteration
    assert iteration is not None
    return iteration


def look_at(metrics: Metrics, values: dict[str, float], at: object) -> None:
    metrics.says(values)
    work(at, "health.ask")  # type: ignore[arg-type]  # an instant


def actions_on(flag: Flag) -> list[str]:
    return [record.action for record in of_subject("flag", flag.id)]


def newest_record(flag: Flag, action: str) -> AuditEntry:
    return next(one for one in of_subject("flag", flag.id) if one.action == action)


def test_a_step_is_taken_while_every_check_passes(shop: Shop, metrics: Metrics) -> None:
    flag = a_ramp(shop)
    a_check(shop, flag)
    look_at(metrics, WELL, FIRST)
    work(FIRST, "flag.ramp")
    assert (share(flag), ramp_of(flag).state) == (100_000, RampState.RISING)


@pytest.mark.parametrize("values", [ILL, {}, {"grey": 0.01}, {"grey": 0.01, "green": float("nan")}])
def test_a_step_waits_while_a_check_fails_or_is_unknown(
    shop: Shop, metrics: Metrics, values: dict[str, float]
) -> None:
    flag = a_ramp(shop)
    a_check(shop, flag)
    look_at(metrics, values, FIRST)
    work(FIRST, "flag.ramp")
    ramp = ramp_of(flag)
    assert (share(flag), ramp.state, ramp.held_since) == (10_000, RampState.HELD, FIRST)
    assert "“errors”" in ramp.note


def test_a_check_that_nobody_asked_about_holds_as_well(shop: Shop) -> None:
    flag = a_ramp(shop)
    a_check(shop, flag)
    work(FIRST, "flag.ramp")
    assert "nobody has asked yet" in ramp_of(flag).note


def test_a_check_of_another_environment_or_flag_holds_nothing(shop: Shop) -> None:
    flag = a_ramp(shop)
    a_check(shop, a_button_flag(shop, "other"))
    work(FIRST, "flag.ramp")
    assert share(flag) == 100_000


def test_a_held_schedule_goes_on_where_it_waited_later_by_as_long(shop: Shop, metrics: Metrics) -> None:
    flag = a_ramp(shop)
    a_check(shop, flag)
    look_at(metrics, ILL, FIRST)
    work(FIRST, "flag.ramp")
    over = later(2.5)
    look_at(metrics, WELL, over)
    work(over, "flag.ramp")
    ramp = ramp_of(flag)
    assert (share(flag), ramp.state, ramp.note) == (100_000, RampState.RISING, "")
    assert [step.at for step in ramp.steps] == [over, later(3.5), later(4.5)]
    work(later(3.4), "flag.ramp")
    assert share(flag) == 100_000
    assert actions_on(flag)[:3] == ["flag.ramp", "flag.release_ramp", "flag.hold_ramp"]


def test_a_hold_is_looked_at_again_and_said_once(shop: Shop, metrics: Metrics) -> None:
    flag = a_ramp(shop)
    a_check(shop, flag)
    look_at(metrics, ILL, FIRST)
    for seconds in (0, 15, 30, 45):
        work(FIRST + timedelta(seconds=seconds), "flag.ramp")
    look_at(metrics, {}, FIRST + MINUTE)
    work(FIRST + MINUTE, "flag.ramp")
    assert "unknown" in ramp_of(flag).note
    assert actions_on(flag).count("flag.hold_ramp") == 1
    assert ramp_of(flag).held_since == FIRST


def test_a_held_schedule_can_be_paused_and_resumed(shop: Shop, metrics: Metrics) -> None:
    flag = a_ramp(shop)
    a_check(shop, flag)
    look_at(metrics, ILL, FIRST)
    work(FIRST, "flag.ramp")
    flag_actions.pause_ramp(shop.owner, ChangeRamp(ramp_of(flag).id), now=later(1.25))
    paused = ramp_of(flag)
    assert (paused.state, paused.held_since, paused.steps[0].at) == (RampState.PAUSED, None, later(1.25))
    flag_actions.resume_ramp(shop.owner, ChangeRamp(paused.id), now=later(2.25))
    look_at(metrics, WELL, later(2.25))
    work(later(2.25), "flag.ramp")
    assert (share(flag), ramp_of(flag).steps[1].at) == (100_000, later(3.25))


def test_without_its_check_a_held_schedule_goes_on(shop: Shop, metrics: Metrics) -> None:
    flag = a_ramp(shop)
    check = a_check(shop, flag)
    look_at(metrics, ILL, FIRST)
    work(FIRST, "flag.ramp")
    delete_check(shop.owner, DeleteCheck(check.id), now=FIRST)
    work(FIRST + MINUTE, "flag.ramp")
    assert share(flag) == 100_000


def test_a_failing_check_that_only_holds_kills_nothing(shop: Shop, metrics: Metrics) -> None:
    flag = a_ramp(shop)
    check = after_looks(metrics, a_check(shop, flag), ILL, ILL, ILL)
    assert check.is_breached
    assert react_to_health(check, now=later(1)) == NOTHING
    assert not settings_of(flags.flag(flag.id)).is_killed


def test_a_gate_waits_and_goes_on_later_by_as_long(shop: Shop, metrics: Metrics) -> None:
    experiment = a_gate(shop)
    watched(shop, experiment)
    look_at(metrics, ILL, FIRST)
    work(FIRST, "experiment.ramp")
    held = run_of(experiment)
    assert (held.gate_parts_per_million, held.ramp_held_since) == (10_000, FIRST)
    assert "“green” is at 0.09, and it shall be at most 0.05" in held.ramp_note
    over = later(2.5)
    look_at(metrics, WELL, over)
    work(over, "experiment.ramp")
    assert (run_of(experiment).gate_parts_per_million, run_of(experiment).ramp_held_since) == (100_000, None)
    look_at(metrics, WELL, later(3.4))
    work(later(3.4), "experiment.ramp")
    assert run_of(experiment).gate_parts_per_million == 100_000
    look_at(metrics, WELL, later(3.5))
    work(later(3.5), "experiment.ramp")
    assert run_of(experiment).gate_parts_per_million == 1_000_000
    records = [record.action for record in of_subject("experiment", experiment.id)]
    assert records[:4] == [
        "experiment.widen", "experiment.widen", "experiment.release_ramp", "experiment.hold_ramp",
    ]  # fmt: skip


def test_a_held_gate_can_be_paused_and_resumed(shop: Shop, metrics: Metrics) -> None:
    experiment = a_gate(shop)
    watched(shop, experiment)
    look_at(metrics, ILL, FIRST)
    for seconds in (0, 15):
        work(FIRST + timedelta(seconds=seconds), "experiment.ramp")
    look_at(metrics, {}, FIRST + MINUTE)
    work(FIRST + MINUTE, "experiment.ramp")
    assert "unknown" in run_of(experiment).ramp_note
    pause_ramp(shop.owner, PauseRamp(experiment.id), now=later(1.5))
    assert run_of(experiment).ramp_held_since is None
    work(later(1.6), "experiment.ramp")
    resume_ramp(shop.owner, ResumeRamp(experiment.id), now=later(2))
    assert run_of(experiment).ramp_delay == timedelta(days=1)
    look_at(metrics, WELL, later(2))
    work(later(2), "experiment.ramp")
    assert run_of(experiment).gate_parts_per_million == 100_000


def test_a_row_of_failures_kills_once_with_its_evidence(shop: Shop, metrics: Metrics) -> None:
    flag = a_ramp(shop)
    check = a_check(shop, flag, killing())
    after_looks(metrics, check, WELL, ILL)
    assert not settings_of(flags.flag(flag.id)).is_killed
    after_looks(metrics, reads.check(check.id), ILL, ILL)
    assert settings_of(flags.flag(flag.id)).is_killed
    record = newest_record(flag, "automation.kill")
    assert (record.author.kind, record.author.name) == ("automation", "health watch")
    assert record.reason == (
        "The health check “errors” failed 2 times in a row: “green” is at 0.09, and it shall be at most 0.05."
    )
    evidence = record.changes[0].after
    assert evidence is not None
    assert evidence["values"] == {"grey": 0.01, "green": 0.09}
    assert (evidence["query"], evidence["failures"]) == ("errors", 2)
    assert [change.action for change in record.changes] == ["automation.kill", "flag.kill"]
    assert actions_on(flag).count("automation.kill") == 1


def test_a_kill_stops_the_experiment_on_the_flag(shop: Shop, metrics: Metrics) -> None:
    experiment = a_gate(shop)
    after_looks(
        metrics, a_check(shop, flags.flag_by_key(shop.project.id, experiment.key), killing()), ILL, ILL
    )
    work(later(0.1))
    stopped = experiments.experiment(experiment.id)
    assert (stopped.status, run_of(experiment).stop_cause) == (Status.STOPPED, StopCause.KILL)


def test_who_took_a_kill_back_is_not_overruled_until_a_new_row_of_failures(
    shop: Shop, metrics: Metrics
) -> None:
    flag, production = a_button_flag(shop), environment_of(shop).id
    check = after_looks(metrics, a_check(shop, flag, killing()), ILL, ILL)
    unkill_flag(shop.owner, KillFlag(flag.id, production), now=later(0.1))
    check = after_looks(metrics, check, ILL, ILL)
    assert not settings_of(flags.flag(flag.id)).is_killed
    after_looks(metrics, check, WELL, ILL, ILL)
    assert settings_of(flags.flag(flag.id)).is_killed


def test_an_unknown_never_kills_and_begins_the_row_anew(shop: Shop, metrics: Metrics) -> None:
    flag = a_button_flag(shop)
    after_looks(metrics, a_check(shop, flag, killing()), ILL, {}, ILL, {}, {}, {}, ILL)
    assert not settings_of(flags.flag(flag.id)).is_killed


def test_a_prometheus_that_is_away_kills_nothing_and_holds(shop: Shop) -> None:
    with a_metrics_server() as gone:
        connected(shop, gone, "gone")
    flag = a_ramp(shop)
    check = a_check(shop, flag, killing(replace(PLAN, connection="gone")))
    for minute in range(4):
        work(NOW + minute * MINUTE, "health.ask")
    standing = reads.check(check.id).standing
    assert (standing.state, standing.why, standing.since) == (State.UNKNOWN, Why.UNREACHABLE, NOW)
    assert not settings_of(flags.flag(flag.id)).is_killed
    work(FIRST, "flag.ramp")
    assert ramp_of(flag).state is RampState.HELD


def test_a_kill_by_hand_asks_no_prometheus(shop: Shop, metrics: Metrics) -> None:
    flag = a_button_flag(shop)
    a_check(shop, flag, killing())
    flag_actions.kill_flag(shop.owner, KillFlag(flag.id, environment_of(shop).id), now=NOW)
    assert settings_of(flags.flag(flag.id)).is_killed
    assert metrics.asked == []


def test_a_rollback_puts_the_share_back_and_ends_the_schedule(shop: Shop, metrics: Metrics) -> None:
    flag = a_ramp(shop)
    check = a_check(shop, flag, rolling_back())
    look_at(metrics, WELL, FIRST)
    work(FIRST, "flag.ramp")
    assert share(flag) == 100_000
    before = revisions.current(environment_of(shop).id)
    after_looks(metrics, reads.check(check.id), ILL, ILL)
    after = revisions.current(environment_of(shop).id)
    assert before is not None
    assert after is not None
    assert (share(flag), after.number) == (10_000, before.number + 1)
    ramp = ramp_of(flag)
    assert (ramp.state, "“errors”" in ramp.note) == (RampState.ENDED, True)
    record = newest_record(flag, "automation.roll_back")
    assert [change.action for change in record.changes] == ["automation.roll_back", "flag.roll_back"]
    assert not settings_of(flags.flag(flag.id)).is_killed


def test_a_rollback_before_the_first_step_ends_the_schedule_alone(shop: Shop, metrics: Metrics) -> None:
    flag = a_ramp(shop)
    before = revisions.current(environment_of(shop).id)
    after_looks(metrics, a_check(shop, flag, rolling_back()), ILL, ILL)
    assert (share(flag), ramp_of(flag).state) == (10_000, RampState.ENDED)
    assert revisions.current(environment_of(shop).id) == before
    with pytest.raises(Conflict, match="over"):
        flag_actions.roll_back_ramp(shop.owner, ChangeRamp(ramp_of(flag).id), now=later(1))


def test_a_rollback_stops_the_experiment_and_says_what_it_could_not_do(shop: Shop, metrics: Metrics) -> None:
    flag = a_ramp(shop)
    experiment = a_running_experiment(shop)
    after_looks(metrics, a_check(shop, flag, rolling_back()), ILL, ILL)
    stopped = experiments.experiment(experiment.id)
    assert (stopped.status, run_of(experiment).stop_cause) == (Status.STOPPED, StopCause.HEALTH)
    evidence = newest_record(flag, "automation.roll_back").changes[0].after
    assert evidence is not None
    assert "canary: The share cannot change" in str(evidence["not_done"])
    assert ramp_of(flag).state is RampState.RISING


def test_a_reaction_that_was_cut_short_follows_with_the_next_round(shop: Shop, metrics: Metrics) -> None:
    flag = a_button_flag(shop)
    check = a_check(shop, flag, killing())
    metrics.says(ILL)
    for minute in range(2):
        ask_due(shop.project.id, "prometheus", now=NOW + minute * MINUTE)
    assert not settings_of(flags.flag(flag.id)).is_killed
    work(next_look(reads.check(check.id)), "health.ask")
    assert settings_of(flags.flag(flag.id)).is_killed


def test_two_workers_react_once(shop: Shop, metrics: Metrics) -> None:
    flag, production = a_button_flag(shop), environment_of(shop).id
    seen = after_looks(metrics, a_check(shop, flag, replace(PLAN, failures=3)), ILL, ILL, ILL)
    both = replace(seen, plan=killing(seen.plan))
    assert react_to_health(both, now=later(1)) != NOTHING
    unkill_flag(shop.owner, KillFlag(flag.id, production), now=later(1))
    assert react_to_health(both, now=later(1)) == NOTHING
    assert not settings_of(flags.flag(flag.id)).is_killed
