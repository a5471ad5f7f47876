"""Groups of flags: which flags belong together, and killing them together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from equipoise_server.access import reads as access
from equipoise_server.access.values import Actor, Permission, Project
from equipoise_server.audit.actions import Change, change
from equipoise_server.audit.values import Subject
from equipoise_server.flags import models, reads
from equipoise_server.flags.checks import all_problems, name_problems, naming_problems
from equipoise_server.flags.editing import MEANWHILE, differences
from equipoise_server.flags.killing import announce_held
from equipoise_server.flags.rows import found_group
from equipoise_server.flags.values import Group
from equipoise_server.foundation.clashes import refused_if_taken
from equipoise_server.foundation.ids import new_id
from equipoise_server.foundation.refusals import Conflict, Invalid, Problem, refuse_all
from equipoise_server.foundation.texts import text_problems


@dataclass(frozen=True, slots=True)
class CreateGroup:
    """A new group of flags, which are named by key."""

    project_id: UUID
    key: str
    name: str
    flags: frozenset[str] = frozenset()
    description: str = ""


@dataclass(frozen=True, slots=True)
class UpdateGroup:
    """New words and flags for a group. Its key never changes."""

    group_id: UUID
    expected_version: int
    name: str
    flags: frozenset[str]
    description: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DeleteGroup:
    """Undo a group; its flags stay as they are."""

    group_id: UUID
    reason: str = ""


@dataclass(frozen=True, slots=True)
class KillGroup:
    """Kill a group's flags in one environment, or take that back."""

    group_id: UUID
    environment_id: UUID
    reason: str = ""


def create_group(actor: Actor, command: CreateGroup, *, now: datetime) -> Group:
    """Put flags into a new group."""
    actor.require(Permission.FLAG_EDIT, command.project_id)
    project = access.project(command.project_id)
    members, problems = _flags(project.id, command.flags)
    problems += all_problems(
        naming_problems(command.key, command.name), text_problems(description=command.description)
    )
    if models.Group.objects.filter(project_id=project.id, key=command.key).exists():
        problems.append(Problem("key", _key_taken(command.key)))
    refuse_all(Invalid, problems)
    group_id = new_id()
    with (
        refused_if_taken(Problem("key", _key_taken(command.key))),
        change(
            actor.author, "group.create", Subject("group", group_id, command.key, project.id), now=now
        ) as entry,
    ):
        row = models.Group.objects.create(
            id=group_id, project_id=project.id, key=command.key, name=command.name,
            description=command.description,
        )  # fmt: skip
        row.flags.set(members)
        entry.after = {"name": command.name, "flags": sorted(command.flags)}
        _touch(entry, project, command.flags)
    return reads.group(group_id)


def _key_taken(key: str) -> str:
    return f"There is a group “{key}” in this project already; choose another key."


def update_group(actor: Actor, command: UpdateGroup, *, now: datetime) -> Group:
    """Edit a group. While it is killed somewhere its flags stay, because leaving would switch them on."""
    row = found_group(command.group_id)
    actor.require(Permission.FLAG_EDIT, row.project_id)
    members, problems = _flags(row.project_id, command.flags)
    problems += all_problems(name_problems(command.name), text_problems(description=command.description))
    refuse_all(Invalid, problems)
    project = access.project(row.project_id)
    new = {"name": command.name, "description": command.description, "flags": sorted(command.flags)}
    subject = Subject("group", row.pk, row.key, row.project_id)
    with change(actor.author, "group.update", subject, now=now, reason=command.reason) as entry:
        before = _locked(row)
        changed = frozenset(before.flags) ^ command.flags
        if changed:
            _refuse_while_killed(before, project, "Its flags cannot change")
        old = {"name": before.name, "description": before.description, "flags": list(before.flags)}
        entry.before, entry.after = differences(old, new)
        held = models.Group.objects.filter(pk=row.pk, version=command.expected_version)
        if not held.update(
            name=command.name, description=command.description, version=command.expected_version + 1
        ):
            raise Conflict(Problem("expected_version", MEANWHILE))
        row.flags.set(members)
        _touch(entry, project, changed)
    return reads.group(row.pk)


def delete_group(actor: Actor, command: DeleteGroup, *, now: datetime) -> None:
    """Undo a group that is killed nowhere."""
    row = found_group(command.group_id)
    actor.require(Permission.FLAG_EDIT, row.project_id)
    project = access.project(row.project_id)
    subject = Subject("group", row.pk, row.key, row.project_id)
    with change(actor.author, "group.delete", subject, now=now, reason=command.reason) as entry:
        before = _locked(row)
        _refuse_while_killed(before, project, "It cannot be deleted")
        entry.before = {"name": before.name, "flags": list(before.flags)}
        row.delete()
        for environment in project.environments:
            entry.touches(environment.id, *before.flags)


def kill_group(actor: Actor, command: KillGroup, *, now: datetime) -> Group:
    """Serve the off variants of the group's flags; running experiments on them are stopped right after."""
    row, environment = found_group(command.group_id), access.environment(command.environment_id)
    actor.require(Permission.FLAG_KILL, row.project_id)
    subject = _subject(row, environment.id)
    if models.GroupKill.objects.filter(group=row, environment_id=environment.id).exists():
        return reads.group(row.pk)
    with change(actor.author, "group.kill", subject, now=now, reason=command.reason) as entry:
        entry.before, entry.after = {"killed": False}, {"killed": True}
        _locked(row)
        models.GroupKill.objects.get_or_create(
            group=row, environment_id=environment.id, defaults={"killed_at": now}
        )
        keys = row.flags.filter(archived_at=None).values_list("key", flat=True)
        entry.kills(environment.id, *keys)
        announce_held(keys, environment.id, now)
    return reads.group(row.pk)


def unkill_group(actor: Actor, command: KillGroup, *, now: datetime) -> Group:
    """Serve by the flags' own settings again; flags killed one by one stay killed."""
    row, environment = found_group(command.group_id), access.environment(command.environment_id)
    actor.require(Permission.FLAG_UNKILL, row.project_id)
    kills = models.GroupKill.objects.filter(group=row, environment_id=environment.id)
    if not kills.exists():
        return reads.group(row.pk)
    subject = _subject(row, environment.id)
    with change(actor.author, "group.unkill", subject, now=now, reason=command.reason) as entry:
        entry.before, entry.after = {"killed": True}, {"killed": False}
        _locked(row)
        kills.delete()
        entry.touches(environment.id, *row.flags.filter(archived_at=None).values_list("key", flat=True))
    return reads.group(row.pk)


def _subject(row: models.Group, environment_id: UUID) -> Subject:
    return Subject("group", row.pk, row.key, row.project_id, environment_id)


def _locked(row: models.Group) -> Group:
    """The group as it is now; until this change commits nobody else kills, edits or deletes it."""
    models.Group.objects.select_for_update().filter(pk=row.pk).first()
    return reads.group(row.pk)


def _flags(project_id: UUID, keys: frozenset[str]) -> tuple[list[models.Flag], list[Problem]]:
    """The flags that are named, and which of them there are not."""
    found = list(models.Flag.objects.filter(project_id=project_id, key__in=keys, archived_at=None))
    missing = sorted(keys - {flag.key for flag in found})
    return found, [Problem("flags", f"There is no flag “{key}” in this project.") for key in missing]


def _refuse_while_killed(group: Group, project: Project, what: str) -> None:
    killed = [each.name for each in project.environments if each.id in group.killed]
    if killed:
        told = f"{what} while it is killed in {' and '.join(killed)}. Turn it back on there first."
        raise Conflict(Problem("", told))


def _touch(entry: Change, project: Project, flags: frozenset[str]) -> None:
    for environment in project.environments:
        entry.touches(environment.id, *flags)
