"""Ramps: the steps by which a gate grows after a launch, as due work through the same action as people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from equipoise_server.access.values import Actor, Permission
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Author
from equipoise_server.experiments import models, reads
from equipoise_server.experiments.locking import held_still, subject_of
from equipoise_server.experiments.ramp_timing import KIND, schedule_ramp
from equipoise_server.experiments.running import Widen, widen
from equipoise_server.experiments.values import Experiment, Iteration, Status
from equipoise_server.foundation.due_kinds import Lane, handles
from equipoise_server.foundation.refusals import Conflict, Problem

RAMP = Author("automation", "ramp", "ramp")


@dataclass(frozen=True, slots=True)
class PauseRamp:
    """Keep the gate as wide as it is until somebody resumes."""

    experiment_id: UUID
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ResumeRamp:
    """Go on with the ramp; its remaining steps move back by the length of the pause."""

    experiment_id: UUID
    reason: str = ""


@handles(KIND, title="Step of an experiment's ramp", lane=Lane.PROMPT)
def take_step(payload: Mapping[str, str], now: datetime) -> None:
    """Widen the gate to a step, unless the ramp is paused, was moved, or somebody was faster."""
    iteration = reads.iteration(UUID(payload["iteration_id"]))
    step = iteration.design.ramp[int(payload["step"])]
    if iteration.stopped_at is not None or iteration.ramp_paused_at is not None:
        return
    if round(iteration.ramp_delay.total_seconds()) != int(payload["delay"]):
        return
    if step.parts_per_million > iteration.gate_parts_per_million:
        held = reads.experiment(iteration.experiment_id)
        reason = f"Step {int(payload['step']) + 1} of the ramp that was planned at the launch."
        command = Widen(held.id, held.version, step.parts_per_million, reason)
        widen(_ramp_actor(held), command, now=now)


def pause_ramp(actor: Actor, command: PauseRamp, *, now: datetime) -> Experiment:
    """Take no further step until the ramp is resumed."""
    held = reads.experiment(command.experiment_id)
    actor.require(Permission.EXPERIMENT_STOP, held.project_id)
    iteration = _ramping(held)
    subject = subject_of(held.id, held.key, held.project_id, iteration.environment_id)
    with change(actor.author, "experiment.pause_ramp", subject, now=now, reason=command.reason) as entry:
        iteration = _ramping(held_still(held))
        if iteration.ramp_paused_at is not None:
            raise Conflict(Problem("", f"The ramp of “{held.key}” is paused already."))
        models.Iteration.objects.filter(pk=iteration.id).update(ramp_paused_at=now)
        _bump(held)
        entry.before, entry.after = {"paused": False}, {"paused": True}
    return reads.experiment(held.id)


def resume_ramp(actor: Actor, command: ResumeRamp, *, now: datetime) -> Experiment:
    """Go on with the remaining steps."""
    held = reads.experiment(command.experiment_id)
    actor.require(Permission.EXPERIMENT_LAUNCH, held.project_id)
    iteration = _ramping(held)
    subject = subject_of(held.id, held.key, held.project_id, iteration.environment_id)
    with change(actor.author, "experiment.resume_ramp", subject, now=now, reason=command.reason) as entry:
        iteration = _ramping(held_still(held))
        if iteration.ramp_paused_at is None:
            raise Conflict(Problem("", f"The ramp of “{held.key}” is not paused."))
        delay = iteration.ramp_delay + max(now - iteration.ramp_paused_at, timedelta())
        models.Iteration.objects.filter(pk=iteration.id).update(ramp_paused_at=None, ramp_delay=delay)
        _bump(held)
        schedule_ramp(reads.iteration(iteration.id))
        entry.before, entry.after = {"paused": True}, {"paused": False}
    return reads.experiment(held.id)


def _ramping(held: Experiment) -> Iteration:
    iteration = held.iteration
    if held.status is not Status.RUNNING or iteration is None or not iteration.design.ramp:
        raise Conflict(Problem("", f"“{held.key}” has no running ramp."))
    return iteration


def _bump(held: Experiment) -> None:
    models.Experiment.objects.filter(pk=held.id).update(version=held.version + 1)


def _ramp_actor(held: Experiment) -> Actor:
    """The ramp may widen this project's experiments: whoever launched one approved its steps."""
    return Actor(RAMP, {held.project_id: frozenset({Permission.EXPERIMENT_LAUNCH})})
