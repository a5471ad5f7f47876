"""Links to previews: signed tokens that show chosen variants to one browser."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Router, Schema, Status

from equipoise_server.api.authentication import actor_of
from equipoise_server.api.projects import Reason
from equipoise_server.api.reading import Strict, environment_of, project_of
from equipoise_server.api.repeating import shows_a_secret
from equipoise_server.flags import actions

router = Router(tags=["previews"])
PREVIEWS = "/projects/{project}/environments/{environment}/previews"
QUERY_PARAMETER = "equipoise_preview"


class NewPreview(Strict):
    """Which variants to show, flag → variant, and for how long."""

    overrides: dict[str, str]
    hours: int = Field(24, description="1 to 720.")
    reason: str = ""


class PreviewShape(Schema):
    """A token; append `query` to the address of the application."""

    token: str
    query: str
    expires_at: datetime


@router.post(PREVIEWS, response={201: PreviewShape})
def create_preview(
    request: HttpRequest, project: str, environment: str, body: NewPreview
) -> Status[dict[str, object]]:
    """Sign a token that shows chosen variants; such units leave every analysis (spec/preview-links.md)."""
    place = environment_of(project_of(request, project), environment)
    shows_a_secret(request)
    life = timedelta(hours=min(max(body.hours, 0), 10_000))
    command = actions.CreatePreviewLink(place.id, body.overrides, life, body.reason)
    link = actions.create_preview_link(actor_of(request), command, now=timezone.now())
    query = f"{QUERY_PARAMETER}={link.token}"
    return Status(201, {"token": link.token, "query": query, "expires_at": link.expires_at})


@router.post(PREVIEWS + "/revoke", response={204: None})
def revoke_previews(request: HttpRequest, project: str, environment: str, body: Reason) -> Status[None]:
    """Make every link to a preview in the environment void."""
    place = environment_of(project_of(request, project), environment)
    command = actions.RevokePreviewLinks(place.id, body.reason)
    actions.revoke_preview_links(actor_of(request), command, now=timezone.now())
    return Status(204, None)
