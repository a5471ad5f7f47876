"""Connections and sources: tables and queries that metrics may read, and previews of what they hold."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Field, Query, Router, Schema, Status

from equipoise_server.access.values import Permission
from equipoise_server.api.authentication import actor_of
from equipoise_server.api.reading import Page, PageQuery, Strict, etag, expected_version, page_of, project_of
from equipoise_server.sources import actions
from equipoise_server.sources import reads as sources
from equipoise_server.sources.reads import estimate_source, preview_source
from equipoise_server.sources.values import (
    ColumnType,
    Connection,
    ConnectionKind,
    Estimate,
    Preview,
    Shape,
    Source,
)

router = Router(tags=["sources"])
CONNECTIONS = "/projects/{project}/connections"
CONNECTION = CONNECTIONS + "/{connection}"
SOURCES = "/projects/{project}/sources"
SOURCE = SOURCES + "/{source}"


class ConnectionWords(Strict):
    """Where the data lie. A password is never sent: say where the server finds it."""

    location: str = Field(
        description="A directory or .duckdb file of the server's sources, postgresql://role@host/database, "
        "or a Prometheus' https://host:9090."
    )
    password_from: str = Field("", description="env:EQUIPOISE_SOURCE_… or file:NAME.")


class NewConnection(ConnectionWords):
    """A connection to add."""

    key: str
    kind: ConnectionKind


class ConnectionEdit(ConnectionWords):
    """The whole connection as it shall be."""

    expected_version: int | None = Field(None, description="The `edition` you read, unless If-Match is sent.")


class ConnectionShape(Schema):
    """A connection; it holds no password."""

    id: UUID
    key: str
    kind: ConnectionKind
    location: str
    password_from: str
    edition: int
    archived_at: datetime | None


class ShapeBody(Strict):
    """Which rows there are and what their columns mean: a table, or a query."""

    connection: str
    units: dict[str, str] = Field(description="Unit type → the column with its ids.")
    time: str = Field(description="The column that says when; without a zone it is read as UTC.")
    columns: dict[str, ColumnType] = Field(default_factory=dict, description="What metrics may use.")
    table: str = ""
    sql: str = ""

    def shape(self) -> Shape:
        """As the rooms know it."""
        return Shape(self.connection, self.units, self.time, self.columns, self.table, self.sql)


class SourceWords(Strict):
    """What creating and revising share."""

    name: str
    shape: ShapeBody
    description: str = ""
    owner: str = ""


class NewSource(SourceWords):
    """A source to add."""

    key: str


class SourceEdit(SourceWords):
    """The whole source as it shall be."""

    expected_version: int | None = Field(None, description="The `edition` you read, unless If-Match is sent.")


class ShapeShape(Schema):
    """Which rows there are and what their columns mean."""

    connection: str
    units: dict[str, str]
    time: str
    columns: dict[str, ColumnType]
    table: str
    sql: str


class SourceShape(Schema):
    """A source at one version. `ref` is what a metric's version keeps."""

    id: UUID
    version_id: UUID
    key: str
    ref: str
    version: int
    edition: int
    name: str
    description: str
    owner: str
    shape: ShapeShape
    archived_at: datetime | None


class EstimateShape(Schema):
    """What the engine expects, before it runs."""

    rows: int
    bytes: int
    cost: float


class MaybeEstimate(Schema):
    """What the engine expects; nothing where it does not say."""

    estimate: EstimateShape | None


class SampleShape(Schema):
    """A few rows; ids of units are shortened."""

    columns: list[str]
    rows: list[list[str]]


class RecentShape(Schema):
    """What lies in the last days."""

    days: int
    rows: int
    units: int


class DistributionShape(Schema):
    """How numbers spread."""

    name: str
    count: int
    minimum: float | None
    lower_quartile: float | None
    median: float | None
    upper_quartile: float | None
    maximum: float | None
    zero_share: float | None
    missing_share: float | None


class CostShape(Schema):
    """What reading took."""

    rows: int
    seconds: float
    bytes: int | None


class PreviewShape(Schema):
    """What is there: a sample, how much, how it spreads, what it cost, and the statement."""

    sample: SampleShape
    recent: list[RecentShape]
    distributions: list[DistributionShape]
    cost: CostShape
    estimate: EstimateShape | None
    sql: str
    first_at: datetime | None
    last_at: datetime | None


@router.get(CONNECTIONS, response=Page[ConnectionShape])
def list_connections(
    request: HttpRequest, project: str, page: Query[PageQuery], *, archived: bool = False
) -> dict[str, object]:
    """The project's connections, by key."""
    found = sources.connections_of(project_of(request, project).id, archived=archived)
    return page_of(found, page, lambda connection: connection.key)


@router.post(CONNECTIONS, response={201: ConnectionShape})
def create_connection(request: HttpRequest, project: str, body: NewConnection) -> Status[Connection]:
    """Add a connection. Admins only."""
    command = actions.CreateConnection(
        project_of(request, project).id, body.key, body.kind, body.location, body.password_from
    )
    return Status(201, actions.create_connection(actor_of(request), command, now=timezone.now()))


@router.put(CONNECTION, response=ConnectionShape)
def revise_connection(
    request: HttpRequest, project: str, connection: str, body: ConnectionEdit
) -> Connection:
    """Let a connection lead elsewhere."""
    found = sources.connection_by_key(project_of(request, project).id, connection)
    command = actions.ReviseConnection(
        found.id, expected_version(request, body.expected_version), body.location, body.password_from
    )
    return actions.revise_connection(actor_of(request), command, now=timezone.now())


@router.post(CONNECTION + "/archive", response=ConnectionShape)
def archive_connection(request: HttpRequest, project: str, connection: str) -> Connection:
    """Take a connection away; refused while a source or a health check reads over it."""
    found = sources.connection_by_key(project_of(request, project).id, connection)
    return actions.archive_connection(actor_of(request), found.id, now=timezone.now())


@router.get(SOURCES, response=Page[SourceShape])
def list_sources(
    request: HttpRequest, project: str, page: Query[PageQuery], *, archived: bool = False
) -> dict[str, object]:
    """The project's sources at their newest versions, by key."""
    found = sources.sources_of(project_of(request, project).id, archived=archived)
    return page_of(found, page, lambda source: source.key)


@router.post(SOURCES, response={201: SourceShape})
def create_source(
    request: HttpRequest, response: HttpResponse, project: str, body: NewSource
) -> Status[Source]:
    """Describe a table or a query; its columns are looked for over the connection."""
    command = actions.CreateSource(
        project_of(request, project).id, body.key, body.name, body.shape.shape(), body.description, body.owner
    )
    made = actions.create_source(actor_of(request), command, now=timezone.now())
    response["ETag"] = etag(made.edition)
    return Status(201, made)


@router.get(SOURCE, response=SourceShape)
def get_source(
    request: HttpRequest, response: HttpResponse, project: str, source: str, *, version: int = 0
) -> Source:
    """One source, at its newest version unless another is asked for."""
    found = sources.source_by_key(project_of(request, project).id, source, version=version)
    response["ETag"] = etag(found.edition)
    return found


@router.put(SOURCE, response=SourceShape)
def revise_source(
    request: HttpRequest, response: HttpResponse, project: str, source: str, body: SourceEdit
) -> Source:
    """Change a source. Another shape is another version; metrics keep theirs until they are saved again."""
    found = sources.source_by_key(project_of(request, project).id, source)
    command = actions.ReviseSource(
        found.id, expected_version(request, body.expected_version), body.name, body.shape.shape(),
        body.description, body.owner,
    )  # fmt: skip
    revised = actions.revise_source(actor_of(request), command, now=timezone.now())
    response["ETag"] = etag(revised.edition)
    return revised


@router.post(SOURCE + "/archive", response=SourceShape)
def archive_source(request: HttpRequest, project: str, source: str) -> Source:
    """Take a source out of the catalogue; metrics that read it keep their version of it."""
    found = sources.source_by_key(project_of(request, project).id, source)
    return actions.archive_source(actor_of(request), found.id, now=timezone.now())


@router.get(SOURCE + "/estimate", response=MaybeEstimate)
def estimate_preview(request: HttpRequest, project: str, source: str) -> dict[str, Estimate | None]:
    """What a preview would cost, where the engine says so (PostgreSQL's EXPLAIN)."""
    return {"estimate": estimate_source(_readable(request, project, source), now=timezone.now())}


@router.get(SOURCE + "/preview", response=PreviewShape)
def get_source_preview(request: HttpRequest, project: str, source: str) -> Preview:
    """A look at the last weeks of a source. For those who may edit metrics: it shows rows."""
    return preview_source(_readable(request, project, source), now=timezone.now())


def _readable(request: HttpRequest, project: str, source: str) -> Source:
    place = project_of(request, project)
    actor_of(request).require(Permission.METRIC_EDIT, place.id)
    return sources.source_by_key(place.id, source)
