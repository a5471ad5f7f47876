"""What changes people, projects, environments and keys."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth.hashers import make_password

from equipoise_server.access import models, reads, secrets
from equipoise_server.access.exposure_tokens import (
    RotateTokenKey,
    SetExposureTokens,
    rotate_token_key,
    set_exposure_tokens,
)
from equipoise_server.access.project_keys import make_project_key
from equipoise_server.access.sign_ins import note_failed_sign_in
from equipoise_server.access.tokens import IssueToken, issue_api_token, issue_token, revoke_token
from equipoise_server.access.values import (
    Actor,
    Environment,
    IssuedKey,
    KeyKind,
    Permission,
    Project,
    Role,
)
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Author, Subject
from equipoise_server.foundation import revisions
from equipoise_server.foundation.clashes import refused_if_taken
from equipoise_server.foundation.ids import KEY_RULE, is_key, key_fault, new_id
from equipoise_server.foundation.refusals import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Problem,
    refuse_all,
)
from equipoise_server.foundation.texts import LONGEST_NAME, text_problems

__all__ = [
    "CreateEnvironment",
    "CreateProject",
    "CreateUser",
    "GrantRole",
    "IssueSdkKey",
    "IssueToken",
    "RotateTokenKey",
    "SetExposureTokens",
    "create_environment",
    "create_project",
    "create_user",
    "grant_role",
    "issue_api_token",
    "issue_sdk_key",
    "issue_token",
    "make_project_key",
    "note_failed_sign_in",
    "record_key_uses",
    "revoke_sdk_key",
    "revoke_token",
    "rotate_token_key",
    "set_exposure_tokens",
]
LEAST_PASSWORD_LENGTH = 10
LONGEST_EMAIL = 254
MOST_ENVIRONMENTS = 12


@dataclass(frozen=True, slots=True)
class CreateUser:
    """A new person. `may_create_projects` makes an organisation admin."""

    email: str
    name: str
    password: str
    may_create_projects: bool = False


@dataclass(frozen=True, slots=True)
class CreateProject:
    """A new project with the environments development and production."""

    key: str
    name: str
    unit_types: tuple[str, ...] = ("user",)
    default_unit_type: str = "user"
    is_pseudonymised: bool = False
    """Keep a keyed hash in place of each unit id that events carry. It cannot be changed later."""


@dataclass(frozen=True, slots=True)
class CreateEnvironment:
    """A new environment, put before the last one, which is where it matters most."""

    project_id: UUID
    key: str
    name: str


@dataclass(frozen=True, slots=True)
class GrantRole:
    """Give a person a role in a project, instead of any earlier one."""

    project_id: UUID
    email: str
    role: Role


@dataclass(frozen=True, slots=True)
class IssueSdkKey:
    """A new SDK key for an environment."""

    environment_id: UUID
    kind: KeyKind
    name: str


def create_user(author: Author, command: CreateUser, *, now: datetime) -> UUID:
    """Create a person. Called by an operator's command; people are not created over the web."""
    problems = []
    if "@" not in command.email:
        problems.append(Problem("email", "Give an e-mail address."))
    if len(command.password) < LEAST_PASSWORD_LENGTH:
        problems.append(Problem("password", f"Use at least {LEAST_PASSWORD_LENGTH} characters."))
    problems += text_problems(LONGEST_EMAIL, email=command.email)
    problems += text_problems(LONGEST_NAME, name=command.name)
    if models.User.objects.filter(email__iexact=command.email).exists():
        problems.append(Problem("email", f"{command.email} already has an account."))
    refuse_all(Invalid, problems)
    user_id = new_id()
    with change(author, "user.create", Subject("user", user_id, command.email), now=now) as entry:
        models.User.objects.create(
            id=user_id, email=command.email, name=command.name, password=make_password(command.password),
            may_create_projects=command.may_create_projects,
        )  # fmt: skip
        entry.after = {"name": command.name, "may_create_projects": command.may_create_projects}
    return user_id


def create_project(actor: Actor, command: CreateProject, *, now: datetime) -> Project:
    """Create a project; its creator becomes its admin."""
    if not actor.may_create_projects:
        raise Forbidden(Problem("", "Only an organisation admin can create a project."))
    refuse_all(Invalid, _project_problems(command))
    project_id = new_id()
    subject = Subject("project", project_id, command.key, project_id)
    taken = Problem("key", _project_taken(command.key))
    with refused_if_taken(taken), change(actor.author, "project.create", subject, now=now) as entry:
        row = models.Project.objects.create(
            id=project_id, key=command.key, name=command.name, unit_types=list(command.unit_types),
            default_unit_type=command.default_unit_type, is_pseudonymised=command.is_pseudonymised,
            created_at=now,
        )  # fmt: skip
        if command.is_pseudonymised:
            make_project_key(project_id)
        for position, (key, name) in enumerate(
            [("development", "Development"), ("production", "Production")]
        ):
            environment = models.Environment.objects.create(
                project=row, key=key, name=name, position=position
            )
            entry.touches(environment.pk)
        if actor.author.kind == "person":
            models.Membership.objects.create(user_id=UUID(actor.author.id), project=row, role=Role.ADMIN)
        entry.after = {"name": command.name, "unit_types": list(command.unit_types)}
        if command.is_pseudonymised:
            entry.after = {**entry.after, "is_pseudonymised": True}
    return reads.project(project_id)


def _project_taken(key: str) -> str:
    return f"There is a project “{key}” already; choose another key."


def _project_problems(command: CreateProject) -> list[Problem]:
    problems = []
    if not is_key(command.key):
        problems.append(Problem("key", key_fault(command.key)))
    elif models.Project.objects.filter(key=command.key).exists():
        problems.append(Problem("key", _project_taken(command.key)))
    if not command.name.strip():
        problems.append(Problem("name", "Give the project a name."))
    problems += text_problems(LONGEST_NAME, name=command.name)
    if command.default_unit_type not in command.unit_types:
        problems.append(Problem("default_unit_type", "The default unit type must be one of the unit types."))
    problems += [
        Problem("unit_types", f"The unit type “{unit_type}” cannot be used: {KEY_RULE}.")
        for unit_type in command.unit_types
        if not is_key(unit_type)
    ]
    return problems


def create_environment(actor: Actor, command: CreateEnvironment, *, now: datetime) -> Environment:
    """Create an environment that serves nothing yet. Flags fill it, inside the same change."""
    actor.require(Permission.PROJECT_EDIT, command.project_id)
    refuse_all(Invalid, _environment_problems(command))
    environment_id = new_id()
    subject = Subject("environment", environment_id, command.key, command.project_id, environment_id)
    taken = Problem("key", _environment_taken(command.key))
    with refused_if_taken(taken), change(actor.author, "environment.create", subject, now=now) as entry:
        last = models.Environment.objects.filter(project_id=command.project_id).order_by("-position").first()
        position = 0 if last is None else last.position
        if last is not None:
            models.Environment.objects.filter(pk=last.pk).update(position=position + 1)
        models.Environment.objects.create(
            id=environment_id, project_id=command.project_id, key=command.key, name=command.name,
            position=position,
        )  # fmt: skip
        entry.after = {"name": command.name}
        entry.touches(environment_id)
    return reads.environment(environment_id)


def _environment_taken(key: str) -> str:
    return f"There is an environment “{key}” already; choose another key."


def _environment_problems(command: CreateEnvironment) -> list[Problem]:
    problems = list(text_problems(LONGEST_NAME, name=command.name))
    held = models.Environment.objects.filter(project_id=command.project_id)
    if not is_key(command.key):
        problems.append(Problem("key", key_fault(command.key)))
    elif held.filter(key=command.key).exists():
        problems.append(Problem("key", _environment_taken(command.key)))
    if not command.name.strip():
        problems.append(Problem("name", "Give the environment a name."))
    if held.count() >= MOST_ENVIRONMENTS:
        problems.append(Problem("", f"A project has at most {MOST_ENVIRONMENTS} environments."))
    return problems


def grant_role(actor: Actor, command: GrantRole, *, now: datetime) -> None:
    """Give a person a role; an actor can only give permissions it holds."""
    actor.require(Permission.MEMBER_GRANT, command.project_id)
    user = models.User.objects.filter(email__iexact=command.email).first()
    if user is None:
        raise NotFound(Problem("email", f"Nobody with the address {command.email} has an account."))
    project = models.Project.objects.get(pk=command.project_id)
    held = models.Membership.objects.filter(user=user, project=project).first()
    if held is not None and held.role == Role.ADMIN and command.role != Role.ADMIN:
        _refuse_without_another_admin(project, user)
    subject = Subject("project", project.pk, project.key, project.pk)
    with change(actor.author, "member.grant", subject, now=now) as entry:
        entry.before = None if held is None else {"email": user.email, "role": held.role}
        models.Membership.objects.update_or_create(
            user=user, project=project, defaults={"role": command.role}
        )
        entry.after = {"email": user.email, "role": command.role}


def _refuse_without_another_admin(project: models.Project, user: models.User) -> None:
    others = models.Membership.objects.filter(project=project, role=Role.ADMIN).exclude(user=user)
    if not others.exists():
        raise Conflict(Problem("role", "This is the project's last admin; make somebody else admin first."))


def issue_sdk_key(actor: Actor, command: IssueSdkKey, *, now: datetime) -> IssuedKey:
    """Make an SDK key; its secret is in the answer and nowhere else."""
    environment = reads.environment(command.environment_id)
    actor.require(Permission.KEY_MANAGE, environment.project_id)
    problems = list(text_problems(LONGEST_NAME, name=command.name))
    if not command.name.strip():
        problems.append(Problem("name", "Say which application will use the key."))
    refuse_all(Invalid, problems)
    secret, key_id = secrets.fresh(command.kind), new_id()
    subject = Subject("sdk_key", key_id, secret.prefix, environment.project_id, environment.id)
    with change(actor.author, "sdk_key.issue", subject, now=now) as entry:
        models.SdkKey.objects.create(
            id=key_id, environment_id=environment.id, kind=command.kind, name=command.name,
            prefix=secret.prefix, secret_sha256=secret.sha256, created_at=now,
        )  # fmt: skip
        entry.after = {"kind": command.kind, "name": command.name}
        revisions.announce()
    return IssuedKey(reads.sdk_key(key_id), secret.text)


def revoke_sdk_key(actor: Actor, key_id: UUID, *, now: datetime) -> None:
    """Revoke an SDK key; it is refused from now on."""
    key = reads.sdk_key(key_id)
    environment = reads.environment(key.environment_id)
    actor.require(Permission.KEY_MANAGE, environment.project_id)
    subject = Subject("sdk_key", key.id, key.prefix, environment.project_id, environment.id)
    with change(actor.author, "sdk_key.revoke", subject, now=now) as entry:
        entry.before = {"revoked": key.revoked_at is not None}
        models.SdkKey.objects.filter(pk=key_id, revoked_at=None).update(revoked_at=now)
        entry.after = {"revoked": True}
        revisions.announce()


def record_key_uses(key_ids: Collection[UUID], *, now: datetime) -> None:
    """Note that keys were used around now. An observation, not a change: it leaves no audit record."""
    models.SdkKey.objects.filter(pk__in=key_ids).update(last_used_at=now)
