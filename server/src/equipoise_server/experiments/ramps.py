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
from equipoise_server.experiments.launch_checks import flags_set
from equipoise_server.experiments.locking import held_still, subject_of
from equipoise_server.experiments.ramp_timing import KIND, look_again, schedule_ramp
from equipoise_server.experiments.running import Widen, widen
from equipoise_server.experiments.values import Experiment, Iteration, Status
from equipoise_server.flags import reads as flags
from equipoise_server.foundation.due_kinds import Lane, handles
from equipoise_server.foundation.refusals import Conflict, Problem
from equipoise_server.health.reads import reasons_to_wait

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
    """Widen the gate to a step, unless the ramp is paused, was moved, or somebody was faster.

    While a health check of a flag that it sets does not pass, the step waits, and those after it with it.
    """
    iteration = reads.iteration(UUID(payload["iteration_id"]))
    place = int(payload["step"])
    step = iteration.design.ramp[place]
    if iteration.stopped_at is not None or iteration.ramp_paused_at is not None:
        return
    if round(iteration.ramp_delay.total_seconds()) != int(payload["delay"]):
        return
    if step.parts_per_million <= iteration.gate_parts_per_million:
        return
    waits = _waits_for(iteration, now)
    if waits:
        _hold(iteration, place, " ".join(waits), now=now)
        return
    if iteration.ramp_held_since is not None:
        _release(iteration, now=now)  # puts the step on the table again, due now
        return
    held = reads.experiment(iteration.experiment_id)
    reason = f"Step {place + 1} of the ramp that was planned at the launch."
    command = Widen(held.id, held.version, step.parts_per_million, reason)
    widen(_ramp_actor(held), command, now=now)


def _waits_for(iteration: Iteration, now: datetime) -> tuple[str, ...]:
    """Why the gate may not grow now."""
    found = [flags.flag_by_key(iteration.project_id, key) for key in sorted(flags_set(iteration.design))]
    return reasons_to_wait([flag.id for flag in found], iteration.environment_id, now=now)


def _hold(iteration: Iteration, place: int, why: str, *, now: datetime) -> None:
    """Let a due step wait; it is looked at again soon. Said once in the audit, and anew on the page."""
    row = models.Iteration.objects.filter(pk=iteration.id)
    if iteration.ramp_held_since is None:
        held = reads.experiment(iteration.experiment_id)
        subject = subject_of(held.id, held.key, held.project_id, iteration.environment_id)
        with change(RAMP, "experiment.hold_ramp", subject, now=now, reason=why) as entry:
            row.update(ramp_held_since=now, ramp_note=why)
            entry.before, entry.after = {"held": False}, {"held": True}
    elif iteration.ramp_note != why:
        row.update(ramp_note=why)
    look_again(iteration, place, now=now)


def _release(iteration: Iteration, *, now: datetime) -> None:
    """Go on: the step that waited is due now, and those after it later by as long as it did."""
    held = reads.experiment(iteration.experiment_id)
    subject = subject_of(held.id, held.key, held.project_id, iteration.environment_id)
    reason = "Every health check passes."
    with change(RAMP, "experiment.release_ramp", subject, now=now, reason=reason) as entry:
        models.Iteration.objects.filter(pk=iteration.id).update(
            ramp_held_since=None, ramp_note="", ramp_delay=iteration.ramp_delay + _held_for(iteration, now)
        )
        schedule_ramp(reads.iteration(iteration.id))
        entry.before, entry.after = {"held": True}, {"held": False}


def _held_for(iteration: Iteration, now: datetime) -> timedelta:
    """For how long a due step has waited; whole seconds above 0, which tell apart work that was moved."""
    if iteration.ramp_held_since is None:
        return timedelta()
    return timedelta(seconds=max(1, round((now - iteration.ramp_held_since).total_seconds())))


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
        models.Iteration.objects.filter(pk=iteration.id).update(
            ramp_paused_at=now, ramp_held_since=None, ramp_note="",
            ramp_delay=iteration.ramp_delay + _held_for(iteration, now),
        )  # fmt: skip
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
