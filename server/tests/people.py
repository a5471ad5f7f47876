"""The cast of the server's tests: who they are and what they may do, made by real actions."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from equipoise_server.access.actions import (
    CreateProject,
    CreateUser,
    GrantRole,
    create_project,
    create_user,
    grant_role,
)
from equipoise_server.access.reads import actor_of_user
from equipoise_server.access.values import Actor, Project, Role
from equipoise_server.audit.values import Author

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
OPERATOR = Author("machine", "operator", "operator")
PASSWORD = "long enough to pass"


def a_person(email: str, *, may_create_projects: bool = False, now: datetime = NOW) -> Actor:
    """Somebody with an account and no role yet."""
    name = email.partition("@")[0].capitalize()
    return actor_of_user(
        create_user(OPERATOR, CreateUser(email, name, PASSWORD, may_create_projects), now=now)
    )


def an_admin(email: str = "ada@example.com", *, now: datetime = NOW) -> Actor:
    """Somebody who may create projects and becomes their admin."""
    return a_person(email, may_create_projects=True, now=now)


def a_project(owner: Actor, key: str = "shop", *, now: datetime = NOW) -> tuple[Actor, Project]:
    """A new project, and its owner with the permissions they have now."""
    project = create_project(owner, CreateProject(key, key.capitalize(), ("user", "account")), now=now)
    return actor_of_user(UUID(owner.author.id)), project


def a_member(
    owner: Actor, project: Project, role: Role, email: str | None = None, *, now: datetime = NOW
) -> Actor:
    """Somebody with a role in the project."""
    person = a_person(email or f"{role}-{project.key}@example.com", now=now)
    grant_role(owner, GrantRole(project.id, email or f"{role}-{project.key}@example.com", role), now=now)
    return actor_of_user(UUID(person.author.id))


def an_outsider(*, now: datetime = NOW) -> Actor:
    """Somebody with an account who has no role in any project."""
    return a_person("olga@example.com", now=now)
