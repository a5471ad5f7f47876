"""What comes from outside the lifecycle: verdicts, and experiments that were run elsewhere."""

from __future__ import annotations

from dataclasses import replace

import pytest
from people import NOW, a_member, a_project, an_admin
from scenes import Shop, a_design, a_running_experiment, a_shop, environment_of, found, later, the_metrics

from equipoise_server.access.values import Role
from equipoise_server.audit import reads as audit
from equipoise_server.experiments import reads
from equipoise_server.experiments.actions import (
    Decide,
    ImportedExperiment,
    Restart,
    decide,
    record_verdict,
    register_import,
    restart,
)
from equipoise_server.experiments.values import (
    Arm,
    DecisionKind,
    Design,
    Experiment,
    Status,
    Verdict,
    VerdictState,
)
from equipoise_server.foundation.ids import new_id
from equipoise_server.foundation.refusals import Conflict, Forbidden, Invalid, NotFound
from equipoise_server.snapshots import reads as snapshots

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Shop:
    held = a_shop()
    the_metrics(held)
    return held


def past(shop: Shop, **changes: object) -> ImportedExperiment:
    arms = (Arm("control", "No e-mail", 1, {}), Arm("mens", "Men's", 1, {}))
    plan = Design(arms=arms, metrics=a_design().metrics[:1])
    command = ImportedExperiment(
        shop.project.id, environment_of(shop).id, "e-mail", "E-mail", plan, later(-30), later(-16), "Bo"
    )
    return replace(command, **changes)


def imported(shop: Shop) -> Experiment:
    return register_import(shop.owner, past(shop), now=NOW)


def test_a_verdict_belongs_to_its_iteration_and_leaves_the_version_alone(shop: Shop) -> None:
    running = a_running_experiment(shop)
    told = found(running, VerdictState.RUNNING)
    assert told.verdict == Verdict(VerdictState.RUNNING, "It is running.", later(14))
    assert told.version == running.version


def test_only_a_change_of_the_verdicts_state_is_audited_and_never_its_words(shop: Shop) -> None:
    running = a_running_experiment(shop)
    assert running.iteration is not None
    for sentence in ("Purchases 6.1 % up.", "Purchases 6.2 % up."):
        record_verdict(running.iteration.id, Verdict(VerdictState.RUNNING, sentence, later(1)), now=later(1))
    told = [r for r in audit.of_subject("experiment", running.id) if r.action == "experiment.verdict"]
    assert [record.changes[0].after for record in told] == [{"state": "running"}]
    assert reads.experiment(running.id).verdict == Verdict(VerdictState.RUNNING, sentence, later(1))


def test_a_verdict_of_nothing_is_refused() -> None:
    with pytest.raises(NotFound):
        record_verdict(new_id(), Verdict(VerdictState.RUNNING, "", NOW), now=NOW)


def test_an_imported_experiment_is_stopped_and_ready_to_be_analysed(shop: Shop) -> None:
    experiment = imported(shop)
    iteration = experiment.iteration
    assert iteration is not None
    assert (experiment.status, iteration.is_imported, iteration.number) == (Status.STOPPED, True, 1)
    assert iteration.is_over(NOW)
    assert iteration.design.metrics[0].version == 1
    assert (iteration.salt, iteration.layer_key, iteration.slots) == ("", "", ())
    assert iteration in reads.analysable_iterations()
    assert reads.running_iterations() == ()


def test_an_imported_experiment_never_reaches_a_client(shop: Shop) -> None:
    imported(shop)
    a_running_experiment(shop)
    assert list(reads.payload(environment_of(shop).id).experiments) == ["checkout-button"]
    assert b"e-mail" not in snapshots.current(environment_of(shop).id).body


def test_an_imported_experiment_can_be_decided_but_not_restarted(shop: Shop) -> None:
    experiment = found(imported(shop))
    with pytest.raises(Invalid, match="was imported"):
        restart(shop.owner, Restart(experiment.id, experiment.version), now=NOW)
    command = Decide(experiment.id, DecisionKind.SHIP, "mens", "It won")
    assert decide(shop.owner, command, now=NOW).status is Status.DECIDED
    with pytest.raises(Conflict):
        decide(shop.owner, command, now=NOW)


def test_every_fault_of_an_import_is_listed_at_once(shop: Shop) -> None:
    _, other = a_project(an_admin("bob@example.com"), "other")
    a_running_experiment(shop)
    broken = past(
        shop, key="checkout-button", name="", environment_id=other.environments[0].id, ended_at=later(-30),
        design=Design(arms=(Arm("a", "", 0, {}),), control="b", metrics=()),
    )  # fmt: skip
    with pytest.raises(Invalid) as refused:
        register_import(shop.owner, broken, now=NOW)
    assert [problem.field for problem in refused.value.problems] == [
        "key", "name", "environment_id", "ended_at", "arms", "control", "arms.0.weight", "metrics",
    ]  # fmt: skip


def test_a_viewer_cannot_import(shop: Shop) -> None:
    with pytest.raises(Forbidden):
        register_import(a_member(shop.owner, shop.project, Role.VIEWER), past(shop), now=NOW)
