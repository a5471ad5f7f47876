"""What comes from outside the lifecycle: verdicts of the analysis, and experiments run elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from equipoise_server.access import reads as access
from equipoise_server.access.values import Actor, Permission
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Author
from equipoise_server.experiments import models, reads
from equipoise_server.experiments.checks import faults_of
from equipoise_server.experiments.design_checks import IMPORT_CHECKS, DesignFacts
from equipoise_server.experiments.design_json import design_to_json
from equipoise_server.experiments.drafting import form_problems, key_problems, naming_problems
from equipoise_server.experiments.evidence_json import verdict_from_json, verdict_to_json
from equipoise_server.experiments.locking import subject_of
from equipoise_server.experiments.starting import frozen
from equipoise_server.experiments.values import Design, Experiment, Status, Verdict
from equipoise_server.foundation.ids import new_id
from equipoise_server.foundation.refusals import Invalid, NotFound, Problem, refuse_all
from equipoise_server.metrics import reads as metrics

ANALYSIS = Author("automation", "analysis", "analysis")
WHOLE = 1_000_000


@dataclass(frozen=True, slots=True)
class ImportedExperiment:
    """An experiment that was run elsewhere and is over. It has no flags, no slots and no salt."""

    project_id: UUID
    environment_id: UUID
    key: str
    name: str
    design: Design
    started_at: datetime
    ended_at: datetime
    owner: str = ""


def record_verdict(iteration_id: UUID, verdict: Verdict, *, now: datetime) -> None:
    """Keep what analysis found last. Only a change of state is audited, and never a sentence or a number."""
    row = models.Iteration.objects.select_related("experiment").filter(pk=iteration_id).first()
    if row is None:
        raise NotFound(Problem("iteration", "There is no such iteration."))
    held, written = verdict_from_json(row.verdict), verdict_to_json(verdict)
    if held is not None and held.state is verdict.state:
        models.Iteration.objects.filter(pk=iteration_id).update(verdict=written)
        return
    experiment = row.experiment
    subject = subject_of(experiment.pk, experiment.key, experiment.project_id, row.environment_id)
    with change(ANALYSIS, "experiment.verdict", subject, now=now) as entry:
        models.Iteration.objects.filter(pk=iteration_id).update(verdict=written)
        entry.before = None if held is None else {"state": held.state}
        entry.after = {"state": verdict.state}


def register_import(actor: Actor, command: ImportedExperiment, *, now: datetime) -> Experiment:
    """Enter a past experiment as stopped, with its exact design, so that its evidence can be judged."""
    actor.require(Permission.EXPERIMENT_IMPORT, command.project_id)
    known = {one.key: one for one in metrics.metrics_of(command.project_id, archived=True)}
    facts = DesignFacts(command.design, known)
    refuse_all(Invalid, [*_import_problems(command), *faults_of(IMPORT_CHECKS, facts)])
    experiment_id = new_id()
    subject = subject_of(experiment_id, command.key, command.project_id, command.environment_id)
    with change(actor.author, "experiment.import", subject, now=now) as entry:
        design = design_to_json(frozen(command.design, known))
        row = models.Experiment.objects.create(
            id=experiment_id, project_id=command.project_id, key=command.key, name=command.name.strip(),
            owner=command.owner, status=Status.STOPPED, design=design, created_at=now,
        )  # fmt: skip
        models.Iteration.objects.create(
            id=new_id(), experiment=row, environment_id=command.environment_id, number=1, design=design,
            gate_parts_per_million=WHOLE, started_at=command.started_at, planned_end_at=command.ended_at,
            stopped_at=command.ended_at, stop_reason="imported", is_imported=True,
        )  # fmt: skip
        entry.after = {"name": command.name, "design": design}
    return reads.experiment(experiment_id)


def _import_problems(command: ImportedExperiment) -> list[Problem]:
    problems = key_problems(command.project_id, command.key)
    problems += naming_problems(name=command.name, owner=command.owner)
    problems += form_problems(command.design)
    if access.environment(command.environment_id).project_id != command.project_id:
        problems.append(Problem("environment_id", "That environment belongs to another project."))
    if command.ended_at <= command.started_at:
        problems.append(Problem("ended_at", "It must end after it started."))
    return problems
