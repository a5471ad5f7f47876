"""Turns rows of experiments and layers into the frozen values that other rooms see."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from equipoise_server.experiments import models
from equipoise_server.experiments.allocation import SLOT_COUNT, slot_count
from equipoise_server.experiments.design_json import design_from_json
from equipoise_server.experiments.evidence_json import decision_from_json, verdict_from_json
from equipoise_server.experiments.timing_json import schedule_from_json
from equipoise_server.experiments.values import Experiment, Holding, Iteration, LayerRoom, Status, StopCause


def experiment_value(row: models.Experiment) -> Experiment:
    """An experiment; its iterations and their layers are prefetched."""
    iterations = sorted(row.iterations.all(), key=lambda iteration: iteration.number)
    return Experiment(
        id=row.pk,
        project_id=row.project_id,
        key=row.key,
        name=row.name,
        owner=row.owner,
        status=Status(row.status),
        design=design_from_json(row.design),
        iterations=tuple(iteration_value(iteration, row) for iteration in iterations),
        verdict=verdict_from_json(iterations[-1].verdict) if iterations else None,
        decision=decision_from_json(row.decision),
        created_at=row.created_at,
        version=row.version,
    )


def iteration_value(row: models.Iteration, experiment: models.Experiment) -> Iteration:
    """An iteration; an imported one has no layer."""
    return Iteration(
        id=row.pk,
        experiment_id=experiment.pk,
        experiment_key=experiment.key,
        project_id=experiment.project_id,
        environment_id=row.environment_id,
        number=row.number,
        # What was launched before looks were planned goes on as it was: with sequences.
        design=design_from_json({"looks": None, **row.design}),
        salt=row.salt,
        gate_salt=row.gate_salt,
        layer_key="" if row.layer is None else row.layer.key,
        layer_salt="" if row.layer is None else row.layer.salt,
        slots=tuple((first, end) for first, end in row.slots),
        gate_parts_per_million=row.gate_parts_per_million,
        started_at=row.started_at,
        planned_end_at=row.planned_end_at,
        stopped_at=row.stopped_at,
        stop_reason=row.stop_reason,
        is_imported=row.is_imported,
        stop_cause=None if row.stop_cause is None else StopCause(row.stop_cause),
        schedule=schedule_from_json(row.schedule),
        gates=_gates(row),
        ramp_paused_at=row.ramp_paused_at,
        ramp_delay=row.ramp_delay,
        ramp_held_since=row.ramp_held_since,
        ramp_note=row.ramp_note,
    )


def holding(row: models.Iteration) -> Holding:
    """The slots of a run; its layer, its experiment and what it still holds are joined."""
    assert row.layer is not None  # only imported runs have none
    return Holding(
        layer_key=row.layer.key,
        experiment_key=row.experiment.key,
        iteration=row.number,
        slots=tuple((first, end) for first, end in row.slots),
        since=row.started_at,
        planned_end_at=row.planned_end_at,
        ended_at=row.stopped_at,
        is_held=bool(row.held.all()),
    )


def _gates(row: models.Iteration) -> tuple[tuple[datetime, int], ...]:
    """How wide the gate was since when; rows from before that was kept know the last width alone."""
    if row.is_imported:
        return ()
    if not row.gates:
        return ((row.started_at, row.gate_parts_per_million),)
    return tuple((datetime.fromisoformat(since), parts) for since, parts in row.gates)


def layer_room(row: models.Layer, held: Iterable[models.SlotRange]) -> LayerRoom:
    """A layer with the slots that are held; their experiments and nested layers are joined."""
    held = tuple(held)
    taken = sorted((one.first, one.end, one.iteration.experiment.key) for one in held if one.iteration)
    domains = sorted((one.first, one.end, one.nested.key) for one in held if one.nested)
    return LayerRoom(
        id=row.pk,
        key=row.key,
        name=row.name,
        unit_type=row.unit_type,
        environment_id=row.environment_id,
        taken=tuple(taken),
        free_slots=SLOT_COUNT - slot_count((first, end) for first, end, _ in (*taken, *domains)),
        is_own=row.own_of_id is not None,
        is_launch=row.is_launch,
        domains=tuple(domains),
        inside="" if row.inside is None else row.inside.key,
        domain=tuple((first, end) for first, end in row.domain),
    )
