"""Begins one iteration: checks, frozen design, fresh salts, slots and pins. Part of launch and restart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from equipoise_server.access import reads as access
from equipoise_server.access.values import Environment
from equipoise_server.audit.values import Author
from equipoise_server.experiments import models
from equipoise_server.experiments.allocation import SlotRange, allocate, slot_count, wanted_slots
from equipoise_server.experiments.checks import faults_of
from equipoise_server.experiments.covering import cover, starting_of
from equipoise_server.experiments.design_json import design_to_json
from equipoise_server.experiments.launch_checks import LAUNCH_CHECKS, LaunchFacts, flags_set
from equipoise_server.experiments.launch_facts import launch_facts, layer_row
from equipoise_server.experiments.outside import begin_outside
from equipoise_server.experiments.ramp_timing import schedule_ramp
from equipoise_server.experiments.rows import iteration_value
from equipoise_server.experiments.scheduling import draw
from equipoise_server.experiments.timing_json import schedule_to_json
from equipoise_server.experiments.values import Design, Experiment, Schedule
from equipoise_server.flags.actions import PinFlags, pin_flags
from equipoise_server.foundation.clashes import refused_if_taken
from equipoise_server.foundation.ids import new_id, new_salt
from equipoise_server.foundation.refusals import Invalid, Problem, refuse_all
from equipoise_server.metrics.values import Metric

LONGEST_OWN_KEY = 55
LARGEST_SEED = 2**31


@dataclass(frozen=True, slots=True)
class Start:
    """What begins, where, and who begins it."""

    experiment: Experiment
    environment: Environment
    design: Design
    author: Author


def refuse_to_start(start: Start, *, now: datetime) -> LaunchFacts:
    """Every fault at once; the facts when there is none."""
    facts = launch_facts(start.experiment, start.environment, start.design, now=now)
    refuse_all(Invalid, faults_of(LAUNCH_CHECKS, facts))
    return facts


def begin_iteration(start: Start, facts: LaunchFacts, *, now: datetime) -> models.Iteration:
    """Write the iteration and hold its slots, flags and segments. Slots it held before are let go."""
    experiment, design = start.experiment, start.design
    if design.exposures is not None:
        return _begin_outside(start, facts, now=now)
    layer = layer_row(experiment, start.environment, design) or _new_layer(start, now)
    slots = _slots(start, facts, layer)
    release_slots(experiment)
    schedule = _schedule(design, now)
    row = models.Iteration.objects.create(
        id=new_id(), experiment_id=experiment.id, environment_id=start.environment.id,
        number=len(experiment.iterations) + 1, design=design_to_json(frozen(design, facts.metrics)),
        salt=new_salt(), gate_salt=new_salt(), gate_parts_per_million=design.audience_parts_per_million,
        layer=layer, slots=[list(one) for one in slots], started_at=now,
        planned_end_at=_planned_end(design, schedule, now),
        schedule=None if schedule is None else schedule_to_json(schedule),
        gates=[[now.isoformat(), design.audience_parts_per_million]],
    )  # fmt: skip
    models.SlotRange.objects.bulk_create(
        models.SlotRange(layer=layer, iteration=row, first=first, end=end) for first, end in slots
    )
    pins = PinFlags(
        experiment.project_id, start.environment.id, experiment.id, experiment.key,
        flags_set(design), design.eligibility,
    )  # fmt: skip
    pin_flags(start.author, pins, now=now)
    schedule_ramp(iteration_value(row, models.Experiment.objects.get(pk=experiment.id)))
    _cover_flags(start, facts, now)
    return row


def _begin_outside(start: Start, facts: LaunchFacts, *, now: datetime) -> models.Iteration:
    """What it held of this server before, it lets go."""
    release_slots(start.experiment)
    design = frozen(start.design, facts.metrics)
    row = begin_outside(start.experiment, start.environment, design, now=now)
    row.planned_end_at = _planned_end(design, None, row.started_at)
    row.save(update_fields=["planned_end_at"])
    return row


def _schedule(design: Design, now: datetime) -> Schedule | None:
    """The schedule of a switchback, drawn this once; its seed is as random as a salt."""
    if design.switchback is None:
        return None
    seed = int.from_bytes(new_salt().encode()) % LARGEST_SEED
    return draw(design, design.switchback, seed=seed, now=now)


def _planned_end(design: Design, schedule: Schedule | None, now: datetime) -> datetime | None:
    """The last window ends a switchback."""
    if schedule is not None:
        return schedule.ends_at
    return None if design.planned_days is None else now + timedelta(days=design.planned_days)


def _cover_flags(start: Start, facts: LaunchFacts, now: datetime) -> None:
    starting = starting_of(start.design, start.environment, facts.flags, start.experiment.id)
    cover(start.author, access.project(start.experiment.project_id), starting, now=now)


def release_slots(experiment: Experiment) -> None:
    """Give back every slot that the experiment holds."""
    models.SlotRange.objects.filter(iteration__experiment_id=experiment.id).delete()


def frozen(design: Design, metrics: Mapping[str, Metric]) -> Design:
    """The design with the metric versions and margins of this moment."""
    planned = tuple(
        replace(
            one,
            version=metrics[one.key].version,
            margin=one.margin or metrics[one.key].default_margin,
        )
        for one in design.metrics
    )
    return replace(design, metrics=planned)


def _slots(start: Start, facts: LaunchFacts, layer: models.Layer) -> tuple[SlotRange, ...]:
    wanted = wanted_slots(start.design.slot_share)
    held = _held_in(layer, start.experiment)
    if slot_count(held) == wanted:
        return held
    room = facts.layer
    taken = () if room is None else (*room.taken, *room.domains)
    slots = allocate(((first, end) for first, end, _ in taken), wanted)
    assert slots is not None  # the check of the layer's room has passed
    return slots


def _held_in(layer: models.Layer, experiment: Experiment) -> tuple[SlotRange, ...]:
    rows = models.SlotRange.objects.filter(layer=layer, iteration__experiment_id=experiment.id)
    return tuple(rows.order_by("first").values_list("first", "end"))


def _new_layer(start: Start, now: datetime) -> models.Layer:
    experiment, design = start.experiment, start.design
    key = design.layer or _own_key(start)
    with refused_if_taken(Problem("", f"Somebody made the layer “{key}” meanwhile; launch once more.")):
        return models.Layer.objects.create(
            id=new_id(), project_id=experiment.project_id, environment_id=start.environment.id,
            key=key, name=design.layer or experiment.name, unit_type=design.randomised_type, salt=new_salt(),
            own_of_id=None if design.layer else experiment.id, created_at=now,
        )  # fmt: skip


def _own_key(start: Start) -> str:
    key = start.experiment.key
    taken = models.Layer.objects.filter(environment_id=start.environment.id, key=key).exists()
    return f"{key[:LONGEST_OWN_KEY]}-{new_salt()}" if taken else key
