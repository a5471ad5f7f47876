"""Questions about people, projects and keys. Each answers frozen values."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.db.models import Q
from django.utils.crypto import constant_time_compare

from equipoise_server.access import models, project_keys, secrets, sign_ins
from equipoise_server.access.permissions import AUTOMATION_PERMISSIONS, ROLE_PERMISSIONS
from equipoise_server.access.values import (
    Actor,
    ApiToken,
    Environment,
    KeyKind,
    Member,
    Permission,
    Project,
    ProjectKey,
    Role,
    SdkKey,
    WorkingKey,
)
from equipoise_server.audit.values import Author
from equipoise_server.foundation.exposure_tokens import TokenKey, TokenRule
from equipoise_server.foundation.refusals import NotFound, Problem


def author_of_user(user_id: UUID) -> Author:
    """The person as an audit author."""
    user = models.User.objects.get(pk=user_id)
    return Author("person", str(user.pk), user.name)


def actor_of_user(user_id: UUID) -> Actor:
    """A person with the permissions of their roles."""
    user = models.User.objects.get(pk=user_id)
    roles = models.Membership.objects.filter(user=user).values_list("project_id", "role")
    permissions = {project_id: ROLE_PERMISSIONS[Role(role)] for project_id, role in roles}
    return Actor(Author("person", str(user.pk), user.name), permissions, user.may_create_projects)


def actor_of_token(token: str, *, now: datetime) -> Actor | None:
    """The person behind a management token, or None when it is unknown, revoked or expired."""
    row = models.ApiToken.objects.filter(
        prefix=secrets.prefix_of(token), revoked_at=None, expires_at__gt=now
    ).first()
    if row is None or not secrets.matches(token, row.secret_sha256):
        return None
    user = models.User.objects.filter(pk=row.user_id, is_active=True).first()
    if user is None:
        return None
    actor = actor_of_user(user.pk)
    return actor if row.project_id is None else _within(actor, row.project_id, Role(row.role))


def _within(actor: Actor, project_id: UUID, role: Role) -> Actor:
    """The actor with no more than a role in one project, and nothing elsewhere."""
    held = actor.permissions.get(project_id, frozenset()) & ROLE_PERMISSIONS[role]
    return Actor(actor.author, {project_id: held})


def roles_within(actor: Actor, project_id: UUID) -> tuple[Role, ...]:
    """The roles that an actor has or exceeds in a project, the smallest first."""
    held = actor.permissions.get(project_id, frozenset())
    return tuple(role for role in Role if ROLE_PERMISSIONS[role] <= held)


def actor_of_session(session: SessionBase) -> Actor | None:
    """The person who signed in to a session, unless the account was closed or its password changed since."""
    user_id, kept = session.get(SESSION_KEY), session.get(HASH_SESSION_KEY, "")
    user = None if user_id is None else models.User.objects.filter(pk=user_id, is_active=True).first()
    if user is None or not constant_time_compare(kept, user.get_session_auth_hash()):
        return None
    return actor_of_user(user.pk)


def automation_actor(name: str) -> Actor:
    """Automation by its name: it may hold, stop and kill in every project, nothing else."""
    project_ids = models.Project.objects.values_list("id", flat=True)
    permissions: dict[UUID, frozenset[Permission]] = dict.fromkeys(project_ids, AUTOMATION_PERMISSIONS)
    return Actor(Author("automation", name, name), permissions)


def operator_actor(name: str = "operator") -> Actor:
    """Whoever has the server's shell: may do everything. For commands only, never for a door."""
    project_ids = models.Project.objects.values_list("id", flat=True)
    everything = frozenset(Permission)
    return Actor(
        Author("machine", name, name),
        dict.fromkeys(project_ids, everything),
        may_create_projects=True,
    )


def projects_of(actor: Actor) -> tuple[Project, ...]:
    """The projects this actor may see, by name."""
    visible = [pid for pid in actor.permissions if actor.may(Permission.PROJECT_READ, pid)]
    rows = models.Project.objects.filter(pk__in=visible).prefetch_related("environments").order_by("name")
    return tuple(_project(row) for row in rows)


def project_by_key(actor: Actor, key: str) -> Project:
    """The project with this key; one the actor may not see does not exist for them."""
    row = models.Project.objects.filter(key=key).prefetch_related("environments").first()
    if row is None or not actor.may(Permission.PROJECT_READ, row.pk):
        raise NotFound(Problem("project", f"There is no project “{key}” that you can see."))
    return _project(row)


def project(project_id: UUID) -> Project:
    """The project with this id."""
    return _project(models.Project.objects.prefetch_related("environments").get(pk=project_id))


def environment(environment_id: UUID) -> Environment:
    """The environment with this id."""
    row = models.Environment.objects.filter(pk=environment_id).first()
    if row is None:
        raise NotFound(Problem("environment", "There is no such environment."))
    return _environment(row)


def project_key(project_id: UUID) -> ProjectKey:
    """The project's secret key. Raises KeyMissing."""
    return project_keys.project_key(project_id)


def token_keys(environment_id: UUID) -> tuple[TokenKey, ...]:
    """What signs the environment's exposure tokens, the key in use first; none before the first."""
    rows = models.ExposureTokenKey.objects.filter(environment_id=environment_id).order_by("-number")
    return tuple(
        TokenKey(row.number, row.secret, None if row.until is None else int(row.until.timestamp()))
        for row in rows
    )


def pseudonymised_by(environment_id: UUID) -> UUID | None:
    """The environment's project when it hides unit ids; None: it keeps them."""
    row = models.Environment.objects.filter(pk=environment_id).select_related("project").first()
    return None if row is None else _hiding(row.project)


def all_environments() -> tuple[Environment, ...]:
    """Every environment of every project."""
    return tuple(_environment(row) for row in models.Environment.objects.all())


def members(project_id: UUID) -> tuple[Member, ...]:
    """Who has a role in a project, by name."""
    rows = (
        models.Membership.objects.filter(project_id=project_id).select_related("user").order_by("user__name")
    )
    return tuple(Member(row.user.pk, row.user.email, row.user.name, Role(row.role)) for row in rows)


def sdk_key(key_id: UUID) -> SdkKey:
    """The SDK key with this id."""
    row = models.SdkKey.objects.filter(pk=key_id).select_related("environment__project").first()
    if row is None:
        raise NotFound(Problem("key", "There is no such key."))
    return _sdk_key(row)


def sdk_keys(project_id: UUID) -> tuple[SdkKey, ...]:
    """A project's SDK keys, newest first, revoked ones too."""
    held = models.SdkKey.objects.filter(environment__project_id=project_id)
    rows = held.select_related("environment__project").order_by("-created_at")
    return tuple(_sdk_key(row) for row in rows)


def api_token(token_id: UUID) -> ApiToken:
    """The management token with this id."""
    row = models.ApiToken.objects.select_related("user").filter(pk=token_id).first()
    if row is None:
        raise NotFound(Problem("token", "There is no such token."))
    return _api_token(row)


def api_tokens(actor: Actor, project_id: UUID) -> tuple[ApiToken, ...]:
    """The tokens that reach a project, newest first: one's own, and of its others those one may revoke."""
    own = Q(user_id=UUID(actor.author.id)) if actor.author.kind == "person" else Q(pk=None)
    shown = own & (Q(project_id=project_id) | Q(project_id=None))
    if actor.may(Permission.MEMBER_GRANT, project_id):
        shown |= Q(project_id=project_id)
    rows = models.ApiToken.objects.select_related("user").filter(shown)
    return tuple(_api_token(row) for row in rows.order_by("-created_at", "pk"))


def working_sdk_keys() -> dict[str, WorkingKey]:
    """Every key that is not revoked, by prefix: what the SDKs' door keeps in memory."""
    rows = models.SdkKey.objects.filter(revoked_at=None).select_related("environment__project")
    return {row.prefix: WorkingKey(_sdk_key(row), row.secret_sha256) for row in rows}


def sign_in_wait(email: str, address: str, *, now: datetime) -> timedelta | None:
    """How long an account must wait at an address after too many wrong passwords; None: not at all."""
    return sign_ins.sign_in_wait(email, address, now=now)


def _environment(row: models.Environment) -> Environment:
    rule = TokenRule(row.exposure_tokens)
    return Environment(row.pk, row.project_id, row.key, row.name, row.is_protected, rule)


def _project(row: models.Project) -> Project:
    environments = sorted(row.environments.all(), key=lambda e: e.position)
    return Project(
        row.pk, row.key, row.name, tuple(row.unit_types), row.default_unit_type,
        tuple(_environment(e) for e in environments), row.is_pseudonymised,
    )  # fmt: skip


def _sdk_key(row: models.SdkKey) -> SdkKey:
    return SdkKey(
        row.pk, row.environment_id, KeyKind(row.kind), row.name, row.prefix, row.created_at,
        row.last_used_at, row.revoked_at, _hiding(row.environment.project),
    )  # fmt: skip


def _hiding(project: models.Project) -> UUID | None:
    return project.pk if project.is_pseudonymised else None


def _api_token(row: models.ApiToken) -> ApiToken:
    return ApiToken(
        row.pk, row.user_id, row.user.name, row.name, row.prefix, row.project_id,
        Role(row.role) if row.role else None, row.created_at, row.expires_at, row.revoked_at,
    )  # fmt: skip
