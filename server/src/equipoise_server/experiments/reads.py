"""Questions about experiments, layers and what they put into snapshots. Each answers frozen values."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery

from equipoise_server.access import reads as access
from equipoise_server.access.values import Environment
from equipoise_server.experiments import models
from equipoise_server.experiments.checks import judge
from equipoise_server.experiments.exposure_notes import ExposureLook
from equipoise_server.experiments.holdout_rows import all_holdouts, holdout_by_key
from equipoise_server.experiments.launch_checks import LAUNCH_CHECKS, flags_set
from equipoise_server.experiments.launch_facts import killed_groups, launch_facts
from equipoise_server.experiments.outside import look_at, where_of
from equipoise_server.experiments.ramp_timing import due_at
from equipoise_server.experiments.rows import experiment_value, holding, iteration_value, layer_room
from equipoise_server.experiments.scheduling import arm_digits, treated_share_by_hour
from equipoise_server.experiments.shipping_checks import SHIPPING_CHECKS, ShippingFacts
from equipoise_server.experiments.snapshot_pieces import as_if_launched, expected_coverings, pieces
from equipoise_server.experiments.traffic_rules import traffic_rule_problems
from equipoise_server.experiments.values import (
    Check,
    Covering,
    Experiment,
    ExperimentsPayload,
    Holding,
    Holdout,
    Iteration,
    LayerRoom,
    Status,
)
from equipoise_server.flags import reads as flags
from equipoise_server.foundation.refusals import NotFound, Problem

__all__ = [
    "ExposureLook",
    "analysable_iterations",
    "arm_digits",
    "coverings",
    "decision_checks",
    "due_at",
    "experiment",
    "experiment_by_key",
    "experiments_of",
    "experiments_setting",
    "holdings_of",
    "holdout",
    "holdouts_of",
    "iteration",
    "kills_over",
    "launch_checks",
    "layers_of",
    "look_at",
    "payload",
    "payload_with",
    "running_iterations",
    "shipping_facts",
    "surfaces_of",
    "traffic_rule_problems",
    "treated_share_by_hour",
    "where_of",
]

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
    now: datetime,
) -> tuple[Check, ...]:
    """Everything that must hold before a start or restart, each with its outcome."""
    return judge(LAUNCH_CHECKS, launch_facts(experiment, environment, experiment.design, now=now))


def decision_checks(experiment: Experiment, arm: str) -> tuple[Check, ...]:
    """Everything that must hold before this arm is shipped, each with its outcome."""
    return judge(SHIPPING_CHECKS, shipping_facts(experiment, arm))


def shipping_facts(experiment: Experiment, arm: str) -> ShippingFacts:
    """What the shipping checks look at."""
    iteration = experiment.iteration
    place = None if iteration is None or iteration.is_outside else iteration.environment_id
    return ShippingFacts(
        experiment=experiment,
        arm=arm,
        flags={flag.key: flag for flag in flags.flags_of(experiment.project_id)},
        environment_key="" if iteration is None else access.environment(iteration.environment_id).key,
        is_environment_killed=place is not None and flags.environment_kill(place) is not None,
        killed_groups={} if place is None else killed_groups(experiment.project_id, place),
    )


def kills_over(experiment: Experiment) -> tuple[str, ...]:
    """What is killed now that an experiment's run depends on: its environment, groups and flags, in words."""
    iteration = experiment.iteration
    if iteration is None or iteration.is_outside:
        return ()
    facts = shipping_facts(experiment, "")
    keys = sorted(flags_set(iteration.design))
    groups = dict.fromkeys(facts.killed_groups[key] for key in keys if key in facts.killed_groups)
    known = [facts.flags[key] for key in keys if key in facts.flags]
    killed = [flag.key for flag in known if flag.settings[facts.environment_key].is_killed]
    place = [f"the environment {facts.environment_key}"] if facts.is_environment_killed else []
    return (*place, *(f"the group {key}" for key in groups), *(f"the flag {key}" for key in killed))


def coverings(experiment: Experiment, environment: Environment) -> tuple[Covering, ...]:
    """What the open holdouts will do to the flags of a draft that is launched now, or why nothing."""
    return expected_coverings(experiment, environment)


def layers_of(environment_id: UUID) -> tuple[LayerRoom, ...]:
    """The environment's layers by key, and who holds which slots."""
    held = Prefetch("held", models.SlotRange.objects.select_related("iteration__experiment", "nested"))
    rows = models.Layer.objects.filter(environment_id=environment_id).select_related("inside")
    rows = rows.prefetch_related(held)
    return tuple(layer_room(row, row.held.all()) for row in rows.order_by("key"))


def holdings_of(environment_id: UUID) -> tuple[Holding, ...]:
    """Who held, or holds, which slots of the environment's layers, oldest first; imported runs hold none."""
    rows = models.Iteration.objects.filter(environment_id=environment_id, is_imported=False)
    held = rows.select_related("experiment", "layer").prefetch_related("held").order_by("started_at", "pk")
    return tuple(holding(row) for row in held if row.layer is not None)


def payload(environment_id: UUID) -> ExperimentsPayload:
    """What the undecided experiments put into the environment's snapshot."""
    return pieces(environment_id, _served_iterations(environment_id))


def payload_with(
    experiment: Experiment, environment: Environment, *, now: datetime
) -> tuple[Iteration, ExperimentsPayload]:
    """What would be in the environment's snapshot if a draft were launched now, and its run."""
    draft = as_if_launched(experiment, environment, now=now)
    return draft.iteration, pieces(environment.id, _served_iterations(environment.id), draft)


def holdouts_of(project_id: UUID) -> tuple[Holdout, ...]:
    """The holdouts that may cover a project, the open ones first; without what they cover."""
    known = all_holdouts()
    return tuple(one for one in known if not one.scope.projects or project_id in one.scope.projects)


def holdout(project_id: UUID, key: str) -> Holdout:
    """The holdout with this key, as far as a project may see it: with what it covers there."""
    found = holdout_by_key(key)
    if found.scope.projects and project_id not in found.scope.projects:
        raise NotFound(Problem("holdout", f"No holdout “{key}” covers this project."))
    return replace(found, covered=tuple(one for one in found.covered if one.project_id == project_id))


def surfaces_of(project_id: UUID) -> tuple[str, ...]:
    """The surfaces that the project's experiments have named, by key."""
    designs = models.Experiment.objects.filter(project_id=project_id).values_list("design", flat=True)
    return tuple(sorted({design.get("surface", "") for design in designs} - {""}))


def _served_iterations(environment_id: UUID) -> list[Iteration]:
    rows = _newest_iterations().filter(
        environment_id=environment_id, is_imported=False, experiment__status__in=UNDECIDED
    )
    ordered = rows.order_by("started_at", "experiment__key")
    found = (iteration_value(row, row.experiment) for row in ordered)
    return [one for one in found if not one.is_outside]


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
