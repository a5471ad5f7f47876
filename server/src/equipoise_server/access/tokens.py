"""Management tokens: made for a person, perhaps with less than their role, and revoked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from equipoise_server.access import models, reads, secrets
from equipoise_server.access.values import Actor, IssuedToken, Permission, Role
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Subject
from equipoise_server.foundation.ids import new_id
from equipoise_server.foundation.refusals import Forbidden, Invalid, NotFound, Problem, refuse_all
from equipoise_server.foundation.texts import LONGEST_NAME, text_problems

LONGEST_TOKEN_LIFE = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class IssueToken:
    """A token for oneself that can do in one project what a role can, and nothing elsewhere."""

    project_id: UUID
    name: str
    role: Role
    life: timedelta


def issue_token(actor: Actor, command: IssueToken, *, now: datetime) -> IssuedToken:
    """Make a token; its secret is in the answer and nowhere else. It never exceeds its person."""
    actor.require(Permission.PROJECT_READ, command.project_id)
    if actor.author.kind != "person":
        raise Forbidden(Problem("", "Only people make tokens; sign in."))
    problems = [*text_problems(LONGEST_NAME, name=command.name)]
    if not command.name.strip():
        problems.append(Problem("name", "Say what will use the token."))
    if not timedelta(0) < command.life <= LONGEST_TOKEN_LIFE:
        problems.append(Problem("life", "A token lives at most 90 days."))
    if command.role not in reads.roles_within(actor, command.project_id):
        problems.append(Problem("role", f"You are no {command.role} yourself; choose a role that you have."))
    refuse_all(Invalid, problems)
    secret, token_id = secrets.fresh("api"), new_id()
    subject = Subject("api_token", token_id, secret.prefix, command.project_id)
    with change(actor.author, "api_token.issue", subject, now=now) as entry:
        models.ApiToken.objects.create(
            id=token_id, user_id=UUID(actor.author.id), name=command.name, prefix=secret.prefix,
            secret_sha256=secret.sha256, created_at=now, expires_at=now + command.life,
            project_id=command.project_id, role=command.role,
        )  # fmt: skip
        entry.after = {
            "name": command.name,
            "role": command.role,
            "expires_at": (now + command.life).isoformat(),
        }
    return IssuedToken(reads.api_token(token_id), secret.text)


def revoke_token(actor: Actor, token_id: UUID, *, now: datetime) -> None:
    """Revoke one's own token, or one of a project whose members one manages."""
    token = reads.api_token(token_id)
    is_own = str(token.user_id) == actor.author.id
    if not is_own:
        if token.project_id is None or not actor.may(Permission.PROJECT_READ, token.project_id):
            raise NotFound(Problem("token", "There is no such token."))
        actor.require(Permission.MEMBER_GRANT, token.project_id)
    subject = Subject("api_token", token.id, token.prefix, token.project_id)
    with change(actor.author, "api_token.revoke", subject, now=now) as entry:
        entry.before = {"revoked": token.revoked_at is not None}
        models.ApiToken.objects.filter(pk=token_id, revoked_at=None).update(revoked_at=now)
        entry.after = {"revoked": True}


def issue_api_token(user_id: UUID, name: str, *, life: timedelta, now: datetime) -> str:
    """Make a management token for a person, who can do with it what they can do themselves."""
    if not name.strip() or not timedelta(0) < life <= LONGEST_TOKEN_LIFE:
        raise Invalid(Problem("name", "Give the token a name and a life of at most 90 days."))
    refuse_all(Invalid, list(text_problems(LONGEST_NAME, name=name)))
    author = reads.author_of_user(user_id)
    secret, token_id = secrets.fresh("api"), new_id()
    with change(author, "api_token.issue", Subject("api_token", token_id, secret.prefix), now=now) as entry:
        models.ApiToken.objects.create(
            id=token_id, user_id=user_id, name=name, prefix=secret.prefix, secret_sha256=secret.sha256,
            created_at=now, expires_at=now + life,
        )  # fmt: skip
        entry.after = {"name": name, "expires_at": (now + life).isoformat()}
    return secret.text
