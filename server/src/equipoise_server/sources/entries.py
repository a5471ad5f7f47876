"""Connections and sources as they are kept. Each question answers frozen values."""

from __future__ import annotations

from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery

from equipoise_server.foundation.refusals import NotFound, Problem
from equipoise_server.sources import models
from equipoise_server.sources.shape_json import shape_from_json
from equipoise_server.sources.values import Connection, ConnectionKind, Source


def connection(connection_id: UUID) -> Connection:
    """The connection with this id."""
    row = models.Connection.objects.filter(pk=connection_id).first()
    if row is None:
        raise NotFound(Problem("connection", "There is no such connection."))
    return _connection(row)


def connection_by_key(project_id: UUID, key: str) -> Connection:
    """The connection with this key, archived or not."""
    row = models.Connection.objects.filter(project_id=project_id, key=key).first()
    if row is None:
        raise NotFound(Problem("connection", f"There is no connection “{key}” in this project."))
    return _connection(row)


def connections_of(project_id: UUID, *, archived: bool = False) -> tuple[Connection, ...]:
    """The project's connections, by key; archived ones only when asked for."""
    rows = models.Connection.objects.filter(project_id=project_id).order_by("key")
    return tuple(_connection(row) for row in rows if archived or row.archived_at is None)


def source(source_id: UUID) -> Source:
    """The source with this id, at its newest version."""
    row = _newest().filter(source_id=source_id).first()
    if row is None:
        raise NotFound(Problem("source", "There is no such source."))
    return _source(row)


def source_by_key(project_id: UUID, key: str, *, version: int = 0) -> Source:
    """The source with this key at one version; 0 asks for the newest."""
    rows = _newest() if version == 0 else _versions().filter(number=version)
    row = rows.filter(source__project_id=project_id, source__key=key).first()
    if row is None:
        named = f"“{key}”" if version == 0 else f"“{key}” at version {version}"
        raise NotFound(Problem("source", f"There is no source {named} in this project."))
    return _source(row)


def source_by_ref(project_id: UUID, ref: str) -> Source:
    """The source that a metric names: `orders` at its newest version, `orders@2` at that one."""
    key, _, number = ref.partition("@")
    is_number = number.isascii() and number.isdecimal() and len(number) < 10  # noqa: PLR2004  # fits a column
    if number and not is_number:
        raise NotFound(
            Problem("source", f"“{ref}” is no source; write “orders”, or “orders@2” for a version.")
        )
    return source_by_key(project_id, key, version=int(number) if number else 0)


def sources_of(project_id: UUID, *, archived: bool = False) -> tuple[Source, ...]:
    """The project's sources at their newest versions, by key; archived ones only when asked for."""
    rows = _newest().filter(source__project_id=project_id)
    if not archived:
        rows = rows.filter(source__archived_at=None)
    return tuple(_source(row) for row in rows.order_by("source__key"))


def versions_of(source_id: UUID) -> tuple[Source, ...]:
    """Every version of one source, newest first."""
    return tuple(_source(row) for row in _versions().filter(source_id=source_id).order_by("-number"))


def _versions() -> QuerySet[models.SourceVersion]:
    return models.SourceVersion.objects.select_related("source")


def _newest() -> QuerySet[models.SourceVersion]:
    last = models.SourceVersion.objects.filter(source=OuterRef("source")).order_by("-number")
    return _versions().filter(number=Subquery(last.values("number")[:1]))


def _connection(row: models.Connection) -> Connection:
    return Connection(
        row.pk, row.project_id, row.key, ConnectionKind(row.kind), row.location, row.password_from,
        row.edition, row.archived_at,
    )  # fmt: skip


def _source(row: models.SourceVersion) -> Source:
    entry = row.source
    return Source(
        id=entry.pk,
        version_id=row.pk,
        project_id=entry.project_id,
        key=entry.key,
        version=row.number,
        name=entry.name,
        description=entry.description,
        owner=entry.owner,
        shape=shape_from_json(row.shape),
        edition=entry.edition,
        archived_at=entry.archived_at,
    )
