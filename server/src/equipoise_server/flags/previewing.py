"""Links to previews: signed tokens that show chosen variants to one browser (spec/preview-links.md)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from equipoise_server.access import reads as access
from equipoise_server.access.values import Actor, Environment, Permission
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Subject
from equipoise_server.flags import models, reads
from equipoise_server.flags.settings_json import variants_from_json
from equipoise_server.flags.values import PreviewLink
from equipoise_server.foundation.preview_tokens import (
    LONGEST_LIFE_SECONDS,
    LONGEST_TOKEN,
    MOST_OVERRIDES,
    PreviewScope,
    sign,
)
from equipoise_server.foundation.refusals import Invalid, Problem, refuse_all

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class CreatePreviewLink:
    """A token that shows these variants, flag key → variant key, for so long."""

    environment_id: UUID
    overrides: Mapping[str, str]
    life: timedelta
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RevokePreviewLinks:
    """Make every link of an environment void."""

    environment_id: UUID
    reason: str = ""


def create_preview_link(actor: Actor, command: CreatePreviewLink, *, now: datetime) -> PreviewLink:
    """Sign a token; the environment's first one makes its key, which reaches clients with a revision."""
    environment = access.environment(command.environment_id)
    actor.require(Permission.FLAG_EDIT, environment.project_id)
    refuse_all(Invalid, [*_problems(environment, command)])
    expires_at = (now + command.life).replace(microsecond=0)
    with change(
        actor.author, "preview.create", _subject(environment), now=now, reason=command.reason
    ) as entry:
        key, is_fresh = _key(environment, now)
        entry.after = {"overrides": dict(command.overrides), "expires_at": expires_at.isoformat()}
        if is_fresh:
            entry.touches(environment.id)
        project = access.project(environment.project_id)
        scope = PreviewScope(project.key, environment.key, key)
        token = sign(scope, command.overrides, expires=int(expires_at.timestamp()))
        if len(token) > LONGEST_TOKEN:
            told = f"The token would have more than {LONGEST_TOKEN:,} characters; show fewer flags."
            raise Invalid(Problem("overrides", told))
    return PreviewLink(token, expires_at)


def revoke_preview_links(actor: Actor, command: RevokePreviewLinks, *, now: datetime) -> None:
    """Replace the environment's key: no link made before opens anything."""
    environment = access.environment(command.environment_id)
    actor.require(Permission.FLAG_EDIT, environment.project_id)
    if not reads.preview_key(environment.id):
        return
    with change(
        actor.author, "preview.revoke", _subject(environment), now=now, reason=command.reason
    ) as entry:
        models.PreviewKey.objects.filter(pk=environment.id).update(key=_fresh_key(), created_at=now)
        entry.after = {"revoked": True}
        entry.touches(environment.id)


def _problems(environment: Environment, command: CreatePreviewLink) -> Iterator[Problem]:
    if not timedelta(seconds=1) <= command.life <= timedelta(seconds=LONGEST_LIFE_SECONDS):
        yield Problem("life", "A link lives at most 30 days.")
    if not 1 <= len(command.overrides) <= MOST_OVERRIDES:
        yield Problem("overrides", f"Choose a variant of 1 to {MOST_OVERRIDES} flags.")
    rows = models.Flag.objects.filter(
        project_id=environment.project_id, key__in=command.overrides.keys(), archived_at=None
    )
    known = {row.key: [variant.key for variant in variants_from_json(row.variants)] for row in rows}
    for flag, variant in command.overrides.items():
        if flag not in known:
            yield Problem(f"overrides.{flag}", f"There is no flag “{flag}” in this project.")
        elif variant not in known[flag]:
            told = f"The flag “{flag}” has no variant “{variant}”; it has: {', '.join(known[flag])}."
            yield Problem(f"overrides.{flag}", told)


def _key(environment: Environment, now: datetime) -> tuple[str, bool]:
    row, is_fresh = models.PreviewKey.objects.get_or_create(
        environment_id=environment.id, defaults={"key": _fresh_key(), "created_at": now}
    )
    return row.key, is_fresh


def _fresh_key() -> str:
    return secrets.token_hex(KEY_BYTES)


def _subject(environment: Environment) -> Subject:
    return Subject("environment", environment.id, environment.key, environment.project_id, environment.id)
