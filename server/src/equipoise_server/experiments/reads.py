"""Questions about experiments, layers and what they put into snapshots. Each answers frozen values."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery

from equipoise_server.access import reads as access
from equipoise_server.access.values import Environment
from equipoise_server.experiments import models
from equipoise_server.experiments.checks import judge
from equipoise_server.experiments.launch_checks import LAUNCH_CHECKS, flags_set
from equipoise_server.experiments.launch_facts import launch_facts
from equipoise_server.experiments.payload_json import experiment_node, layer_node
from equipoise_server.experiments.rows import experiment_value, iteration_value, layer_room
from equipoise_server.experiments.shipping_checks import SHIPPING_CHECKS, ShippingFacts
from equipoise_server.experiments.values import (
    Check,
    Experiment,
    ExperimentsPayload,
    Iteration,
    LayerRoom,
    Status,
)
from equipoise_server.flags import reads as flags
from equipoise_server.foundation.refusals import NotFound, Problem

UNDECIDED = (Status.RUNNING, Status.STOPPED)


def experiment(experiment_id: UUID) -> Experiment:
    """The experiment with this id."""
    return _found(_whole().filter(pk=experiment_id), "There is no such experiment.")


def experiment_by_key(project_id: UUID, key: str) -> Experiment:
    """The project's experiment with this key."""
    rows = _whole().filter(project_id=project_id, key=key)
    return _found(rows, f"There is no experiment “{key}” in this project.")


def experiments_of(project_id: UUID) -> tuple[Experiment, ...]:
    """The project's experiments, newest first."""
    rows = _whole().filter(project_id=project_id).order_by("-created_at", "key")
    return tuple(map(experiment_value, rows))


def iteration(iteration_id: UUID) -> Iteration:
    """The iteration with this id."""
    row = models.Iteration.objects.select_related("experiment", "layer").filter(pk=iteration_id).first()
    if row is None:
        raise NotFound(Problem("iteration", "There is no such iteration."))
    return iteration_value(row, row.experiment)


def running_iterations() -> tuple[Iteration, ...]:
    """Every iteration that runs now, in every environment."""
    rows = _newest_iterations().filter(experiment__status=Status.RUNNING)
    return tuple(iteration_value(row, row.experiment) for row in rows)


def analysable_iterations() -> tuple[Iteration, ...]:
    """Every iteration whose report may still change: it runs, or people have not decided yet."""
    rows = _newest_iterations().filter(experiment__status__in=UNDECIDED)
    return tuple(iteration_value(row, row.experiment) for row in rows)


def experiments_setting(flag_key: str, environment_id: UUID) -> tuple[Experiment, ...]:
    """The undecided experiments that set a flag in an environment."""
    project_id = access.environment(environment_id).project_id
    rows = _whole().filter(project_id=project_id, status__in=UNDECIDED).order_by("created_at")
    return tuple(
        one
        for one in map(experiment_value, rows)
        if one.iteration is not None
        and one.iteration.environment_id == environment_id
        and flag_key in flags_set(one.iteration.design)
    )


def launch_checks(
    experiment: Experiment,
    environment: Environment,
    now: datetime,  # noqa: ARG001  # the agreed question is "may it start now"; no check needs the clock yet
) -> tuple[Check, ...]:
    """Everything that must hold before a start or restart, each with its outcome."""
    return judge(LAUNCH_CHECKS, launch_facts(experiment, environment, experiment.design))


def decision_checks(experiment: Experiment, arm: str) -> tuple[Check, ...]:
    """Everything that must hold before this arm is shipped, each with its outcome."""
    return judge(SHIPPING_CHECKS, shipping_facts(experiment, arm))


def shipping_facts(experiment: Experiment, arm: str) -> ShippingFacts:
    """What the shipping checks look at."""
    iteration = experiment.iteration
    return ShippingFacts(
        experiment=experiment,
        arm=arm,
        flags={flag.key: flag for flag in flags.flags_of(experiment.project_id)},
        environment_key="" if iteration is None else access.environment(iteration.environment_id).key,
    )


def layers_of(environment_id: UUID) -> tuple[LayerRoom, ...]:
    """The environment's layers by key, and who holds which slots."""
    held = models.SlotRange.objects.select_related("iteration__experiment")
    rows = models.Layer.objects.filter(environment_id=environment_id).prefetch_related(Prefetch("held", held))
    return tuple(layer_room(row, row.held.all()) for row in rows.order_by("key"))


def payload(environment_id: UUID) -> ExperimentsPayload:
    """What the undecided experiments put into the environment's snapshot."""
    rows = _newest_iterations().filter(
        environment_id=environment_id, is_imported=False, experiment__status__in=UNDECIDED
    )
    found = [iteration_value(row, row.experiment) for row in rows.order_by("started_at", "experiment__key")]
    return ExperimentsPayload(
        layers={one.layer_key: layer_node(one) for one in found},
        experiments={one.experiment_key: experiment_node(one) for one in found},
    )


def _found(rows: QuerySet[models.Experiment], otherwise: str) -> Experiment:
    row = rows.first()
    if row is None:
        raise NotFound(Problem("experiment", otherwise))
    return experiment_value(row)


def _whole() -> QuerySet[models.Experiment]:
    iterations = models.Iteration.objects.select_related("layer")
    return models.Experiment.objects.prefetch_related(Prefetch("iterations", iterations))


def _newest_iterations() -> QuerySet[models.Iteration]:
    last = models.Iteration.objects.filter(experiment=OuterRef("experiment")).order_by("-number")
    rows = models.Iteration.objects.select_related("experiment", "layer")
    return rows.filter(number=Subquery(last.values("number")[:1])).order_by("started_at", "pk")
