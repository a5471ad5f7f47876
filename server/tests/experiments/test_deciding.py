"""Deciding: what ships, what cannot, and what is let go of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from people import NOW
from scenes import (
    Shop,
    a_button_flag,
    a_design,
    a_running_experiment,
    a_shop,
    a_stopped_experiment,
    environment_of,
    found,
    later,
    updated,
)

from equipoise_server.audit import reads as audit
from equipoise_server.experiments import reads
from equipoise_server.experiments.actions import (
    Archive,
    Decide,
    Restart,
    Stop,
    archive,
    decide,
    restart,
    stop,
)
from equipoise_server.experiments.values import (
    Decision,
    DecisionKind,
    Experiment,
    Status,
    StopCause,
    VerdictState,
)
from equipoise_server.flags.actions import KillFlag, kill_flag, unkill_flag, update_flag_settings
from equipoise_server.flags.reads import flag_by_key
from equipoise_server.flags.values import FlagSettings
from equipoise_server.foundation.refusals import Conflict, Invalid
from equipoise_server.snapshots import reads as snapshots

pytestmark = pytest.mark.django_db
UNITS = [f"unit-{number}" for number in range(500)]


@pytest.fixture
def shop() -> Shop:
    return a_shop()


def settings(shop: Shop) -> FlagSettings:
    return flag_by_key(shop.project.id, "checkout-button").settings["production"]


def ship(shop: Shop, experiment: Experiment, arm: str = "treatment") -> Experiment:
    return decide(shop.owner, Decide(experiment.id, DecisionKind.SHIP, arm, "It won"), now=later(15))


def test_shipping_opens_a_rollout_and_lets_go_of_flags_and_slots(shop: Shop) -> None:
    abroad = {"attribute": "country", "operator": "in", "values": ["FR"]}
    plan = a_design(eligibility=abroad, audience_parts_per_million=250_000)
    experiment = ship(shop, found(a_stopped_experiment(shop, design=plan)))
    assert experiment.status is Status.DECIDED
    assert experiment.decision == Decision(DecisionKind.SHIP, "treatment", "It won", "Ada", later(15))
    [rule] = settings(shop).rules
    assert rule.rollout is not None
    assert (rule.rollout.variant, rule.rollout.parts_per_million, rule.eligibility) == (
        "green",
        250_000,
        abroad,
    )
    assert settings(shop).pins == ()
    assert reads.layers_of(environment_of(shop).id)[0].free_slots == 10_000


def test_a_decision_is_one_audit_record_with_its_reason(shop: Shop) -> None:
    experiment = ship(shop, found(a_stopped_experiment(shop)))
    record = audit.of_subject("experiment", experiment.id)[0]
    assert (record.action, record.reason) == ("experiment.decide", "It won")
    assert [change.action for change in record.changes] == [
        "experiment.decide", "flag.unpin", "flag.add_rollout",
    ]  # fmt: skip


def test_not_shipping_needs_no_evidence_and_leaves_the_flag_as_it_is(shop: Shop) -> None:
    stopped = found(a_stopped_experiment(shop), VerdictState.WITHHELD_SRM)
    command = Decide(stopped.id, DecisionKind.DO_NOT_SHIP, "treatment", "The split is broken")
    experiment = decide(shop.owner, command, now=later(15))
    assert experiment.decision is not None
    assert (experiment.status, experiment.decision.arm) == (Status.DECIDED, "control")
    assert (settings(shop).rules, settings(shop).pins) == ((), ())


def test_not_shipping_keeps_those_it_enrolled_on_control_where_the_default_is_another(shop: Shop) -> None:
    a_button_flag(shop)
    flag = flag_by_key(shop.project.id, "checkout-button")
    green = replace(updated(flag, "production"), default="green")
    update_flag_settings(shop.owner, green, now=NOW)
    abroad = {"attribute": "country", "operator": "in", "values": ["FR"]}
    plan = a_design(eligibility=abroad, audience_parts_per_million=250_000)
    stopped = a_stopped_experiment(shop, design=plan)
    before = answers(shop)
    assert set(before.values()) == {"grey", "green"}
    decide(shop.owner, Decide(stopped.id, DecisionKind.DO_NOT_SHIP, reason="It lost"), now=later(15))
    assert answers(shop) == before
    [rule] = settings(shop).rules
    assert rule.rollout is not None
    assert (rule.rollout.variant, rule.rollout.parts_per_million, rule.eligibility) == (
        "grey",
        250_000,
        abroad,
    )


def test_not_shipping_keeps_control_though_another_experiment_holds_the_flag(shop: Shop) -> None:
    a_button_flag(shop)
    flag = flag_by_key(shop.project.id, "checkout-button")
    update_flag_settings(shop.owner, replace(updated(flag, "production"), default="green"), now=NOW)
    plan = a_design(layer="checkout", slot_share=0.5)
    stopped = a_stopped_experiment(shop, design=plan)
    a_running_experiment(shop, "beside", plan, flag="checkout-button")
    decide(shop.owner, Decide(stopped.id, DecisionKind.DO_NOT_SHIP, reason="It lost"), now=later(15))
    assert [rule.rollout.variant for rule in settings(shop).rules if rule.rollout] == ["grey"]


def answers(shop: Shop) -> dict[str, str | None]:
    """What French units get now."""
    snapshot = snapshots.preview(environment_of(shop).id)
    context = {unit: {"units": {"user": unit}, "attributes": {"country": "FR"}} for unit in UNITS}
    return {u: snapshot.evaluate("checkout-button", asked, None).variant for u, asked in context.items()}


def test_what_a_kill_ended_cannot_be_shipped_even_when_the_kill_is_taken_back(shop: Shop) -> None:
    running = a_running_experiment(shop)
    flag = flag_by_key(shop.project.id, "checkout-button")
    command = KillFlag(flag.id, environment_of(shop).id)
    kill_flag(shop.owner, command, now=later(14))
    stop(shop.owner, Stop(running.id, "killed", StopCause.KILL), now=later(14))
    unkill_flag(shop.owner, command, now=later(15))
    stopped = found(reads.experiment(running.id))
    checks = reads.decision_checks(stopped, "treatment")
    assert [check.key for check in checks if not check.passed] == ["kill"]
    with pytest.raises(Conflict, match="A kill ended this run"):
        ship(shop, stopped)


def test_a_decision_needs_a_reason(shop: Shop) -> None:
    stopped = a_stopped_experiment(shop)
    with pytest.raises(Invalid) as refused:
        decide(shop.owner, Decide(stopped.id, DecisionKind.DO_NOT_SHIP), now=later(15))
    assert [problem.field for problem in refused.value.problems] == ["reason"]


@pytest.mark.parametrize(
    "state",
    [
        VerdictState.WITHHELD_SRM,
        VerdictState.GUARDRAIL_BREACHED,
        VerdictState.GUARDRAIL_UNCLEAR,
        VerdictState.NO_DATA,
        VerdictState.TOO_EARLY,
    ],
)
def test_a_broken_or_unproved_result_cannot_be_shipped(shop: Shop, state: VerdictState) -> None:
    stopped = found(a_stopped_experiment(shop), state)
    assert [check.key for check in reads.decision_checks(stopped, "treatment") if not check.passed] == [
        "verdict"
    ]
    with pytest.raises(Conflict):
        ship(shop, stopped)
    assert reads.experiment(stopped.id).status is Status.STOPPED
    assert settings(shop).pins != ()


def test_what_nobody_has_analysed_cannot_be_shipped(shop: Shop) -> None:
    with pytest.raises(Conflict, match="no report yet"):
        ship(shop, a_stopped_experiment(shop))


def test_every_reason_against_shipping_is_listed_at_once(shop: Shop) -> None:
    stopped = found(a_stopped_experiment(shop), VerdictState.WITHHELD_SRM, "Latency failed", "Returns failed")
    kill_flag(
        shop.owner, KillFlag(flag_by_key(shop.project.id, "checkout-button").id, environment_of(shop).id),
        now=later(15),
    )  # fmt: skip
    with pytest.raises(Conflict) as refused:
        ship(shop, stopped, "control")
    told = [problem.message for problem in refused.value.problems]
    assert len(told) == 5
    assert {"Latency failed", "Returns failed"} < set(told)


def test_an_experiment_without_blocks_passes_every_check(shop: Shop) -> None:
    stopped = found(a_stopped_experiment(shop), VerdictState.INCONCLUSIVE)
    assert all(check.passed for check in reads.decision_checks(stopped, "treatment"))


def test_a_running_experiment_must_be_stopped_before_it_is_decided(shop: Shop) -> None:
    running = found(a_running_experiment(shop))
    with pytest.raises(Conflict, match="only what is stopped can be decided"):
        ship(shop, running)
    assert [c.key for c in reads.decision_checks(running, "treatment") if not c.passed] == ["status"]


def test_a_verdict_of_an_earlier_iteration_ships_nothing(shop: Shop) -> None:
    experiment = found(a_running_experiment(shop))
    again = restart(shop.owner, Restart(experiment.id, experiment.version), now=later(1))
    assert again.verdict is None
    with pytest.raises(Conflict, match="no report yet"):
        ship(shop, stop(shop.owner, Stop(again.id), now=later(14)))


def test_a_decided_experiment_can_only_be_archived(shop: Shop) -> None:
    decided = ship(shop, found(a_stopped_experiment(shop)))
    for refused in (lambda: ship(shop, decided), lambda: stop(shop.owner, Stop(decided.id), now=NOW)):
        with pytest.raises(Conflict):
            refused()
    assert archive(shop.owner, Archive(decided.id), now=later(16)).status is Status.ARCHIVED
