"""A new environment, filled with every flag: as another environment serves it, or off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from equipoise_server.access import reads as access
from equipoise_server.access.actions import CreateEnvironment, create_environment
from equipoise_server.access.values import Actor, Environment, Permission
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Subject
from equipoise_server.flags import models, reads
from equipoise_server.flags.baselines import rollout_starts
from equipoise_server.flags.settings_json import rule_from_json, rule_to_json
from equipoise_server.flags.values import Flag
from equipoise_server.foundation.ids import new_salt
from equipoise_server.foundation.refusals import Invalid, Problem

Rules = list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class AddEnvironment:
    """A new environment. With `copy_from` its flags serve what they serve there, by shuffles of their own;
    without, every flag serves its off variant. Kills, experiments and keys are not copied. A copied rollout
    starts there, so a holdout may cover its flag."""

    project_id: UUID
    key: str
    name: str
    copy_from: UUID | None = None
    reason: str = ""


def add_environment(actor: Actor, command: AddEnvironment, *, now: datetime) -> Environment:
    """Create an environment and what every flag serves in it."""
    actor.require(Permission.PROJECT_EDIT, command.project_id)
    project = access.project(command.project_id)
    if command.copy_from not in {None, *(each.id for each in project.environments)}:
        raise Invalid(Problem("copy_from", "The project has no such environment to copy from."))
    source = command.copy_from or project.environments[-1].id
    subject = Subject("project", project.id, project.key, project.id)
    with change(actor.author, "environment.add", subject, now=now, reason=command.reason) as entry:
        made = create_environment(actor, CreateEnvironment(project.id, command.key, command.name), now=now)
        rows = models.FlagSettings.objects.filter(environment_id=source, flag__archived_at=None)
        copied = _copies if command.copy_from else _all_off
        models.FlagSettings.objects.bulk_create(copied(rows, made.id))
        for flag in _rolled_out(project.id, made.key):
            rollout_starts(actor.author, flag, made.id, now=now)
        entry.after = {"environment": made.key, "copied": command.copy_from is not None}
        entry.confirms_growth()
    return made


def _copies(rows: Iterable[models.FlagSettings], environment_id: UUID) -> list[models.FlagSettings]:
    return [
        models.FlagSettings(
            flag_id=row.flag_id, environment_id=environment_id, off=row.off, default=row.default,
            overrides=row.overrides, rules=_reshuffled(row.rules), prerequisites=row.prerequisites,
        )
        for row in rows
    ]  # fmt: skip


def _all_off(rows: Iterable[models.FlagSettings], environment_id: UUID) -> list[models.FlagSettings]:
    return [
        models.FlagSettings(flag_id=row.flag_id, environment_id=environment_id, off=row.off, default=row.off)
        for row in rows
    ]


def _rolled_out(project_id: UUID, environment: str) -> Iterator[Flag]:
    """The flags with rollouts in a new environment, as they were before: nobody there had any rule."""
    for flag in reads.flags_of(project_id):
        held = flag.settings.get(environment)
        if held is not None and any(rule.rollout is not None for rule in held.rules):
            yield replace(flag, settings={**flag.settings, environment: replace(held, rules=())})


def _reshuffled(rules: Iterable[dict[str, object]]) -> Rules:
    """The same rules with salts of their own: who is in elsewhere says nothing of who is in here."""
    found = []
    for rule in map(rule_from_json, rules):
        rollout = None if rule.rollout is None else replace(rule.rollout, salt=new_salt())
        found.append(rule_to_json(replace(rule, rollout=rollout)))
    return found
