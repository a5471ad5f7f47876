"""Creating and editing segments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from equipoise_server.access import reads as access
from equipoise_server.access.values import Actor, Permission
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Subject
from equipoise_server.flags import models, reads
from equipoise_server.flags.checks import (
    all_problems,
    name_problems,
    naming_problems,
    segment_problems,
)
from equipoise_server.flags.editing import MEANWHILE, differences
from equipoise_server.flags.listing import forget_later
from equipoise_server.flags.pins import refuse_if_segment_pinned
from equipoise_server.flags.rows import found_segment
from equipoise_server.flags.values import Condition, Segment
from equipoise_server.foundation.clashes import refused_if_taken
from equipoise_server.foundation.ids import new_id
from equipoise_server.foundation.refusals import Conflict, Invalid, Problem, refuse_all


@dataclass(frozen=True, slots=True)
class CreateSegment:
    """A new reusable condition."""

    project_id: UUID
    key: str
    name: str
    condition: Condition
    confirms_growth: bool = False


@dataclass(frozen=True, slots=True)
class UpdateSegment:
    """A new name or condition for a segment; its key never changes."""

    segment_id: UUID
    expected_version: int
    name: str
    condition: Condition
    reason: str = ""
    confirms_growth: bool = False


@dataclass(frozen=True, slots=True)
class DeleteSegment:
    """Take a segment away that nothing uses."""

    segment_id: UUID
    reason: str = ""


def create_segment(actor: Actor, command: CreateSegment, *, now: datetime) -> Segment:
    """Create a segment; it reaches clients with every environment's next snapshot."""
    actor.require(Permission.FLAG_EDIT, command.project_id)
    project = access.project(command.project_id)
    conditions = reads.conditions_of(project.id)
    problems = all_problems(naming_problems(command.key, command.name))
    if command.key in conditions:
        problems.append(Problem("key", _key_taken(command.key)))
    problems += segment_problems(command.key, command.condition, conditions, unit_types=project.unit_types)
    refuse_all(Invalid, problems)
    segment_id = new_id()
    subject = Subject("segment", segment_id, command.key, project.id)
    taken = Problem("key", _key_taken(command.key))
    with refused_if_taken(taken), change(actor.author, "segment.create", subject, now=now) as entry:
        models.Segment.objects.create(
            id=segment_id, project_id=project.id, key=command.key, name=command.name,
            condition=command.condition,
        )  # fmt: skip
        entry.after = {"name": command.name, "condition": command.condition}
        for environment in project.environments:
            entry.touches(environment.id)
        if command.confirms_growth:
            entry.confirms_growth()
    return reads.segment(segment_id)


def _key_taken(key: str) -> str:
    return f"There is a segment “{key}” in this project already; choose another key."


def update_segment(actor: Actor, command: UpdateSegment, *, now: datetime) -> Segment:
    """Edit a segment; refused while a running experiment depends on its condition."""
    row = found_segment(command.segment_id)
    actor.require(Permission.FLAG_EDIT, row.project_id)
    problems = all_problems(name_problems(command.name))
    project = access.project(row.project_id)
    conditions = reads.conditions_of(project.id)
    problems += segment_problems(row.key, command.condition, conditions, unit_types=project.unit_types)
    if reads.segment(row.pk).members is not None and command.condition != row.condition:
        problems.append(Problem("condition", "It is a list: change its members, not a condition."))
    refuse_all(Invalid, problems)
    old = {"name": row.name, "condition": row.condition}
    new = {"name": command.name, "condition": command.condition}
    if old["condition"] != new["condition"]:
        refuse_if_segment_pinned(row)
    subject = Subject("segment", row.pk, row.key, row.project_id)
    with change(actor.author, "segment.update", subject, now=now, reason=command.reason) as entry:
        entry.before, entry.after = differences(old, new)
        held = models.Segment.objects.filter(pk=row.pk, version=command.expected_version)
        if not held.update(version=command.expected_version + 1, **new):
            raise Conflict(Problem("expected_version", MEANWHILE))
        for environment in project.environments:
            entry.touches(environment.id)
        if command.confirms_growth:
            entry.confirms_growth()
    return reads.segment(row.pk)


def delete_segment(actor: Actor, command: DeleteSegment, *, now: datetime) -> None:
    """Delete a segment; refused while a flag, a segment or a running experiment names it."""
    row = found_segment(command.segment_id)
    actor.require(Permission.FLAG_EDIT, row.project_id)
    uses = reads.segment_uses(row.pk)
    users = [
        *(f"the flag “{key}” in {environment}" for key, environment in uses.flags),
        *(f"the segment “{key}”" for key in uses.segments),
        *(f"the running experiment “{key}”" for key in uses.experiments),
    ]
    if users:
        raise Conflict(Problem("", f"It is used by {', '.join(users)}. Take it out there first."))
    subject = Subject("segment", row.pk, row.key, row.project_id)
    with change(actor.author, "segment.delete", subject, now=now, reason=command.reason) as entry:
        entry.before = {"name": row.name, "condition": row.condition}
        for environment in access.project(row.project_id).environments:
            entry.touches(environment.id)
        held = reads.segment(row.pk).members
        if held is not None:
            forget_later(held.address, now)
        row.delete()
