"""Planning: experiments before they start, and after they are done with."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from equipoise_server.access.values import Actor, Permission
from equipoise_server.audit.actions import change
from equipoise_server.experiments import models, reads
from equipoise_server.experiments.design_json import design_from_json, design_to_json
from equipoise_server.experiments.locking import held_still, refuse_unless_seen, subject_of
from equipoise_server.experiments.moves import ARCHIVE
from equipoise_server.experiments.outside import refuse_unfit_table
from equipoise_server.experiments.values import Design, Experiment, Status
from equipoise_server.foundation.clashes import refused_if_taken
from equipoise_server.foundation.ids import is_key, key_fault, new_id
from equipoise_server.foundation.refusals import Conflict, Invalid, Problem, refuse_all
from equipoise_server.foundation.texts import LONGEST_NAME, text_problems


@dataclass(frozen=True, slots=True)
class CreateExperiment:
    """A new draft. Its design may still be incomplete."""

    project_id: UUID
    key: str
    name: str
    design: Design
    owner: str = ""


@dataclass(frozen=True, slots=True)
class EditDesign:
    """The draft's whole design as it shall be. A name can always be changed."""

    experiment_id: UUID
    expected_version: int
    name: str
    design: Design
    owner: str | None = None
    """None leaves the owner as it is."""


@dataclass(frozen=True, slots=True)
class Archive:
    """Put a draft or a decided experiment away; it stays readable."""

    experiment_id: UUID
    reason: str = ""


def create_experiment(actor: Actor, command: CreateExperiment, *, now: datetime) -> Experiment:
    """Start planning an experiment."""
    actor.require(Permission.EXPERIMENT_EDIT, command.project_id)
    problems = key_problems(command.project_id, command.key)
    problems += naming_problems(name=command.name, owner=command.owner)
    refuse_all(Invalid, problems + form_problems(command.design))
    refuse_unfit_table(command.project_id, command.design)
    experiment_id = new_id()
    subject = subject_of(experiment_id, command.key, command.project_id)
    taken = Problem("key", _key_taken(command.key))
    with refused_if_taken(taken), change(actor.author, "experiment.create", subject, now=now) as entry:
        models.Experiment.objects.create(
            id=experiment_id, project_id=command.project_id, key=command.key, name=command.name.strip(),
            owner=command.owner, status=Status.DRAFT, design=design_to_json(command.design), created_at=now,
        )  # fmt: skip
        entry.after = {"name": command.name, "design": design_to_json(command.design)}
    return reads.experiment(experiment_id)


def edit_design(actor: Actor, command: EditDesign, *, now: datetime) -> Experiment:
    """Change a draft; once it has started, only its name and owner."""
    held = reads.experiment(command.experiment_id)
    actor.require(Permission.EXPERIMENT_EDIT, held.project_id)
    owner = held.owner if command.owner is None else command.owner
    refuse_all(Invalid, [*naming_problems(name=command.name, owner=owner), *form_problems(command.design)])
    refuse_unfit_table(held.project_id, command.design, held.design)
    subject = subject_of(held.id, held.key, held.project_id)
    with change(actor.author, "experiment.edit", subject, now=now) as entry:
        held = held_still(held)
        refuse_unless_seen(held, command.expected_version)
        refuse_all(Conflict, _frozen_problems(held, command.design))
        models.Experiment.objects.filter(pk=held.id).update(
            name=command.name.strip(), owner=owner, design=design_to_json(command.design),
            version=held.version + 1,
        )  # fmt: skip
        entry.before = {"name": held.name, "owner": held.owner, "design": design_to_json(held.design)}
        entry.after = {"name": command.name, "owner": owner, "design": design_to_json(command.design)}
    return reads.experiment(held.id)


def archive(actor: Actor, command: Archive, *, now: datetime) -> Experiment:
    """Put an experiment away."""
    held = reads.experiment(command.experiment_id)
    actor.require(ARCHIVE.permission, held.project_id)
    subject = subject_of(held.id, held.key, held.project_id)
    with change(actor.author, "experiment.archive", subject, now=now, reason=command.reason) as entry:
        held = held_still(held)
        ARCHIVE.refuse_from(held.key, held.status)
        models.Experiment.objects.filter(pk=held.id).update(status=ARCHIVE.target, version=held.version + 1)
        entry.before, entry.after = {"status": held.status}, {"status": ARCHIVE.target}
    return reads.experiment(held.id)


def key_problems(project_id: UUID, key: str) -> list[Problem]:
    """Whether a key is one, and free for ever."""
    if not is_key(key):
        return [Problem("key", key_fault(key))]
    if models.Holdout.objects.filter(key=key).exists():
        return [Problem("key", f"“{key}” is the key of a holdout; choose another key.")]
    if models.Experiment.objects.filter(project_id=project_id, key=key).exists():
        return [Problem("key", _key_taken(key))]
    return []


def _key_taken(key: str) -> str:
    return f"There is an experiment “{key}” already; choose another key."


def naming_problems(*, name: str, owner: str) -> list[Problem]:
    """Whether a name and an owner can be kept and read."""
    problems = list(text_problems(LONGEST_NAME, name=name, owner=owner))
    if not name.strip():
        problems.append(Problem("name", "Give it a name that a colleague would understand."))
    return problems


def form_problems(design: Design) -> list[Problem]:
    """Whether the design can be kept at all, however incomplete it is."""
    try:
        design_from_json(design_to_json(design))
    except Invalid as refusal:
        return list(refusal.problems)
    return []


def _frozen_problems(held: Experiment, design: Design) -> list[Problem]:
    if held.status is Status.DRAFT:
        return []
    changed = [f.name for f in fields(Design) if getattr(held.design, f.name) != getattr(design, f.name)]
    return [
        Problem(
            name,
            f"“{name}” is frozen since “{held.key}” started; restart it as a new iteration to change it.",
        )
        for name in changed
    ]
