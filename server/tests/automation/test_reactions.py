"""What automation does about evidence and kills, and that it does it once, audited, and never more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from people import NOW
from scenes import (
    Shop,
    a_button_flag,
    a_design,
    a_draft_experiment,
    a_running_experiment,
    a_shop,
    a_stopped_experiment,
    environment_of,
    later,
    launched,
    updated,
)

from equipoise_server.analysis.values import (
    ComparisonRow,
    Conclusion,
    Guardrail,
    GuardrailState,
    Method,
    Report,
    Results,
    Srm,
    SrmState,
    Withheld,
)
from equipoise_server.audit import reads as audit
from equipoise_server.automation.actions import react, stop_after_kill
from equipoise_server.automation.values import NOTHING, ReactionKind
from equipoise_server.experiments import reads
from equipoise_server.experiments.actions import Restart, restart
from equipoise_server.experiments.values import BreachAction, Experiment, Status, StopCause, VerdictState
from equipoise_server.experiments.values import MetricRole as Role
from equipoise_server.flags.actions import (
    CreateGroup,
    KillEnvironment,
    KillFlag,
    KillGroup,
    create_group,
    kill_environment,
    kill_flag,
    kill_group,
    unkill_flag,
    update_flag_settings,
)
from equipoise_server.flags.reads import flag_by_key
from equipoise_server.flags.values import Prerequisite
from equipoise_server.foundation import due_work
from equipoise_server.metrics.values import Direction

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Shop:
    return a_shop()


def a_row(metric: str, *, breached: bool) -> ComparisonRow:
    guardrail = Guardrail(
        GuardrailState.FAIL if breached else GuardrailState.PASS, "5 %", 0.05, None, breached
    )
    return ComparisonRow(
        metric, 1, metric.capitalize(), Role.GUARDRAIL, Direction.DECREASE, "ms", "treatment", 900, 900,
        None, None, None, None, None, None, None, None, None, Conclusion.TOO_EARLY, "", guardrail,
    )  # fmt: skip


def a_report(experiment: Experiment, *rows: ComparisonRow) -> Report:
    assert experiment.iteration is not None
    return Report(
        experiment.iteration.id, later(1), VerdictState.RUNNING, "", (), (), Srm(SrmState.PASS, 0.5, ()),
        (), Results(Method.CONFIDENCE_SEQUENCE, later(1), rows, ()), None,
    )  # fmt: skip


def reacted(experiment: Experiment, report: Report) -> ReactionKind:
    return react(report.iteration_id, report, now=later(1)).kind


def test_a_breached_guardrail_that_was_planned_to_stop_stops_the_experiment(shop: Shop) -> None:
    experiment = a_running_experiment(shop)
    assert reacted(experiment, a_report(experiment, a_row("latency", breached=True))) is ReactionKind.STOP
    stopped = reads.experiment(experiment.id)
    assert stopped.iteration is not None
    assert (stopped.status, stopped.iteration.stop_cause) == (Status.STOPPED, StopCause.GUARDRAIL)
    record = audit.of_subject("experiment", experiment.id)[0]
    assert (record.author.kind, record.action) == ("automation", "experiment.stop")
    assert record.reason == "The alarm of a guardrail was breached: “Latency” in “treatment”."


def test_a_guardrail_that_holds_stops_nothing(shop: Shop) -> None:
    experiment = a_running_experiment(shop)
    assert reacted(experiment, a_report(experiment, a_row("latency", breached=False))) is ReactionKind.NOTHING
    assert reads.experiment(experiment.id) == experiment


def test_a_guardrail_that_was_planned_to_alert_stops_nothing(shop: Shop) -> None:
    oec, guardrail = a_design().metrics
    alerting = a_design(metrics=(oec, replace(guardrail, on_breach=BreachAction.ALERT)))
    experiment = a_running_experiment(shop, design=alerting)
    assert reacted(experiment, a_report(experiment, a_row("latency", breached=True))) is ReactionKind.NOTHING
    assert reads.experiment(experiment.id).status is Status.RUNNING


def test_a_withheld_report_stops_nothing(shop: Shop) -> None:
    experiment = a_running_experiment(shop)
    withheld = replace(a_report(experiment), results=None, withheld=Withheld("Withheld", "", ()))
    assert reacted(experiment, withheld) is ReactionKind.NOTHING


def test_the_same_report_twice_stops_once(shop: Shop) -> None:
    experiment = a_running_experiment(shop)
    report = a_report(experiment, a_row("latency", breached=True))
    assert [reacted(experiment, report) for _ in range(2)] == [ReactionKind.STOP, ReactionKind.NOTHING]


def test_a_report_of_an_earlier_iteration_stops_nothing(shop: Shop) -> None:
    experiment = a_running_experiment(shop)
    report = a_report(experiment, a_row("latency", breached=True))
    restart(shop.owner, Restart(experiment.id, experiment.version), now=later(1))
    assert react(report.iteration_id, report, now=later(2)) == NOTHING
    assert reads.experiment(experiment.id).status is Status.RUNNING


def the_worker_comes_by(at_day: float) -> None:
    """Do all due work of kills, as the worker does."""
    now = later(at_day)
    while (work := due_work.claim("worker", now=now, kinds=frozenset({"flag.killed"}))) is not None:
        due_work.run(work, now=now)
        due_work.finish(work, now=now)


def the_kill(shop: Shop, key: str = "checkout-button") -> KillFlag:
    return KillFlag(flag_by_key(shop.project.id, key).id, environment_of(shop).id, "It burns")


def test_killing_a_flag_ends_its_running_experiment_at_the_instant_of_the_kill(shop: Shop) -> None:
    experiment = a_running_experiment(shop)
    kill_flag(shop.owner, the_kill(shop), now=later(3))
    the_worker_comes_by(3.5)
    iteration = reads.experiment(experiment.id).iteration
    assert iteration is not None
    assert (iteration.stopped_at, iteration.stop_cause) == (later(3), StopCause.KILL)
    assert audit.of_subject("experiment", experiment.id)[0].author.name == "kill switch"


def test_taking_the_kill_back_before_automation_looks_resumes_nothing(shop: Shop) -> None:
    experiment = a_running_experiment(shop)
    kill_flag(shop.owner, the_kill(shop), now=later(3))
    unkill_flag(shop.owner, the_kill(shop), now=later(3.1))
    the_worker_comes_by(3.5)
    stopped = reads.experiment(experiment.id)
    assert stopped.iteration is not None
    assert (stopped.status, stopped.iteration.stopped_at) == (Status.STOPPED, later(3))


def test_killing_an_environment_ends_everything_that_runs_there_and_nothing_elsewhere(shop: Shop) -> None:
    here = [a_running_experiment(shop, key) for key in ("one", "two")]
    elsewhere = launched(shop, a_draft_experiment(shop, "three"), "development")
    kill_environment(shop.owner, KillEnvironment(environment_of(shop).id), now=later(1))
    the_worker_comes_by(1.5)
    assert {reads.experiment(one.id).status for one in here} == {Status.STOPPED}
    assert reads.experiment(elsewhere.id).status is Status.RUNNING


def needing(shop: Shop, key: str, other: str, *variants: str) -> None:
    """Let a flag need another in production."""
    held = updated(flag_by_key(shop.project.id, key), "production")
    update_flag_settings(shop.owner, replace(held, prerequisites=(Prerequisite(other, variants),)), now=NOW)


@pytest.mark.parametrize("in_group", [False, True])
def test_killing_what_a_flag_needs_stops_what_runs_on_it(shop: Shop, in_group: bool) -> None:
    for key in ("checkout-button", "basket", "login"):
        a_button_flag(shop, key)
    needing(shop, "basket", "login", "green")
    needing(shop, "checkout-button", "basket", "green")
    experiment = launched(shop, a_draft_experiment(shop, "colours", flag="checkout-button"))
    if in_group:
        command = CreateGroup(shop.project.id, "entrance", "Entrance", frozenset(["login"]))
        group = create_group(shop.owner, command, now=NOW)
        kill_group(shop.owner, KillGroup(group.id, environment_of(shop).id), now=later(1))
    else:
        kill_flag(shop.owner, the_kill(shop, "login"), now=later(1))
    the_worker_comes_by(1.5)
    iteration = reads.experiment(experiment.id).iteration
    assert iteration is not None
    assert (iteration.stop_cause, iteration.stopped_at) == (StopCause.KILL, later(1))


def test_killing_a_needed_flag_that_is_good_enough_when_off_stops_nothing(shop: Shop) -> None:
    for key in ("checkout-button", "basket"):
        a_button_flag(shop, key)
    needing(shop, "checkout-button", "basket", "grey", "green")
    experiment = launched(shop, a_draft_experiment(shop, "colours", flag="checkout-button"))
    kill_flag(shop.owner, the_kill(shop, "basket"), now=later(1))
    the_worker_comes_by(1.5)
    assert reads.experiment(experiment.id).status is Status.RUNNING


def test_killing_a_flag_that_no_experiment_sets_stops_nothing(shop: Shop) -> None:
    experiment = a_running_experiment(shop)
    a_button_flag(shop, "other")
    kill_flag(shop.owner, the_kill(shop, "other"), now=later(1))
    the_worker_comes_by(1.5)
    assert reads.experiment(experiment.id) == experiment


def test_a_kill_before_the_start_does_not_stop_what_started_after_it(shop: Shop) -> None:
    flag = a_button_flag(shop)
    before = NOW - timedelta(days=1)
    kill_flag(shop.owner, the_kill(shop), now=before)
    unkill_flag(shop.owner, the_kill(shop), now=before)
    experiment = a_running_experiment(shop)
    assert stop_after_kill(flag.id, environment_of(shop).id, now=later(1)) == ()
    assert reads.experiment(experiment.id).status is Status.RUNNING


def test_a_kill_leaves_a_stopped_experiment_as_it_was(shop: Shop) -> None:
    experiment = a_stopped_experiment(shop)
    kill_flag(shop.owner, the_kill(shop), now=later(15))
    the_worker_comes_by(15.5)
    assert reads.experiment(experiment.id) == experiment
