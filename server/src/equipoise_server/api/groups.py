"""Groups of flags: which flags belong together, and killing them together."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Field, Query, Router, Status

from equipoise_server.access.values import Project
from equipoise_server.api.authentication import actor_of
from equipoise_server.api.projects import UNSAID, Reason
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
from equipoise_server.api.shapes import GroupShape
from equipoise_server.flags import actions
from equipoise_server.flags import reads as flags
from equipoise_server.flags.values import Group

router = Router(tags=["groups"])
GROUP = "/projects/{project}/groups/{group}"
KILL = GROUP + "/environments/{environment}"


class NewGroup(Strict):
    """A group to create; flags are named by key."""

    key: str
    name: str
    flags: list[str] = []
    description: str = ""


class GroupEdit(Strict):
    """New words and flags for a group; its key never changes."""

    name: str
    flags: list[str]
    description: str = ""
    reason: str = ""
    expected_version: int | None = Field(None, description="Unless If-Match is sent.")


@router.get("/projects/{project}/groups", response=Page[GroupShape])
def list_groups(request: HttpRequest, project: str, page: Query[PageQuery]) -> dict[str, object]:
    """The project's groups of flags by key."""
    place = project_of(request, project)
    shown = page_of(flags.groups_of(place.id), page, lambda group: group.key)
    groups = shown["items"]
    assert isinstance(groups, list | tuple)
    return {**shown, "items": [_shape(group, place) for group in groups]}


@router.post("/projects/{project}/groups", response={201: GroupShape})
def create_group(
    request: HttpRequest, response: HttpResponse, project: str, body: NewGroup
) -> Status[dict[str, object]]:
    """Put flags into a new group."""
    place = project_of(request, project)
    command = actions.CreateGroup(place.id, body.key, body.name, frozenset(body.flags), body.description)
    made = actions.create_group(actor_of(request), command, now=timezone.now())
    response["ETag"] = etag(made.version)
    return Status(201, _shape(made, place))


@router.get(GROUP, response=GroupShape)
def get_group(request: HttpRequest, response: HttpResponse, project: str, group: str) -> dict[str, object]:
    """One group of flags."""
    place = project_of(request, project)
    found = flags.group_by_key(place.id, group)
    response["ETag"] = etag(found.version)
    return _shape(found, place)


@router.put(GROUP, response=GroupShape)
def update_group(
    request: HttpRequest, response: HttpResponse, project: str, group: str, body: GroupEdit
) -> dict[str, object]:
    """Edit a group; while it is killed somewhere its flags stay."""
    place = project_of(request, project)
    found = flags.group_by_key(place.id, group)
    command = actions.UpdateGroup(
        found.id, expected_version(request, body.expected_version), body.name, frozenset(body.flags),
        body.description, body.reason,
    )  # fmt: skip
    edited = actions.update_group(actor_of(request), command, now=timezone.now())
    response["ETag"] = etag(edited.version)
    return _shape(edited, place)


@router.post(GROUP + "/delete", response={204: None})
def delete_group(request: HttpRequest, project: str, group: str, body: Reason) -> Status[None]:
    """Undo a group that is killed nowhere; its flags stay as they are."""
    found = flags.group_by_key(project_of(request, project).id, group)
    command = actions.DeleteGroup(found.id, body.reason)
    actions.delete_group(actor_of(request), command, now=timezone.now())
    return Status(204, None)


@router.post(KILL + "/kill", response=GroupShape)
def kill_group(
    request: HttpRequest, project: str, group: str, environment: str, body: Reason = UNSAID
) -> dict[str, object]:
    """Serve the off variants of the group's flags at once. Needs no approval; stops what runs on them."""
    place = project_of(request, project)
    command = _kill(place, group, environment, body)
    return _shape(actions.kill_group(actor_of(request), command, now=timezone.now()), place)


@router.post(KILL + "/unkill", response=GroupShape)
def unkill_group(
    request: HttpRequest, project: str, group: str, environment: str, body: Reason
) -> dict[str, object]:
    """Serve by the flags' own settings again; flags killed one by one stay killed."""
    place = project_of(request, project)
    command = _kill(place, group, environment, body)
    return _shape(actions.unkill_group(actor_of(request), command, now=timezone.now()), place)


def _kill(place: Project, group: str, environment: str, body: Reason) -> actions.KillGroup:
    found = flags.group_by_key(place.id, group)
    return actions.KillGroup(found.id, environment_of(place, environment).id, body.reason)


def _shape(group: Group, place: Project) -> dict[str, object]:
    """A group with the environments' keys in place of their ids."""
    keys = {environment.id: environment.key for environment in place.environments}
    killed = {keys[environment_id]: since for environment_id, since in group.killed.items()}
    return {
        "id": group.id, "key": group.key, "name": group.name, "description": group.description,
        "flags": group.flags, "killed": killed, "version": group.version,
    }  # fmt: skip
