"""When reports are made again: as due work, one iteration at a time, or now because somebody asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from equipoise_server.access.values import Actor, Permission
from equipoise_server.analysis.freshness_values import REFRESH
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Subject
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.values import Experiment, Iteration
from equipoise_server.foundation.due_work import WorkDetails, schedule
from equipoise_server.foundation.refusals import Conflict, NotFound, Problem
from equipoise_server.jobs import reads as jobs
from equipoise_server.jobs.values import Job

REST = timedelta(hours=1)
"""A refresh that was given up or cancelled is not made due by the minute again before this."""
AHEAD = timedelta(minutes=1)
"""What a person asks for goes before what the minute has made due."""


@dataclass(frozen=True, slots=True)
class AskRefresh:
    """Make an experiment's report again now."""

    experiment_id: UUID
    reason: str = ""


def state_of(environment_id: UUID) -> str:
    """What work on an environment's rollup state holds: one worker at a time has it open."""
    return f"state:{environment_id}"


def make_due(iteration: Iteration, *, now: datetime) -> bool:
    """Put an iteration's refresh on the table, unless it rests after a failure."""
    return schedule(
        REFRESH, str(iteration.id), due_at=now, payload={"iteration_id": str(iteration.id)},
        details=_details(iteration), rest=REST,
    )  # fmt: skip


def ask_refresh(actor: Actor, command: AskRefresh, *, now: datetime) -> None:
    """Make the newest iteration's report again as soon as a worker is free, whatever failed before."""
    experiment = experiments.experiment(command.experiment_id)
    actor.require(Permission.JOB_MANAGE, experiment.project_id)
    iteration = experiment.iteration
    if iteration is None:
        told = f"“{experiment.key}” has not started, so there is nothing to refresh. Launch it first."
        raise Conflict(Problem("", told))
    subject = Subject(
        "experiment", experiment.id, experiment.key, experiment.project_id, iteration.environment_id
    )
    with change(actor.author, "job.run", subject, now=now, reason=command.reason) as entry:
        entry.after = {"job": REFRESH, "iteration": iteration.number}
        make_asked(iteration, now=now)


def make_asked(iteration: Iteration, *, now: datetime) -> None:
    """Put an iteration's refresh before what the minute has made due."""
    schedule(
        REFRESH, str(iteration.id), due_at=now - AHEAD, payload={"iteration_id": str(iteration.id)},
        details=_details(iteration), is_asked=True,
    )  # fmt: skip


def newest_refresh(experiment: Experiment, *, now: datetime) -> Job:
    """The refresh of the newest iteration that waits, runs or ran last."""
    iteration = experiment.iteration
    newest = None if iteration is None else jobs.slot(REFRESH, str(iteration.id), now=now).newest
    if newest is None:
        told = f"“{experiment.key}” was not refreshed yet; a worker does it within a minute of its start."
        raise NotFound(Problem("job", told))
    return newest


def _details(iteration: Iteration) -> WorkDetails:
    uses_state = iteration.stopped_at is None and not iteration.is_imported
    holds = state_of(iteration.environment_id) if uses_state else ""
    return WorkDetails(iteration.project_id, iteration.experiment_key, holds)
