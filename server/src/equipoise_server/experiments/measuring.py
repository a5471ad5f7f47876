"""One more metric for what runs: it explains, and never decides, because people have seen data by now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from equipoise_server.access.values import Actor, Permission
from equipoise_server.audit.actions import change
from equipoise_server.experiments import models, reads
from equipoise_server.experiments.design_checks import DesignFacts, metrics_faults
from equipoise_server.experiments.design_json import design_to_json
from equipoise_server.experiments.locking import held_still, refuse_unless_seen, subject_of
from equipoise_server.experiments.metric_checks import source_faults
from equipoise_server.experiments.starting import frozen
from equipoise_server.experiments.values import Design, Experiment, MetricRole, PlannedMetric, Status
from equipoise_server.foundation.refusals import Conflict, Invalid, Problem, refuse_all
from equipoise_server.metrics import reads as metrics
from equipoise_server.metrics.values import Metric
from equipoise_server.sources import reads as sources


@dataclass(frozen=True, slots=True)
class AddMetric:
    """Measure one more metric, at its newest version, as a diagnostic."""

    experiment_id: UUID
    expected_version: int
    metric: str
    reason: str = ""


def add_metric(actor: Actor, command: AddMetric, *, now: datetime) -> Experiment:
    """The running iteration is measured by it over its whole history, from the next refresh on."""
    held = reads.experiment(command.experiment_id)
    actor.require(Permission.EXPERIMENT_EDIT, held.project_id)
    environment_id = None if held.iteration is None else held.iteration.environment_id
    subject = subject_of(held.id, held.key, held.project_id, environment_id)
    with change(actor.author, "experiment.add_metric", subject, now=now, reason=command.reason) as entry:
        held = held_still(held)
        iteration = held.iteration
        if held.status is not Status.RUNNING or iteration is None:
            told = "only what runs takes another metric. A draft's metrics are in its design."
            raise Conflict(Problem("", f"“{held.key}” is {held.status}; {told}"))
        refuse_unless_seen(held, command.expected_version)
        known = {one.key: one for one in metrics.metrics_of(held.project_id, archived=True)}
        added = PlannedMetric(command.metric, MetricRole.DIAGNOSTIC)
        _refuse_to_add(iteration.design, added, known)
        (measured,) = frozen(replace(iteration.design, metrics=(added,)), known).metrics
        models.Iteration.objects.filter(pk=iteration.id).update(design=_with(iteration.design, measured))
        models.Experiment.objects.filter(pk=held.id).update(
            design=_with(held.design, measured), version=held.version + 1
        )
        entry.after = {"metric": measured.key, "version": measured.version, "iteration": iteration.number}
    return reads.experiment(held.id)


def _with(design: Design, metric: PlannedMetric) -> dict[str, object]:
    return design_to_json(replace(design, metrics=(*design.metrics, metric)))


def _refuse_to_add(design: Design, added: PlannedMetric, known: Mapping[str, Metric]) -> None:
    if any(one.key == added.key for one in design.metrics):
        raise Invalid(Problem("metric", f"“{added.key}” is measured already; choose another metric."))
    alone = replace(design, metrics=(added,))
    problems = [*metrics_faults(DesignFacts(alone, known))]
    if not problems:
        metric = known[added.key]
        held = {ref: sources.source_by_ref(metric.project_id, ref) for ref in metric.definition.sources}
        problems += source_faults(alone, known, held)
    refuse_all(Invalid, [Problem("metric", one.message) for one in problems])
