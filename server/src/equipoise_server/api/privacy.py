"""Privacy: erasing units, and how long raw events are kept."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Field, File, Form, Query, Router, Schema, Status
from ninja.files import UploadedFile

from equipoise_server.access.values import Permission
from equipoise_server.api.authentication import actor_of
from equipoise_server.api.reading import (
    Page,
    PageQuery,
    Strict,
    environment_of,
    etag,
    expected_version,
    page_of,
    project_of,
)
from equipoise_server.events import actions
from equipoise_server.events import reads as events
from equipoise_server.events.values import MOST_ERASED_UNITS, Erasure, Retention
from equipoise_server.flags import actions as flags
from equipoise_server.foundation.refusals import Invalid, NotFound, Problem

router = Router(tags=["privacy"])
RETENTION = "/projects/{project}/environments/{environment}/retention"


class NewErasure(Strict):
    """Units of one type to erase, in every environment of the project."""

    unit_type: str
    units: list[str] = Field(
        description=f"At most {MOST_ERASED_UNITS:,}. They are in no answer and no audit record."
    )
    reason: str = Field("", description="Kept for good: name nobody in it.")


class ErasureShape(Schema):
    """One erasure; it names no unit."""

    id: UUID
    unit_type: str
    asked: int = Field(description="How many units.")
    fingerprint: str = Field(description="A keyed hash of the request.")
    asked_by: str
    asked_at: datetime
    step: str = Field(description="How far it is: bury, configuration, store, inboxes, derived, … done.")
    removed: Mapping[str, int] = Field(description="How much was taken out, by place.")
    waits_for: str
    finished_at: datetime | None


class RetentionShape(Schema):
    """How long an environment keeps raw events and refused ones."""

    event_days: int | None = Field(description="null: for ever.")
    quarantine_days: int
    version: int
    dropped_through: date | None
    waits_for: str = Field(description="Which experiments still need days that are past their time.")


class RetentionEdit(Strict):
    """Both together."""

    event_days: int | None
    quarantine_days: int = 30
    reason: str = ""
    expected_version: int | None = Field(None, description="Unless If-Match is sent.")


@router.post("/projects/{project}/erasures", response={202: ErasureShape})
def erase_units(request: HttpRequest, project: str, body: NewErasure) -> Status[Erasure]:
    """Erase units: the worker takes them out of everything, within an hour and mostly within 15 minutes."""
    command = actions.EraseUnits(
        project_of(request, project).id, body.unit_type, tuple(body.units), body.reason
    )
    return Status(202, actions.ask_erasure(actor_of(request), command, now=timezone.now()))


@router.post("/projects/{project}/erasures/upload", response={202: ErasureShape})
def erase_units_of_file(
    request: HttpRequest,
    project: str,
    *,
    unit_type: Form[str] = "",
    reason: Form[str] = "",
    file: File[UploadedFile | None] = None,
) -> Status[Erasure]:
    """The same from a file: one unit id a line, or the first column of a file named .csv."""
    actor, place = actor_of(request), project_of(request, project)
    actor.require(Permission.UNIT_ERASE, place.id)
    if file is None or file.file is None:
        raise Invalid(Problem("file", "Send the unit ids as the form's “file”."))
    sent = flags.UnitFile(file.file, file.name or "", file.size or 0)
    units = actions.first_units(flags.unit_ids(sent, unit_type))
    command = actions.EraseUnits(place.id, unit_type, units, reason)
    return Status(202, actions.ask_erasure(actor, command, now=timezone.now()))


@router.get("/projects/{project}/erasures", response=Page[ErasureShape])
def list_erasures(request: HttpRequest, project: str, page: Query[PageQuery]) -> dict[str, object]:
    """The project's erasures, oldest first."""
    found = events.erasures_of(project_of(request, project).id)
    return page_of(found, page, lambda one: f"{one.asked_at.isoformat()} {one.id}")


@router.get("/projects/{project}/erasures/{erasure}", response=ErasureShape)
def get_erasure(request: HttpRequest, project: str, erasure: UUID) -> Erasure:
    """One erasure, and how far it is."""
    for one in events.erasures_of(project_of(request, project).id):
        if one.id == erasure:
            return one
    raise NotFound(Problem("erasure", "The project has no such erasure."))


@router.get(RETENTION, response=RetentionShape)
def get_retention(request: HttpRequest, response: HttpResponse, project: str, environment: str) -> Retention:
    """How long the environment keeps events."""
    found = events.retention_of(environment_of(project_of(request, project), environment).id)
    response["ETag"] = etag(found.version)
    return found


@router.put(RETENTION, response=RetentionShape)
def set_retention(
    request: HttpRequest, response: HttpResponse, project: str, environment: str, body: RetentionEdit
) -> Retention:
    """Set it. Days that an experiment still needs are kept until it is done; `waits_for` names it."""
    place = environment_of(project_of(request, project), environment)
    command = actions.SetRetention(
        place.id, expected_version(request, body.expected_version), body.event_days, body.quarantine_days,
        body.reason,
    )  # fmt: skip
    done = actions.set_retention(actor_of(request), command, now=timezone.now())
    response["ETag"] = etag(done.version)
    return done
