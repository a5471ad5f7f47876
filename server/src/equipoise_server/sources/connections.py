"""Changes of connections. Passwords are never taken, kept or shown: only where the server finds them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from equipoise_server.access.values import Actor, Permission
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Subject
from equipoise_server.foundation.clashes import refused_if_taken
from equipoise_server.foundation.ids import new_id
from equipoise_server.foundation.refusals import Conflict, Invalid, Problem, refuse_all
from equipoise_server.foundation.texts import text_problems
from equipoise_server.sources import entries, models
from equipoise_server.sources.connection_rules import connection_problems
from equipoise_server.sources.source_rules import key_problems
from equipoise_server.sources.usage import others_using
from equipoise_server.sources.values import Connection, ConnectionKind


@dataclass(frozen=True, slots=True)
class CreateConnection:
    """A new way to data."""

    project_id: UUID
    key: str
    kind: ConnectionKind
    location: str
    password_from: str = ""


@dataclass(frozen=True, slots=True)
class ReviseConnection:
    """Where the data lie now. `expected_version` is the edition that was read."""

    connection_id: UUID
    expected_version: int
    location: str
    password_from: str = ""


def create_connection(actor: Actor, command: CreateConnection, *, now: datetime) -> Connection:
    """Add a connection. It is opened when a source wants it."""
    actor.require(Permission.PROJECT_EDIT, command.project_id)
    problems = [
        *key_problems(command.key),
        *_problems(command.kind, command.location, command.password_from),
    ]
    refuse_all(Invalid, problems)
    connection_id = new_id()
    subject = Subject("connection", connection_id, command.key, command.project_id)
    taken = Problem("key", f"There is a connection “{command.key}” already; choose another key.")
    with refused_if_taken(taken), change(actor.author, "connection.create", subject, now=now) as entry:
        models.Connection.objects.create(
            id=connection_id, project_id=command.project_id, key=command.key, kind=str(command.kind),
            location=command.location, password_from=command.password_from, created_at=now,
        )  # fmt: skip
        entry.after = {
            "kind": str(command.kind),
            "location": command.location,
            "password_from": command.password_from,
        }
    return entries.connection(connection_id)


def revise_connection(actor: Actor, command: ReviseConnection, *, now: datetime) -> Connection:
    """Let a connection lead elsewhere. What its sources mean is the same, so they keep their versions."""
    held = entries.connection(command.connection_id)
    actor.require(Permission.PROJECT_EDIT, held.project_id)
    refuse_all(Invalid, _problems(held.kind, command.location, command.password_from))
    subject = Subject("connection", held.id, held.key, held.project_id)
    with change(actor.author, "connection.revise", subject, now=now) as entry:
        row = models.Connection.objects.select_for_update().get(pk=held.id)
        refuse_unless_current(row, command.expected_version)
        entry.before = {"location": row.location, "password_from": row.password_from}
        row.location, row.password_from = command.location, command.password_from
        row.edition += 1
        row.save()
        entry.after = {"location": row.location, "password_from": row.password_from}
    return entries.connection(held.id)


def archive_connection(actor: Actor, connection_id: UUID, *, now: datetime) -> Connection:
    """Take a connection away. Refused while a source or a health check reads over it."""
    held = entries.connection(connection_id)
    actor.require(Permission.PROJECT_EDIT, held.project_id)
    using = [one.key for one in entries.sources_of(held.project_id) if one.shape.connection == held.key]
    if using:
        listed = ", ".join(f"“{key}”" for key in using)
        raise Conflict(Problem("", f"The sources {listed} read over “{held.key}”; archive them first."))
    others = others_using(held.project_id, held.key)
    if others:
        told = f"“{held.key}” is used by {', '.join(others)}; let them use another connection first."
        raise Conflict(Problem("", told))
    subject = Subject("connection", held.id, held.key, held.project_id)
    with change(actor.author, "connection.archive", subject, now=now) as entry:
        row = models.Connection.objects.select_for_update().get(pk=held.id)
        if row.archived_at is not None:
            raise Conflict(Problem("", f"“{held.key}” is archived already."))
        models.Connection.objects.filter(pk=row.pk).update(archived_at=now, edition=row.edition + 1)
        entry.before, entry.after = {"archived": False}, {"archived": True}
    return entries.connection(held.id)


def refuse_unless_current(row: models.Connection | models.Source, expected_version: int) -> None:
    """Refuse to change what is archived, or what somebody changed meanwhile."""
    if row.archived_at is not None:
        raise Conflict(Problem("", f"“{row.key}” is archived; make one with another key."))
    if row.edition != expected_version:
        told = f"Somebody changed “{row.key}” meanwhile; read it again, then repeat your change."
        raise Conflict(Problem("expected_version", told))


def _problems(kind: ConnectionKind, location: str, password_from: str) -> list[Problem]:
    unkeepable = [*text_problems(location=location, password_from=password_from)]
    return unkeepable or connection_problems(kind, location, password_from)
