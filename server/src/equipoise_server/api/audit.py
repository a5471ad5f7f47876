"""The audit chain: who did what to what, and whether the chain still holds."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Query, Router, Schema

from equipoise_server.access.values import Permission
from equipoise_server.api.authentication import actor_of
from equipoise_server.api.reading import Page, PageQuery, decode_cursor, encode_cursor, project_of
from equipoise_server.api.shapes import AuditEntryShape
from equipoise_server.audit import reads as audit
from equipoise_server.foundation.refusals import Invalid, Problem

router = Router(tags=["audit"])


class ChainShape(Schema):
    """Whether every record follows from the one before it; else the first that does not, and why."""

    holds: bool
    first_fault: int | None
    reason: str | None


@router.get("/projects/{project}/audit", response=Page[AuditEntryShape])
def list_audit(request: HttpRequest, project: str, page: Query[PageQuery]) -> dict[str, object]:
    """The project's audit records, newest first."""
    place = project_of(request, project)
    actor_of(request).require(Permission.AUDIT_READ, place.id)
    after = decode_cursor(page.cursor)
    if after is not None and not (after.isascii() and after.isdigit()):
        raise Invalid(Problem("cursor", "This cursor is none of ours; start over without one."))
    before = None if after is None else int(after)
    found = audit.of_project(place.id, before=before, limit=page.limit + 1)
    shown = found[: page.limit]
    more = len(found) > len(shown)
    return {"items": shown, "next_cursor": encode_cursor(str(shown[-1].number)) if more else None}


@router.get("/projects/{project}/audit/verify", response=ChainShape)
def verify_audit(request: HttpRequest, project: str) -> dict[str, object]:
    """Recompute the whole chain, over all projects."""
    actor_of(request).require(Permission.AUDIT_READ, project_of(request, project).id)
    fault = audit.chain_fault()
    if fault is None:
        return {"holds": True, "first_fault": None, "reason": None}
    return {"holds": False, "first_fault": fault.number, "reason": fault.reason}
