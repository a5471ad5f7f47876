"""Running: launch, widen, stop and restart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from equipoise_server.access import reads as access
from equipoise_server.access.values import Actor, Environment
from equipoise_server.audit.actions import Change, change
from equipoise_server.experiments import models, reads
from equipoise_server.experiments.design_json import design_to_json
from equipoise_server.experiments.launch_checks import flags_set
from equipoise_server.experiments.locking import held_still, refuse_unless_seen, subject_of
from equipoise_server.experiments.moves import LAUNCH, RESTART, STOP, WIDEN, Move
from equipoise_server.experiments.outside import refuse_strangers
from equipoise_server.experiments.starting import Start, begin_iteration, refuse_to_start
from equipoise_server.experiments.values import Design, Experiment, Iteration, StopCause
from equipoise_server.flags.actions import UnpinFlags, unpin_flags
from equipoise_server.foundation.refusals import Conflict, Invalid, NotFound, Problem
from equipoise_server.foundation.texts import storable

WHOLE = 1_000_000


@dataclass(frozen=True, slots=True)
class Launch:
    """Start a draft in an environment."""

    experiment_id: UUID
    environment_id: UUID
    expected_version: int
    confirms_growth: bool = False


@dataclass(frozen=True, slots=True)
class Widen:
    """Let a larger share of the enrolled slots take part."""

    experiment_id: UUID
    expected_version: int
    parts_per_million: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """End the running iteration. Nothing but the permission is needed."""

    experiment_id: UUID
    reason: str = ""
    cause: StopCause = StopCause.REQUEST
    at: datetime | None = None
    """When it really ended, if that is known to be earlier: the instant of a kill."""


@dataclass(frozen=True, slots=True)
class Restart:
    """Begin a new iteration with a fresh salt, in the same environment and design unless others are given."""

    experiment_id: UUID
    expected_version: int
    reason: str = ""
    environment_id: UUID | None = None
    design: Design | None = None
    confirms_growth: bool = False


def launch(actor: Actor, command: Launch, *, now: datetime) -> Experiment:
    """Start a draft: its design freezes, and the split is served from now on."""
    held = reads.experiment(command.experiment_id)
    actor.require(LAUNCH.permission, held.project_id)
    environment = _environment_of(held, command.environment_id)
    refuse_strangers(held.project_id, held.design, len(held.iterations) + 1, now=now)
    subject = subject_of(held.id, held.key, held.project_id, environment.id)
    with change(actor.author, "experiment.launch", subject, now=now) as entry:
        held = _ready(held, LAUNCH, command.expected_version)
        start = Start(held, environment, held.design, actor.author)
        row = begin_iteration(start, refuse_to_start(start, now=now), now=now)
        _move(held, LAUNCH)
        entry.before = {"status": held.status}
        entry.after = _begun(row)
        _serves(entry, environment.id, held.design)
        if command.confirms_growth:
            entry.confirms_growth()
    return reads.experiment(held.id)


def widen(actor: Actor, command: Widen, *, now: datetime) -> Experiment:
    """Grow the gate. Nobody who takes part leaves, and nobody changes arms."""
    held = reads.experiment(command.experiment_id)
    actor.require(WIDEN.permission, held.project_id)
    environment_id = None if held.iteration is None else held.iteration.environment_id
    subject = subject_of(held.id, held.key, held.project_id, environment_id)
    with change(actor.author, "experiment.widen", subject, now=now, reason=command.reason) as entry:
        held = _ready(held, WIDEN, command.expected_version)
        iteration = _newest(held)
        if iteration.is_outside:
            raise Conflict(Problem("parts_per_million", _assigned_outside(held.key)))
        before, after = iteration.gate_parts_per_million, command.parts_per_million
        if not before < after <= WHOLE:
            raise Invalid(Problem("parts_per_million", _only_grows(before)))
        models.Iteration.objects.filter(pk=iteration.id).update(
            gate_parts_per_million=after, gates=[*_gates_so_far(iteration), [now.isoformat(), after]]
        )
        planned = replace(held.design, audience_parts_per_million=after)
        models.Experiment.objects.filter(pk=held.id).update(design=design_to_json(planned))
        _move(held, WIDEN)
        entry.before, entry.after = {"parts_per_million": before}, {"parts_per_million": after}
        entry.touches(iteration.environment_id, *flags_set(iteration.design))
    return reads.experiment(held.id)


def stop(actor: Actor, command: Stop, *, now: datetime) -> Experiment:
    """End the iteration: control is served to everybody it enrolled until people have decided."""
    held = reads.experiment(command.experiment_id)
    actor.require(STOP.permission, held.project_id)
    environment_id = None if held.iteration is None else held.iteration.environment_id
    subject = subject_of(held.id, held.key, held.project_id, environment_id)
    with change(actor.author, "experiment.stop", subject, now=now, reason=command.reason) as entry:
        held = _ready(held, STOP)
        iteration = _newest(held)
        _end(iteration, command, now=now)
        _move(held, STOP)
        entry.before = {"status": held.status}
        entry.after = {"status": STOP.target, "cause": command.cause, "iteration": iteration.number}
        # Off is always allowed: like a kill, this revision is served without being vetted.
        if not iteration.is_outside:
            entry.kills(iteration.environment_id, *flags_set(iteration.design))
    return reads.experiment(held.id)


def restart(actor: Actor, command: Restart, *, now: datetime) -> Experiment:
    """Begin again: a new iteration with a fresh salt; the old one stays readable."""
    held = reads.experiment(command.experiment_id)
    actor.require(RESTART.permission, held.project_id)
    design = command.design or _startable_again(held.design, now)
    refuse_strangers(held.project_id, design, len(held.iterations) + 1, now=now)
    subject = subject_of(held.id, held.key, held.project_id)
    with change(actor.author, "experiment.restart", subject, now=now, reason=command.reason) as entry:
        held = _ready(held, RESTART, command.expected_version)
        before = _newest(held)
        if before.is_imported:
            raise Invalid(Problem("", f"“{held.key}” was imported; plan a new experiment to repeat it."))
        environment = _environment_of(held, command.environment_id or before.environment_id)
        start = Start(held, environment, design, actor.author)
        facts = refuse_to_start(start, now=now)
        if before.stopped_at is None:
            _end(before, Stop(held.id, command.reason, StopCause.RESTART), now=now)
        unpin_flags(actor.author, unpinning(held, before), now=now)
        row = begin_iteration(start, facts, now=now)
        models.Experiment.objects.filter(pk=held.id).update(design=design_to_json(start.design))
        _move(held, RESTART)
        entry.before, entry.after = {"status": held.status, "iteration": before.number}, _begun(row)
        _serves(entry, before.environment_id, before.design)
        _serves(entry, environment.id, start.design)
        if command.confirms_growth:
            entry.confirms_growth()
    return reads.experiment(held.id)


def _startable_again(design: Design, now: datetime) -> Design:
    """The design of before, without what is over: steps of its ramp that are reached, and a first window."""
    reached = design.audience_parts_per_million
    ahead = tuple(step for step in design.ramp if step.parts_per_million > reached)
    plan = design.switchback
    if plan is not None and plan.starts_at is not None and plan.starts_at <= now:
        plan = replace(plan, starts_at=None)
    table = None if design.exposures is None else replace(design.exposures, since=None)
    return replace(design, ramp=ahead, switchback=plan, exposures=table)


def _serves(entry: Change, environment_id: UUID, design: Design) -> None:
    """What is assigned outside is in no snapshot, so it makes no revision."""
    if design.exposures is None:
        entry.touches(environment_id, *flags_set(design))


def unpinning(experiment: Experiment, iteration: Iteration) -> UnpinFlags:
    """The command that lets go of what an iteration held still."""
    return UnpinFlags(experiment.project_id, iteration.environment_id, experiment.id, experiment.key)


def _environment_of(experiment: Experiment, environment_id: UUID) -> Environment:
    environment = access.environment(environment_id)
    if environment.project_id != experiment.project_id:
        raise NotFound(Problem("environment", "There is no such environment."))
    return environment


def _ready(experiment: Experiment, move: Move, expected_version: int | None = None) -> Experiment:
    held = held_still(experiment)
    move.refuse_from(held.key, held.status)
    if expected_version is not None:
        refuse_unless_seen(held, expected_version)
    return held


def _newest(experiment: Experiment) -> Iteration:
    iteration = experiment.iteration
    assert iteration is not None  # the move starts only where an iteration has begun
    return iteration


def _end(iteration: Iteration, command: Stop, *, now: datetime) -> None:
    ended_at = now if command.at is None else max(iteration.started_at, min(command.at, now))
    models.Iteration.objects.filter(pk=iteration.id).update(
        stopped_at=ended_at, stop_reason=storable(command.reason), stop_cause=command.cause
    )


def _move(experiment: Experiment, move: Move) -> None:
    models.Experiment.objects.filter(pk=experiment.id).update(
        status=move.target, version=experiment.version + 1
    )


def _begun(row: models.Iteration) -> dict[str, object]:
    return {
        "status": LAUNCH.target,
        "iteration": row.number,
        "design": row.design,
        "slots": row.slots,
        "parts_per_million": row.gate_parts_per_million,
    }


def _gates_so_far(iteration: Iteration) -> list[list[object]]:
    return [[since.isoformat(), parts] for since, parts in iteration.gates]


def _assigned_outside(key: str) -> str:
    return f"“{key}” is assigned outside; let more units take part there."


def _only_grows(parts_per_million: int) -> str:
    share = f"{parts_per_million / 10_000:g} %"
    if parts_per_million == WHOLE:
        return "Everybody takes part already."
    return f"The audience only grows while it runs: give more than {share} and at most 100 %."
