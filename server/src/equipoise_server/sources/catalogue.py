"""Changes of sources. Another shape is another version; metrics keep the one they were saved with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from equipoise_server.access import reads as access
from equipoise_server.access.values import Actor, Permission
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Subject
from equipoise_server.foundation.clashes import refused_if_taken
from equipoise_server.foundation.ids import new_id
from equipoise_server.foundation.refusals import Conflict, Invalid, Problem, refuse_all
from equipoise_server.sources import entries, models
from equipoise_server.sources.connections import refuse_unless_current
from equipoise_server.sources.sessions import opened
from equipoise_server.sources.shape_json import shape_to_json
from equipoise_server.sources.source_rules import (
    Known,
    held_problems,
    key_problems,
    shape_problems,
    word_problems,
)
from equipoise_server.sources.statements import relation
from equipoise_server.sources.values import Shape, Source, SourceUnusable


@dataclass(frozen=True, slots=True)
class CreateSource:
    """A new source, at version 1."""

    project_id: UUID
    key: str
    name: str
    shape: Shape
    description: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class ReviseSource:
    """The whole source as it shall be. `expected_version` is the edition that was read."""

    source_id: UUID
    expected_version: int
    name: str
    shape: Shape
    description: str
    owner: str


def create_source(actor: Actor, command: CreateSource, *, now: datetime) -> Source:
    """Describe a table or a query. Its connection is asked whether the columns are there."""
    actor.require(Permission.METRIC_EDIT, command.project_id)
    refuse_all(Invalid, [*key_problems(command.key), *_problems(command.project_id, command.key, command)])
    source_id = new_id()
    subject = Subject("source", source_id, command.key, command.project_id)
    taken = Problem("key", f"There is a source “{command.key}” already; choose another key.")
    with refused_if_taken(taken), change(actor.author, "source.create", subject, now=now) as entry:
        row = models.Source.objects.create(
            id=source_id, project_id=command.project_id, key=command.key, created_at=now, **_words(command)
        )
        _add_version(row, 1, command.shape, now=now)
        entry.after = {"version": 1, **_words(command), "shape": shape_to_json(command.shape)}
    return entries.source(source_id)


def revise_source(actor: Actor, command: ReviseSource, *, now: datetime) -> Source:
    """Change a source; only another shape makes a new version."""
    held = entries.source(command.source_id)
    actor.require(Permission.METRIC_EDIT, held.project_id)
    refuse_all(Invalid, _problems(held.project_id, held.key, command))
    subject = Subject("source", held.id, held.key, held.project_id)
    with change(actor.author, "source.revise", subject, now=now) as entry:
        row = models.Source.objects.select_for_update().get(pk=held.id)
        refuse_unless_current(row, command.expected_version)
        current = entries.source(held.id)
        is_same = shape_to_json(current.shape) == shape_to_json(command.shape)
        version = current.version if is_same else current.version + 1
        if not is_same:
            _add_version(row, version, command.shape, now=now)
        models.Source.objects.filter(pk=row.pk).update(edition=row.edition + 1, **_words(command))
        entry.before = {"version": current.version, "shape": shape_to_json(current.shape)}
        entry.after = {"version": version, **_words(command), "shape": shape_to_json(command.shape)}
    return entries.source(held.id)


def archive_source(actor: Actor, source_id: UUID, *, now: datetime) -> Source:
    """Take a source out of the catalogue. Metrics that read it keep their version of it."""
    held = entries.source(source_id)
    actor.require(Permission.METRIC_EDIT, held.project_id)
    subject = Subject("source", held.id, held.key, held.project_id)
    with change(actor.author, "source.archive", subject, now=now) as entry:
        row = models.Source.objects.select_for_update().get(pk=held.id)
        if row.archived_at is not None:
            raise Conflict(Problem("", f"“{held.key}” is archived already."))
        models.Source.objects.filter(pk=row.pk).update(archived_at=now, edition=row.edition + 1)
        entry.before, entry.after = {"archived": False}, {"archived": True}
    return entries.source(held.id)


def _problems(project_id: UUID, key: str, command: CreateSource | ReviseSource) -> list[Problem]:
    """Everything that is wrong; the connection is asked only when all else is well."""
    shape = command.shape
    connections = {one.key: one for one in entries.connections_of(project_id, archived=True)}
    known = Known(access.project(project_id).unit_types, connections)
    problems = [
        *word_problems(command.name, command.description, command.owner),
        *shape_problems(shape, known),
    ]
    if problems:
        return problems
    connection = connections[shape.connection]
    try:
        with opened(connection, source=key) as session:
            return [*held_problems(shape, session.held(relation(shape, connection.kind)))]
    except SourceUnusable as fault:
        return list(fault.problems)


def _words(command: CreateSource | ReviseSource) -> dict[str, str]:
    return {"name": command.name.strip(), "description": command.description, "owner": command.owner}


def _add_version(row: models.Source, number: int, shape: Shape, *, now: datetime) -> None:
    models.SourceVersion.objects.create(source=row, number=number, shape=shape_to_json(shape), created_at=now)
