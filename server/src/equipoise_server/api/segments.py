"""Segments: reusable named conditions."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Field, Query, Router, Status

from equipoise_server.api.authentication import actor_of
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
from equipoise_server.flags.values import Segment

router = Router(tags=["segments"])


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
