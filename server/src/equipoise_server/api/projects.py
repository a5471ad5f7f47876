"""Projects, environments, members and SDK keys."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Query, Router, Status

from equipoise_server.access import actions
from equipoise_server.access import reads as access
from equipoise_server.access.values import (
    ApiToken,
    Environment,
    IssuedKey,
    KeyKind,
    Member,
    Project,
    Role,
    SdkKey,
)
from equipoise_server.api.authentication import actor_of
from equipoise_server.api.reading import Page, PageQuery, Strict, environment_of, page_of, project_of
from equipoise_server.api.repeating import shows_a_secret
from equipoise_server.api.shapes import (
    ApiTokenShape,
    EnvironmentShape,
    IssuedKeyShape,
    MemberShape,
    ProjectShape,
    SdkKeyShape,
)
from equipoise_server.flags import actions as flag_actions
from equipoise_server.flags.actions import (
    AddEnvironment,
    KillEnvironment,
    kill_environment,
    unkill_environment,
)
from equipoise_server.foundation.exposure_tokens import TokenRule
from equipoise_server.foundation.refusals import NotFound, Problem

router = Router(tags=["projects"])


class NewProject(Strict):
    """A project to create."""

    key: str
    name: str
    unit_types: list[str] = ["user"]
    default_unit_type: str = "user"
    is_pseudonymised: bool = Field(
        False,
        description="Keep a keyed hash in place of each unit id in events. It cannot be changed later.",
    )


class NewEnvironment(Strict):
    """An environment to add: its flags serve what they serve in `copy_from`, or without it are off."""

    key: str
    name: str
    copy_from: str = ""
    reason: str = ""


class Grant(Strict):
    """A role to give."""

    email: str
    role: Role


class NewKey(Strict):
    """An SDK key to issue."""

    environment: str
    kind: KeyKind
    name: str


class Reason(Strict):
    """Why; it is kept in the audit record."""

    reason: str = ""


UNSAID = Reason()
"""What switches things off in a hurry needs no body."""


class NewTokenRule(Reason):
    """What an environment makes of exposure tokens."""

    rule: TokenRule


class TokenRotation(Reason):
    """A new key for exposure tokens."""

    has_leaked: bool = Field(False, description="Refuse what the keys before have signed, from now on.")


@router.get("/projects", response=Page[ProjectShape])
def list_projects(request: HttpRequest, page: Query[PageQuery]) -> dict[str, object]:
    """The projects that you can see."""
    return page_of(access.projects_of(actor_of(request)), page, lambda project: project.key)


@router.post("/projects", response={201: ProjectShape})
def create_project(request: HttpRequest, body: NewProject) -> Status[Project]:
    """Create a project with the environments development and production; you become its admin."""
    command = actions.CreateProject(
        body.key, body.name, tuple(body.unit_types), body.default_unit_type, body.is_pseudonymised
    )
    return Status(201, actions.create_project(actor_of(request), command, now=timezone.now()))


@router.get("/projects/{project}", response=ProjectShape)
def get_project(request: HttpRequest, project: str) -> Project:
    """One project."""
    return project_of(request, project)


@router.get("/projects/{project}/environments", response=Page[EnvironmentShape])
def list_environments(request: HttpRequest, project: str, page: Query[PageQuery]) -> dict[str, object]:
    """The project's environments."""
    return page_of(project_of(request, project).environments, page, lambda environment: environment.key)


@router.post("/projects/{project}/environments", response={201: EnvironmentShape})
def add_environment(request: HttpRequest, project: str, body: NewEnvironment) -> Status[Environment]:
    """Add an environment with every flag; kills, experiments and keys are not copied."""
    place = project_of(request, project)
    source = environment_of(place, body.copy_from).id if body.copy_from else None
    command = AddEnvironment(place.id, body.key, body.name, source, body.reason)
    return Status(201, flag_actions.add_environment(actor_of(request), command, now=timezone.now()))


@router.post("/projects/{project}/environments/{environment}/kill", response={204: None})
def kill_whole_environment(
    request: HttpRequest, project: str, environment: str, body: Reason = UNSAID
) -> Status[None]:
    """Serve the off variant of every flag at once. Needs no approval."""
    place = environment_of(project_of(request, project), environment)
    kill_environment(actor_of(request), KillEnvironment(place.id, body.reason), now=timezone.now())
    return Status(204, None)


@router.post("/projects/{project}/environments/{environment}/unkill", response={204: None})
def unkill_whole_environment(
    request: HttpRequest, project: str, environment: str, body: Reason
) -> Status[None]:
    """Serve by the flags' own settings again."""
    place = environment_of(project_of(request, project), environment)
    unkill_environment(actor_of(request), KillEnvironment(place.id, body.reason), now=timezone.now())
    return Status(204, None)


@router.put("/projects/{project}/environments/{environment}/exposure-tokens", response=EnvironmentShape)
def set_exposure_tokens(
    request: HttpRequest, project: str, environment: str, body: NewTokenRule
) -> Environment:
    """Set whether answers carry tokens of exposures, and whether client keys need them."""
    place = environment_of(project_of(request, project), environment)
    command = actions.SetExposureTokens(place.id, body.rule, body.reason)
    return actions.set_exposure_tokens(actor_of(request), command, now=timezone.now())


@router.post("/projects/{project}/environments/{environment}/exposure-tokens/rotate", response={204: None})
def rotate_token_key(
    request: HttpRequest, project: str, environment: str, body: TokenRotation
) -> Status[None]:
    """Sign exposure tokens with a new key; tokens of a key that has leaked are good no more."""
    place = environment_of(project_of(request, project), environment)
    command = actions.RotateTokenKey(place.id, body.has_leaked, body.reason)
    actions.rotate_token_key(actor_of(request), command, now=timezone.now())
    return Status(204, None)


@router.get("/projects/{project}/members", response=Page[MemberShape])
def list_members(request: HttpRequest, project: str, page: Query[PageQuery]) -> dict[str, object]:
    """Who has a role in the project."""
    return page_of(access.members(project_of(request, project).id), page, lambda member: member.email)


@router.put("/projects/{project}/members", response=MemberShape)
def grant_role(request: HttpRequest, project: str, body: Grant) -> Member:
    """Give a person a role, instead of any earlier one."""
    place = project_of(request, project)
    actions.grant_role(
        actor_of(request), actions.GrantRole(place.id, body.email, body.role), now=timezone.now()
    )
    granted = body.email.casefold()
    return next(member for member in access.members(place.id) if member.email.casefold() == granted)


@router.get("/projects/{project}/sdk-keys", response=Page[SdkKeyShape])
def list_sdk_keys(request: HttpRequest, project: str, page: Query[PageQuery]) -> dict[str, object]:
    """The project's SDK keys, oldest first, revoked ones too; never a secret."""
    keys = access.sdk_keys(project_of(request, project).id)
    return page_of(keys, page, lambda key: f"{key.created_at.isoformat()} {key.id}")


@router.post("/projects/{project}/sdk-keys", response={201: IssuedKeyShape})
def issue_sdk_key(request: HttpRequest, project: str, body: NewKey) -> Status[IssuedKey]:
    """Issue an SDK key; its secret is in this answer and nowhere else."""
    place = environment_of(project_of(request, project), body.environment)
    shows_a_secret(request)
    command = actions.IssueSdkKey(place.id, body.kind, body.name)
    return Status(201, actions.issue_sdk_key(actor_of(request), command, now=timezone.now()))


@router.post("/projects/{project}/sdk-keys/{key}/revoke", response=SdkKeyShape)
def revoke_sdk_key(request: HttpRequest, project: str, key: UUID) -> SdkKey:
    """Revoke an SDK key; within a second it opens nothing."""
    place = project_of(request, project)
    if all(found.id != key for found in access.sdk_keys(place.id)):
        raise NotFound(Problem("key", "The project has no such key."))
    actions.revoke_sdk_key(actor_of(request), key, now=timezone.now())
    return access.sdk_key(key)


@router.get("/projects/{project}/tokens", response=Page[ApiTokenShape])
def list_tokens(request: HttpRequest, project: str, page: Query[PageQuery]) -> dict[str, object]:
    """The management tokens that reach the project: yours, and for its admins all of its own; no secret."""
    tokens = access.api_tokens(actor_of(request), project_of(request, project).id)
    return page_of(tokens, page, lambda token: f"{token.created_at.isoformat()} {token.id}")


@router.post("/projects/{project}/tokens/{token}/revoke", response=ApiTokenShape)
def revoke_token(request: HttpRequest, project: str, token: UUID) -> ApiToken:
    """Revoke a management token. People make them on the settings page, where they sign in."""
    place = project_of(request, project)
    if access.api_token(token).project_id != place.id:
        raise NotFound(Problem("token", "The project has no such token."))
    actions.revoke_token(actor_of(request), token, now=timezone.now())
    return access.api_token(token)
