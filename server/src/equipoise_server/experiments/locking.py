"""Holds an experiment and its neighbours still while one action looks at them and changes them."""

from __future__ import annotations

from uuid import UUID

from equipoise_server.audit.values import Subject
from equipoise_server.experiments import models, reads
from equipoise_server.experiments.values import Experiment
from equipoise_server.foundation.refusals import Conflict, Problem


def held_still(experiment: Experiment) -> Experiment:
    """The experiment as it is now, locked with all of its project until the action's transaction ends.

    Launches in one project compete for flags and slots, so they are put in a row.
    """
    rows = models.Experiment.objects.select_for_update().filter(project_id=experiment.project_id)
    list(rows.order_by("pk").values_list("pk"))
    return reads.experiment(experiment.id)


def refuse_unless_seen(held: Experiment, expected_version: int) -> None:
    """Refuse somebody who acts on an older state than the one that is there."""
    if held.version != expected_version:
        told = f"Somebody changed “{held.key}” meanwhile; read it again, then repeat your change."
        raise Conflict(Problem("expected_version", told))


def subject_of(
    experiment_id: UUID, key: str, project_id: UUID, environment_id: UUID | None = None
) -> Subject:
    """The experiment as an audit record names it."""
    return Subject("experiment", experiment_id, key, project_id, environment_id)
