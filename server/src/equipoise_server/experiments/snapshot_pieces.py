"""Gathers what experiments and holdouts put into a snapshot; also as if a draft ran. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from equipoise_server.access import reads as access
from equipoise_server.access.values import Environment
from equipoise_server.experiments import models
from equipoise_server.experiments.allocation import SLOT_COUNT, SlotRange, allocate, wanted_slots
from equipoise_server.experiments.covering import coverings, starting_of
from equipoise_server.experiments.holdout_rows import open_holdouts
from equipoise_server.experiments.launch_facts import layer_row, rooms_without
from equipoise_server.experiments.payload_json import LayerNode, experiment_node, holdout_node, layer_nodes
from equipoise_server.experiments.scheduling import draw
from equipoise_server.experiments.values import Covering, Design, Experiment, ExperimentsPayload, Iteration
from equipoise_server.flags import reads as flags

PROBE_SALT = "preview"


@dataclass(frozen=True, slots=True)
class DraftedRun:
    """A draft as if it ran since now: its iteration, its layer, and what holdouts would do to its flags."""

    iteration: Iteration
    layer: LayerNode
    coverings: tuple[Covering, ...]


def pieces(
    environment_id: UUID, iterations: Iterable[Iteration], draft: DraftedRun | None = None
) -> ExperimentsPayload:
    """What iterations, their layers and the holdouts of the environment put into its snapshot."""
    found = list(iterations)
    layers = _layers(environment_id)
    baselines = {key: list(nodes) for key, nodes in flags.baseline_nodes(environment_id).items()}
    if draft is not None:
        found = [one for one in found if one.experiment_id != draft.iteration.experiment_id]
        found.append(draft.iteration)
        layers.setdefault(draft.layer.key, draft.layer)
        for covering in draft.coverings:
            node: dict[str, object] = {"holdout": covering.holdout_key, "baseline": covering.baseline}
            baselines.setdefault(covering.flag_key, []).append(node)
    named = {str(node["holdout"]) for nodes in baselines.values() for node in nodes}
    return ExperimentsPayload(
        layers=layer_nodes(layers, (one.layer_key for one in found)),
        experiments={one.experiment_key: experiment_node(one) for one in found},
        baselines=baselines,
        holdouts={
            one.key: holdout_node(one) for one in (open_holdouts() if named else ()) if one.key in named
        },
    )


def as_if_launched(experiment: Experiment, environment: Environment, *, now: datetime) -> DraftedRun:
    """The draft as if it had been launched now. Its salts are made up: a launch draws others."""
    design = experiment.design
    row = layer_row(experiment, environment, design)
    layer = LayerNode(design.layer or experiment.key, PROBE_SALT, design.randomised_type)
    if row is not None:
        layer = _node(row)
    plan = design.switchback
    iteration = Iteration(
        id=experiment.id,
        experiment_id=experiment.id,
        experiment_key=experiment.key,
        project_id=experiment.project_id,
        environment_id=environment.id,
        number=len(experiment.iterations) + 1,
        design=design,
        salt=f"{PROBE_SALT}-split",
        gate_salt=f"{PROBE_SALT}-gate",
        layer_key=layer.key,
        layer_salt=layer.salt,
        slots=_slots(experiment, environment, design, layer.key),
        gate_parts_per_million=design.audience_parts_per_million,
        started_at=now,
        planned_end_at=None if design.planned_days is None else now + timedelta(days=design.planned_days),
        stopped_at=None,
        stop_reason="",
        is_imported=False,
        schedule=None if plan is None else draw(design, replace(plan, starts_at=now), seed=0, now=now),
    )
    return DraftedRun(iteration, layer, _new_coverings(experiment, environment))


def expected_coverings(experiment: Experiment, environment: Environment) -> tuple[Covering, ...]:
    """What the open holdouts will do to the flags of an experiment that is launched now, or why nothing."""
    known = {flag.key: flag for flag in flags.flags_of(experiment.project_id)}
    starting = starting_of(experiment.design, environment, known, experiment.id)
    return coverings(access.project(experiment.project_id), starting)


def _new_coverings(experiment: Experiment, environment: Environment) -> tuple[Covering, ...]:
    return tuple(one for one in expected_coverings(experiment, environment) if not one.reason)


def _slots(
    experiment: Experiment, environment: Environment, design: Design, layer_key: str
) -> tuple[SlotRange, ...]:
    room = rooms_without(experiment, environment).get(layer_key)
    wanted = min(max(wanted_slots(design.slot_share), 1), SLOT_COUNT)
    taken = () if room is None else ((first, end) for first, end, _ in (*room.taken, *room.domains))
    return allocate(taken, wanted) or ((0, wanted),)


def _layers(environment_id: UUID) -> dict[str, LayerNode]:
    rows = models.Layer.objects.filter(environment_id=environment_id).select_related("inside")
    return {row.key: _node(row) for row in rows}


def _node(row: models.Layer) -> LayerNode:
    domain = tuple((first, end) for first, end in row.domain)
    inside = "" if row.inside is None else row.inside.key
    return LayerNode(row.key, row.salt, row.unit_type, row.is_launch, inside, domain)
