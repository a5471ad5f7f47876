"""The life of an experiment: what each move does, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from people import NOW, a_member, a_project, an_admin, an_outsider
from scenes import (
    Shop,
    a_design,
    a_draft_experiment,
    a_metric,
    a_running_experiment,
    a_shop,
    a_stopped_experiment,
    environment_of,
    later,
    launched,
)

from equipoise_server.access.values import Actor, Role
from equipoise_server.audit import reads as audit
from equipoise_server.experiments import reads
from equipoise_server.experiments.actions import (
    Archive,
    CreateExperiment,
    EditDesign,
    Launch,
    Restart,
    Stop,
    Widen,
    archive,
    create_experiment,
    edit_design,
    launch,
    restart,
    stop,
    widen,
)
from equipoise_server.experiments.values import Design, Experiment, Iteration, Status, StopCause
from equipoise_server.flags.reads import flag_by_key
from equipoise_server.foundation import revisions
from equipoise_server.foundation.refusals import Conflict, Forbidden, Invalid, NotFound
from equipoise_server.metrics.actions import ReviseMetric, revise_metric
from equipoise_server.metrics.reads import metric_by_key
from equipoise_server.metrics.values import Margin, MarginKind

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Shop:
    return a_shop()


def run(experiment: Experiment) -> Iteration:
    assert experiment.iteration is not None
    return experiment.iteration


def pins(shop: Shop, flag: str = "checkout-button", environment: str = "production") -> list[str]:
    return [pin.experiment_key for pin in flag_by_key(shop.project.id, flag).settings[environment].pins]


def test_a_draft_may_be_incomplete_and_is_kept_as_it_is(shop: Shop) -> None:
    draft = create_experiment(
        shop.owner, CreateExperiment(shop.project.id, "idea", "An idea", Design()), now=NOW
    )
    assert (draft.status, draft.design, draft.iterations, draft.version) == (Status.DRAFT, Design(), (), 1)


def test_a_draft_without_key_and_name_is_refused_with_both(shop: Shop) -> None:
    with pytest.raises(Invalid) as refused:
        create_experiment(shop.owner, CreateExperiment(shop.project.id, "An idea", " ", Design()), now=NOW)
    assert [problem.field for problem in refused.value.problems] == ["key", "name"]


def test_a_key_is_taken_for_ever(shop: Shop) -> None:
    draft = a_draft_experiment(shop)
    archive(shop.owner, Archive(draft.id), now=NOW)
    with pytest.raises(Invalid, match="already"):
        a_draft_experiment(shop)


def test_a_draft_can_be_edited_by_who_saw_its_last_version(shop: Shop) -> None:
    draft = a_draft_experiment(shop)
    plan = replace(draft.design, alpha=0.1)
    edited = edit_design(shop.owner, EditDesign(draft.id, draft.version, "Greener", plan, "Bo"), now=NOW)
    assert (edited.design, edited.name, edited.owner, edited.version) == (plan, "Greener", "Bo", 2)
    with pytest.raises(Conflict, match="meanwhile"):
        edit_design(shop.owner, EditDesign(draft.id, draft.version, "Greener", plan), now=NOW)


def test_a_launch_freezes_versions_margins_salts_slots_and_the_end(shop: Shop) -> None:
    experiment = a_running_experiment(shop)
    started = run(experiment)
    assert experiment.status is Status.RUNNING
    assert (started.number, started.started_at, started.planned_end_at) == (1, NOW, NOW + timedelta(days=14))
    assert [metric.version for metric in started.design.metrics] == [1, 1]
    assert started.design.metrics[1].margin == Margin(MarginKind.RELATIVE, 0.05)
    assert started.slots == ((0, 10_000),)
    assert started.gate_parts_per_million == 1_000_000
    assert len({started.salt, started.gate_salt, started.layer_salt}) == 3
    assert pins(shop) == ["checkout-button"]
    assert pins(shop, environment="development") == []


def test_a_launch_makes_one_audit_record_and_a_revision_of_its_environment_alone(shop: Shop) -> None:
    draft = a_draft_experiment(shop)
    before = revisions.current(environment_of(shop).id)
    experiment = launched(shop, draft)
    [record] = [r for r in audit.of_project(shop.project.id) if r.action == "experiment.launch"]
    assert [change.action for change in record.changes] == ["experiment.launch", "flag.pin"]
    assert list(record.revisions) == [str(environment_of(shop).id)]
    assert revisions.current(environment_of(shop).id) != before
    assert audit.of_subject("experiment", experiment.id)[0].number == record.number


def test_a_metric_that_changes_after_the_launch_keeps_its_meaning_in_it(shop: Shop) -> None:
    experiment = a_running_experiment(shop)
    metric = metric_by_key(shop.project.id, "purchase")
    revised = ReviseMetric(
        metric.id, metric.edition, metric.name, replace(metric.definition, window=timedelta(days=1)),
        metric.direction, "", metric.tier, "", metric.display, None, metric.minimum_units,
    )  # fmt: skip
    assert revise_metric(shop.owner, revised, now=NOW).version == 2
    assert run(reads.experiment(experiment.id)).design.metrics[0].version == 1


def test_a_second_launch_is_a_conflict(shop: Shop) -> None:
    draft = a_draft_experiment(shop)
    launched(shop, draft)
    with pytest.raises(Conflict):
        launched(shop, draft)
    with pytest.raises(Conflict, match="is running"):
        launched(shop, reads.experiment(draft.id))


def test_what_nobody_has_read_cannot_be_launched(shop: Shop) -> None:
    draft = a_draft_experiment(shop)
    edit_design(shop.owner, EditDesign(draft.id, draft.version, "Greener", draft.design), now=NOW)
    with pytest.raises(Conflict, match="meanwhile"):
        launched(shop, draft)


def test_a_running_design_is_frozen_and_the_refusal_names_what(shop: Shop) -> None:
    experiment = a_running_experiment(shop)
    plan = replace(experiment.design, alpha=0.1, mde_relative=0.5)
    with pytest.raises(Conflict) as refused:
        edit_design(shop.owner, EditDesign(experiment.id, experiment.version, "x", plan), now=NOW)
    assert [problem.field for problem in refused.value.problems] == ["alpha", "mde_relative"]
    renamed = EditDesign(experiment.id, experiment.version, "A better name", experiment.design)
    assert edit_design(shop.owner, renamed, now=NOW).name == "A better name"


def test_the_gate_only_grows(shop: Shop) -> None:
    experiment = a_running_experiment(shop, design=a_design(audience_parts_per_million=100_000))
    wider = widen(shop.owner, Widen(experiment.id, experiment.version, 500_000), now=NOW)
    assert run(wider).gate_parts_per_million == 500_000
    assert (run(wider).salt, run(wider).gate_salt) == (run(experiment).salt, run(experiment).gate_salt)
    assert run(wider).design == run(experiment).design
    for share in (500_000, 400_000, 1_000_001):
        with pytest.raises(Invalid, match="only grows"):
            widen(shop.owner, Widen(wider.id, wider.version, share), now=NOW)
    whole = widen(shop.owner, Widen(wider.id, wider.version, 1_000_000), now=NOW)
    with pytest.raises(Invalid, match="Everybody"):
        widen(shop.owner, Widen(whole.id, whole.version, 1_000_000), now=NOW)


def test_a_stop_ends_the_iteration_and_keeps_slots_and_pins_until_the_decision(shop: Shop) -> None:
    experiment = a_stopped_experiment(shop)
    assert experiment.status is Status.STOPPED
    assert (run(experiment).stopped_at, run(experiment).stop_cause) == (later(14), StopCause.REQUEST)
    assert pins(shop) == ["checkout-button"]
    assert reads.layers_of(environment_of(shop).id)[0].free_slots == 0
    with pytest.raises(Conflict, match="only what is running can be stopped"):
        stop(shop.owner, Stop(experiment.id), now=later(15))


def test_a_stop_takes_the_instant_of_the_kill_but_never_one_before_the_start(shop: Shop) -> None:
    experiment = a_running_experiment(shop)
    killed = stop(shop.owner, Stop(experiment.id, "kill", StopCause.KILL, NOW - timedelta(1)), now=later(2))
    assert (run(killed).stopped_at, run(killed).stop_cause) == (NOW, StopCause.KILL)


def test_no_reason_keeps_a_stop_from_happening(shop: Shop) -> None:
    stopped = stop(shop.owner, Stop(a_running_experiment(shop).id, "nul \x00 and \ud800"), now=later(1))
    assert (stopped.status, run(stopped).stop_reason) == (Status.STOPPED, "nul  and ?")


def test_a_restart_is_a_new_iteration_with_fresh_salts_in_the_same_slots(shop: Shop) -> None:
    experiment = a_running_experiment(shop, design=a_design(layer="checkout", slot_share=0.4))
    again = restart(shop.owner, Restart(experiment.id, experiment.version, "Wrong colour"), now=later(1))
    first, second = again.iterations
    assert again.status is Status.RUNNING
    assert (first.stopped_at, first.stop_cause, first.stop_reason) == (
        later(1),
        StopCause.RESTART,
        "Wrong colour",
    )
    assert (second.number, second.started_at, second.stopped_at) == (2, later(1), None)
    assert (second.slots, second.layer_salt) == (first.slots, first.layer_salt)
    assert second.salt != first.salt
    assert second.gate_salt != first.gate_salt
    assert reads.layers_of(environment_of(shop).id)[0].free_slots == 6_000
    assert pins(shop) == ["checkout-button"]


def test_a_restart_may_bring_another_design_and_another_environment(shop: Shop) -> None:
    experiment = launched(shop, a_draft_experiment(shop), "development")
    a_metric(shop, "clicks")
    plan = replace(experiment.design, layer="checkout", slot_share=0.25, alpha=0.1)
    command = Restart(experiment.id, experiment.version, environment_id=environment_of(shop).id, design=plan)
    again = restart(shop.owner, command, now=later(1))
    assert again.design == plan
    assert run(again).slots == ((0, 2_500),)
    assert (pins(shop, environment="development"), pins(shop)) == ([], ["checkout-button"])
    assert reads.payload(environment_of(shop, "development").id).experiments == {}


def test_a_restart_is_checked_like_a_launch(shop: Shop) -> None:
    experiment = a_stopped_experiment(shop)
    worse = replace(experiment.design, hypothesis="")
    with pytest.raises(Invalid, match="expect to happen"):
        restart(shop.owner, Restart(experiment.id, experiment.version, design=worse), now=later(15))
    assert reads.experiment(experiment.id) == experiment


def test_a_draft_cannot_be_stopped_widened_or_restarted(shop: Shop) -> None:
    draft = a_draft_experiment(shop)
    for move in (
        lambda: stop(shop.owner, Stop(draft.id), now=NOW),
        lambda: widen(shop.owner, Widen(draft.id, draft.version, 1), now=NOW),
        lambda: restart(shop.owner, Restart(draft.id, draft.version), now=NOW),
    ):
        with pytest.raises(Conflict, match="is draft"):
            move()


def test_what_runs_or_waits_for_a_decision_cannot_be_archived(shop: Shop) -> None:
    for experiment in (a_running_experiment(shop, "one"), a_stopped_experiment(shop, "two")):
        with pytest.raises(Conflict, match="be archived"):
            archive(shop.owner, Archive(experiment.id), now=later(15))


def test_roles_hold(shop: Shop) -> None:
    draft = a_draft_experiment(shop)
    viewer = a_member(shop.owner, shop.project, Role.VIEWER)
    experimenter = a_member(shop.owner, shop.project, Role.EXPERIMENTER)
    moves: tuple[Callable[[Actor], object], ...] = (
        lambda actor: launch(actor, Launch(draft.id, environment_of(shop).id, draft.version), now=NOW),
        lambda actor: edit_design(actor, EditDesign(draft.id, draft.version, "x", draft.design), now=NOW),
        lambda actor: stop(actor, Stop(draft.id), now=NOW),
        lambda actor: archive(actor, Archive(draft.id), now=NOW),
        lambda actor: create_experiment(
            actor, CreateExperiment(shop.project.id, "y", "Y", Design()), now=NOW
        ),
    )
    for actor, move in product((viewer, an_outsider()), moves):
        with pytest.raises(Forbidden):
            move(actor)
    launch(experimenter, Launch(draft.id, environment_of(shop).id, draft.version), now=NOW)
    assert stop(experimenter, Stop(draft.id), now=NOW).status is Status.STOPPED


def test_an_environment_of_another_project_does_not_exist_here(shop: Shop) -> None:
    _, other = a_project(an_admin("bob@example.com"), "other")
    draft = a_draft_experiment(shop)
    with pytest.raises(NotFound):
        launch(shop.owner, Launch(draft.id, other.environments[0].id, draft.version), now=NOW)
    with pytest.raises(NotFound):
        reads.experiment_by_key(other.id, draft.key)


def test_lists_cost_the_same_however_long_they_are(
    shop: Shop, django_assert_max_num_queries: pytest.FixtureRequest
) -> None:
    for key in ("one", "two", "three", "four"):
        a_running_experiment(shop, key)
    with django_assert_max_num_queries(2):  # type: ignore[operator]  # pytest-django's fixture
        assert len(reads.experiments_of(shop.project.id)) == 4
    with django_assert_max_num_queries(1):  # type: ignore[operator]  # pytest-django's fixture
        assert len(reads.running_iterations()) == 4
    with django_assert_max_num_queries(3):  # type: ignore[operator]  # pytest-django's fixture
        assert len(reads.payload(environment_of(shop).id).experiments) == 4
    with django_assert_max_num_queries(2):  # type: ignore[operator]  # pytest-django's fixture
        assert len(reads.layers_of(environment_of(shop).id)) == 4
