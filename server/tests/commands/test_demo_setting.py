"""The demo's plans are sound: everything it wants to create and launch is accepted by the real actions."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from equipoise_server.access.values import Permission
from equipoise_server.commands.demo_catalogue import FLAGS, GROUPS, METRICS, TESTERS
from equipoise_server.commands.demo_experiments import EXPERIMENTS, Fate
from equipoise_server.commands.demo_setting import Setting, set_up
from equipoise_server.experiments.actions import CreateExperiment, Launch, create_experiment, launch
from equipoise_server.experiments.reads import experiments_of
from equipoise_server.experiments.values import Status
from equipoise_server.flags.reads import flags_of, groups_of, segments_of
from equipoise_server.metrics.reads import metrics_of

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def setting() -> Setting:
    return set_up(now=NOW)


def test_all_metrics_and_flags_of_the_plan_are_there(setting: Setting) -> None:
    assert {m.key for m in metrics_of(setting.project.id)} == {m.key for m in METRICS}
    assert {f.key for f in flags_of(setting.project.id)} == {f.key for f in FLAGS}
    assert {g.key: frozenset(g.flags) for g in groups_of(setting.project.id)} == {
        group.key: group.flags for group in GROUPS
    }
    (testers,) = segments_of(setting.project.id)
    assert testers.members is not None
    assert testers.members.member_count == len(TESTERS)


def test_each_person_may_do_what_the_terminal_says(setting: Setting) -> None:
    project = setting.project.id
    assert setting.admin.may(Permission.MEMBER_GRANT, project)
    assert setting.engineer.may(Permission.KEY_MANAGE, project)
    assert setting.experimenter.may(Permission.EXPERIMENT_DECIDE, project)
    assert not setting.experimenter.may(Permission.KEY_MANAGE, project)


def test_every_experiment_of_the_plan_passes_the_launch_checks(setting: Setting) -> None:
    for planned in EXPERIMENTS:
        command = CreateExperiment(
            setting.project.id, planned.key, planned.name, planned.design, planned.owner
        )
        draft = create_experiment(setting.experimenter, command, now=NOW)
        if planned.fate is not Fate.DRAFT:
            launch(setting.experimenter, Launch(draft.id, setting.production.id, draft.version), now=NOW)
    statuses = {e.key: e.status for e in experiments_of(setting.project.id)}
    assert statuses == {
        planned.key: Status.DRAFT if planned.fate is Fate.DRAFT else Status.RUNNING for planned in EXPERIMENTS
    }
