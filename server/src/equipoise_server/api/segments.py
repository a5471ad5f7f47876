"""Segments: reusable named conditions, and lists of units."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Field, File, Form, Query, Router, Schema, Status
from ninja.files import UploadedFile

from equipoise_server.access.values import Permission
from equipoise_server.api.authentication import actor_of
from equipoise_server.api.projects import Reason
from equipoise_server.api.reading import (
    Page,
    PageQuery,
    Strict,
    etag,
    expected_version,
    page_of,
    project_of,
)
from equipoise_server.api.shapes import Json, SegmentShape
from equipoise_server.flags import actions
from equipoise_server.flags import reads as flags
from equipoise_server.flags.values import How, Segment, SegmentUses
from equipoise_server.foundation.refusals import Conflict, Invalid, Problem

router = Router(tags=["segments"])
MEMBERS = "/projects/{project}/segments/{segment}/members"


class NewSegment(Strict):
    """A segment to create."""

    key: str
    name: str
    condition: Json
    confirms_growth: bool = False


class SegmentEdit(Strict):
    """A new name and condition; the key never changes."""

    name: str
    condition: Json
    reason: str = ""
    confirms_growth: bool = False
    expected_version: int | None = Field(None, description="Unless If-Match is sent.")


class NewList(Strict):
    """A segment that is a list of units; empty at first."""

    key: str
    name: str
    unit_type: str
    is_computed: bool = Field(
        False, description="Its membership moves by design, also while a running experiment uses it."
    )


class Members(Strict):
    """Units to put in place of a list's members, to add, or to take out."""

    how: How
    units: list[str]
    reason: str = ""
    confirms_growth: bool = False


class IsMember(Schema):
    """Whether a unit is in a list."""

    is_member: bool


class Uses(Schema):
    """What names a segment."""

    flags: list[tuple[str, str]] = Field(description="Flag and environment.")
    segments: list[str]
    experiments: list[str] = Field(description="The running ones.")


@router.get("/projects/{project}/segments", response=Page[SegmentShape])
def list_segments(request: HttpRequest, project: str, page: Query[PageQuery]) -> dict[str, object]:
    """The project's segments by key."""
    found = flags.segments_of(project_of(request, project).id)
    return page_of(found, page, lambda segment: segment.key)


@router.post("/projects/{project}/segments", response={201: SegmentShape})
def create_segment(
    request: HttpRequest, response: HttpResponse, project: str, body: NewSegment
) -> Status[Segment]:
    """Create a segment."""
    command = actions.CreateSegment(
        project_of(request, project).id, body.key, body.name, body.condition, body.confirms_growth
    )
    made = actions.create_segment(actor_of(request), command, now=timezone.now())
    response["ETag"] = etag(made.version)
    return Status(201, made)


@router.get("/projects/{project}/segments/{segment}", response=SegmentShape)
def get_segment(request: HttpRequest, response: HttpResponse, project: str, segment: str) -> Segment:
    """One segment."""
    found = flags.segment_by_key(project_of(request, project).id, segment)
    response["ETag"] = etag(found.version)
    return found


@router.put("/projects/{project}/segments/{segment}", response=SegmentShape)
def update_segment(
    request: HttpRequest, response: HttpResponse, project: str, segment: str, body: SegmentEdit
) -> Segment:
    """Edit a segment; refused while a running experiment depends on its condition."""
    found = flags.segment_by_key(project_of(request, project).id, segment)
    command = actions.UpdateSegment(
        found.id, expected_version(request, body.expected_version), body.name, body.condition, body.reason,
        body.confirms_growth,
    )  # fmt: skip
    edited = actions.update_segment(actor_of(request), command, now=timezone.now())
    response["ETag"] = etag(edited.version)
    return edited


@router.post("/projects/{project}/segments/{segment}/delete", response={204: None})
def delete_segment(request: HttpRequest, project: str, segment: str, body: Reason) -> Status[None]:
    """Delete a segment that no flag, segment or running experiment names."""
    found = flags.segment_by_key(project_of(request, project).id, segment)
    command = actions.DeleteSegment(found.id, body.reason)
    actions.delete_segment(actor_of(request), command, now=timezone.now())
    return Status(204, None)


@router.get("/projects/{project}/segments/{segment}/uses", response=Uses)
def get_segment_uses(request: HttpRequest, project: str, segment: str) -> SegmentUses:
    """The flags, segments and running experiments that name a segment."""
    return flags.segment_uses(flags.segment_by_key(project_of(request, project).id, segment).id)


@router.post("/projects/{project}/lists", response={201: SegmentShape})
def create_list(request: HttpRequest, response: HttpResponse, project: str, body: NewList) -> Status[Segment]:
    """Create a segment that is a list of units."""
    command = actions.CreateList(
        project_of(request, project).id, body.key, body.name, body.unit_type, body.is_computed
    )
    made = actions.create_list(actor_of(request), command, now=timezone.now())
    response["ETag"] = etag(made.version)
    return Status(201, made)


@router.get(MEMBERS, response=IsMember)
def is_member(request: HttpRequest, project: str, segment: str, unit: str) -> dict[str, bool]:
    """Whether a unit is in a list. Members themselves cannot be read: large lists are hashes."""
    found = flags.segment_by_key(project_of(request, project).id, segment)
    return {"is_member": flags.is_member(found.id, unit)}


@router.post(MEMBERS, response=SegmentShape)
def change_members(request: HttpRequest, project: str, segment: str, body: Members) -> Segment:
    """Replace, append or remove members; for more than fit into a body, upload a file."""
    found = flags.segment_by_key(project_of(request, project).id, segment)
    command = actions.ChangeMembers(found.id, body.how, body.reason, body.confirms_growth)
    return actions.change_members(actor_of(request), command, body.units, now=timezone.now())


@router.post(MEMBERS + "/upload", response=SegmentShape)
def upload_members(
    request: HttpRequest,
    project: str,
    segment: str,
    *,
    how: Form[How] = "replace",
    reason: Form[str] = "",
    file: File[UploadedFile | None] = None,
) -> Segment:
    """The same from a file: one unit id a line, or the first column of a file named .csv; up to 5,000,000."""
    actor, place = actor_of(request), project_of(request, project)
    actor.require(Permission.FLAG_EDIT, place.id)
    found = flags.segment_by_key(place.id, segment)
    if file is None or file.file is None:
        raise Invalid(Problem("file", "Send the unit ids as the form's “file”."))
    if found.members is None:
        raise Conflict(Problem("", f"The segment “{segment}” is a condition, not a list of units."))
    sent = actions.UnitFile(file.file, file.name or "", file.size or 0)
    units = actions.unit_ids(sent, found.members.unit_type)
    return actions.change_members(
        actor, actions.ChangeMembers(found.id, how, reason, confirms_growth=True), units, now=timezone.now()
    )
