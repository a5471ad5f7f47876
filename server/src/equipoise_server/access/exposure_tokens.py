"""What changes an environment's exposure tokens: the rule, and the key that signs them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from equipoise_server.access import models, reads
from equipoise_server.access.values import Actor, Environment, Permission
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Subject
from equipoise_server.foundation.exposure_tokens import LIFE_DAYS, TokenRule
from equipoise_server.foundation.refusals import Conflict, Problem

_KEY_BYTES = 32
GOOD_AFTER_ROTATION = timedelta(days=LIFE_DAYS + 1)


@dataclass(frozen=True, slots=True)
class SetExposureTokens:
    """Whether answers carry tokens, and whether exposures from client keys need one."""

    environment_id: UUID
    rule: TokenRule
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RotateTokenKey:
    """Sign with a new key. What the key before signed stays good until it expires, unless that has leaked."""

    environment_id: UUID
    has_leaked: bool = False
    reason: str = ""


def set_exposure_tokens(actor: Actor, command: SetExposureTokens, *, now: datetime) -> Environment:
    """Set the rule; the first one that needs a key makes it. Asking for what holds changes nothing."""
    environment = reads.environment(command.environment_id)
    actor.require(Permission.PROJECT_EDIT, environment.project_id)
    if environment.exposure_tokens is command.rule:
        return environment
    with change(
        actor.author, "exposure_tokens.set", _subject(environment), now=now, reason=command.reason
    ) as entry:
        entry.before = {"rule": environment.exposure_tokens}
        models.Environment.objects.filter(pk=environment.id).update(exposure_tokens=command.rule)
        if command.rule is not TokenRule.OFF and not reads.token_keys(environment.id):
            _make_key(environment, 1, now)
        entry.after = {"rule": command.rule}
        entry.touches(environment.id)
    return reads.environment(environment.id)


def rotate_token_key(actor: Actor, command: RotateTokenKey, *, now: datetime) -> None:
    """Replace the key that signs. Of a key that has leaked, no token is good any more."""
    environment = reads.environment(command.environment_id)
    actor.require(Permission.KEY_MANAGE, environment.project_id)
    keys = reads.token_keys(environment.id)
    if not keys:
        told = "The environment has no key yet: it gets one when its answers begin to carry tokens."
        raise Conflict(Problem("rule", told))
    with change(
        actor.author, "exposure_tokens.rotate", _subject(environment), now=now, reason=command.reason
    ) as entry:
        rows = models.ExposureTokenKey.objects.filter(environment_id=environment.id)
        (rows if command.has_leaked else rows.filter(until__lte=now)).delete()
        rows.filter(until=None).update(until=now + GOOD_AFTER_ROTATION)
        _make_key(environment, keys[0].id + 1, now)
        entry.before = {"key": keys[0].id}
        entry.after = {"key": keys[0].id + 1, "has_leaked": command.has_leaked}
        entry.touches(environment.id)


def _make_key(environment: Environment, number: int, now: datetime) -> None:
    models.ExposureTokenKey.objects.create(
        environment_id=environment.id, number=number, secret=secrets.token_hex(_KEY_BYTES), made_at=now
    )


def _subject(environment: Environment) -> Subject:
    return Subject("environment", environment.id, environment.key, environment.project_id, environment.id)
