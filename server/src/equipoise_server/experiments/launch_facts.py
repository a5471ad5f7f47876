"""Gathers what the launch checks look at. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from equipoise_server.access import reads as access
from equipoise_server.access.values import Environment
from equipoise_server.experiments import models
from equipoise_server.experiments.launch_checks import LaunchFacts
from equipoise_server.experiments.rows import iteration_value, layer_room
from equipoise_server.experiments.values import Design, Experiment, Iteration, LayerRoom, Status
from equipoise_server.flags import reads as flags
from equipoise_server.foundation.refusals import NotFound
from equipoise_server.metrics import reads as metrics
from equipoise_server.metrics.values import Metric
from equipoise_server.sources import reads as sources
from equipoise_server.sources.values import Source


def launch_facts(
    experiment: Experiment, environment: Environment, design: Design, *, now: datetime
) -> LaunchFacts:
    """The facts for starting this design of an experiment in an environment."""
    project_id = experiment.project_id
    rooms = rooms_without(experiment, environment)
    row = layer_row(experiment, environment, design)
    known = {metric.key: metric for metric in metrics.metrics_of(project_id, archived=True)}
    return LaunchFacts(
        design=design,
        experiment_key=experiment.key,
        environment=environment,
        unit_types=access.project(project_id).unit_types,
        metrics=known,
        flags={flag.key: flag for flag in flags.flags_of(project_id)},
        segments={segment.key: segment.condition for segment in flags.segments_of(project_id)},
        layers=rooms,
        layer=None if row is None else rooms[row.key],
        neighbours=_neighbours(experiment, environment),
        now=now,
        is_environment_killed=flags.environment_kill(environment.id) is not None,
        killed_groups=killed_groups(project_id, environment.id),
        needs=flags.needs_graph(environment.id),
        rules=metrics.rules_of(project_id),
        sources={**_sources(project_id, _refs(design, known)), **exposure_source(project_id, design)},
    )


def _refs(design: Design, known: Mapping[str, Metric]) -> set[str]:
    """What the design's metrics read besides events."""
    planned = (known.get(one.key) for one in design.metrics)
    return {ref for metric in planned if metric is not None for ref in metric.definition.sources}


def _sources(project_id: UUID, refs: Iterable[str]) -> dict[str, Source]:
    return {ref: sources.source_by_ref(project_id, ref) for ref in refs}


def exposure_source(project_id: UUID, design: Design) -> dict[str, Source]:
    """The source of the design's exposures by its reference; empty without one, or when it is not there."""
    if design.exposures is None:
        return {}
    try:
        return _sources(project_id, [design.exposures.source])
    except NotFound:
        return {}


def killed_groups(project_id: UUID, environment_id: UUID) -> dict[str, str]:
    """Flag key → a group of it that is killed in an environment."""
    killed = (group for group in flags.groups_of(project_id) if environment_id in group.killed)
    return {flag_key: group.key for group in killed for flag_key in group.flags}


def layer_row(experiment: Experiment, environment: Environment, design: Design) -> models.Layer | None:
    """The layer that a design will use; None when launching makes one."""
    here = models.Layer.objects.filter(environment_id=environment.id)
    chosen = here.filter(key=design.layer) if design.layer else here.filter(own_of_id=experiment.id)
    return chosen.first()


def rooms_without(experiment: Experiment, environment: Environment) -> dict[str, LayerRoom]:
    """The environment's layers by key, as if the experiment held nothing."""
    held = models.SlotRange.objects.filter(layer__environment_id=environment.id)
    others = held.exclude(iteration__experiment_id=experiment.id)
    others = others.select_related("iteration__experiment", "nested")
    by_layer: dict[object, list[models.SlotRange]] = {}
    for one in others:
        by_layer.setdefault(one.layer_id, []).append(one)
    rows = models.Layer.objects.filter(environment_id=environment.id).select_related("inside")
    return {row.key: layer_room(row, by_layer.get(row.pk, ())) for row in rows}


def _neighbours(experiment: Experiment, environment: Environment) -> tuple[Iteration, ...]:
    rows = models.Iteration.objects.filter(
        environment_id=environment.id, stopped_at=None, experiment__status=Status.RUNNING
    )
    others = rows.exclude(experiment_id=experiment.id).select_related("experiment", "layer")
    return tuple(iteration_value(row, row.experiment) for row in others.order_by("started_at"))
