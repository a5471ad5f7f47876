"""Kills: a flag or a whole environment serves off variants at once. Nothing but the permission is needed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from equipoise_server.access import reads as access
from equipoise_server.access.values import Actor, Permission
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Subject
from equipoise_server.flags import models, reads
from equipoise_server.flags.needs import graph_of
from equipoise_server.flags.rows import found_flag, found_settings
from equipoise_server.flags.values import Flag
from equipoise_server.foundation.due_work import WorkDetails, schedule


@dataclass(frozen=True, slots=True)
class KillFlag:
    """Kill a flag in one environment, or take its kill back."""

    flag_id: UUID
    environment_id: UUID
    reason: str = ""


@dataclass(frozen=True, slots=True)
class KillEnvironment:
    """Kill every flag of an environment, or take that back."""

    environment_id: UUID
    reason: str = ""


def kill_flag(actor: Actor, command: KillFlag, *, now: datetime) -> Flag:
    """Serve the off variant from now on; running experiments on the flag are stopped right after."""
    return _set_kill(actor, command, Permission.FLAG_KILL, killed_at=now, now=now)


def unkill_flag(actor: Actor, command: KillFlag, *, now: datetime) -> Flag:
    """Serve by the rules again; a stopped experiment stays stopped."""
    return _set_kill(actor, command, Permission.FLAG_UNKILL, killed_at=None, now=now)


def _set_kill(
    actor: Actor, command: KillFlag, permission: Permission, *, killed_at: datetime | None, now: datetime
) -> Flag:
    flag = found_flag(command.flag_id)
    actor.require(permission, flag.project_id)
    row = found_settings(flag, command.environment_id)
    if (row.killed_at is None) == (killed_at is None):
        return reads.flag(flag.pk)
    action = "flag.unkill" if killed_at is None else "flag.kill"
    subject = Subject("flag", flag.pk, flag.key, flag.project_id, row.environment_id)
    with change(actor.author, action, subject, now=now, reason=command.reason) as entry:
        entry.before, entry.after = {"killed": killed_at is None}, {"killed": killed_at is not None}
        models.FlagSettings.objects.filter(pk=row.pk).update(killed_at=killed_at)
        if killed_at is None:
            entry.touches(row.environment_id, flag.key)
        else:
            entry.kills(row.environment_id, flag.key)
            announce(flag.pk, row.environment_id, now)
            announce_held([flag.key], row.environment_id, now)
    return reads.flag(flag.pk)


def kill_environment(actor: Actor, command: KillEnvironment, *, now: datetime) -> None:
    """Serve the off variant of every flag; running experiments of the environment are stopped right after."""
    environment = access.environment(command.environment_id)
    actor.require(Permission.FLAG_KILL, environment.project_id)
    if reads.environment_kill(environment.id) is not None:
        return
    subject = Subject("environment", environment.id, environment.key, environment.project_id, environment.id)
    with change(actor.author, "environment.kill", subject, now=now, reason=command.reason) as entry:
        entry.before, entry.after = {"killed": False}, {"killed": True}
        models.EnvironmentKill.objects.get_or_create(pk=environment.id, defaults={"killed_at": now})
        entry.kills(environment.id)
        pinned = models.Pin.objects.filter(environment_id=environment.id)
        for flag_id in pinned.values_list("flag_id", flat=True).distinct():
            announce(flag_id, environment.id, now)


def unkill_environment(actor: Actor, command: KillEnvironment, *, now: datetime) -> None:
    """Serve by the flags' own settings again; flags killed one by one stay killed."""
    environment = access.environment(command.environment_id)
    actor.require(Permission.FLAG_UNKILL, environment.project_id)
    if reads.environment_kill(environment.id) is None:
        return
    subject = Subject("environment", environment.id, environment.key, environment.project_id, environment.id)
    with change(actor.author, "environment.unkill", subject, now=now, reason=command.reason) as entry:
        entry.before, entry.after = {"killed": True}, {"killed": False}
        models.EnvironmentKill.objects.filter(pk=environment.id).delete()
        entry.touches(environment.id)


def announce_held(killed: Iterable[str], environment_id: UUID, now: datetime) -> None:
    """Let automation stop what runs on flags that are killed now, or that wait for one which is."""
    silent = graph_of(environment_id).silenced_by(killed)
    held = models.Pin.objects.filter(environment_id=environment_id, flag__key__in=silent)
    for flag_id in held.values_list("flag_id", flat=True).distinct():
        announce(flag_id, environment_id, now)


def announce(flag_id: UUID, environment_id: UUID, now: datetime) -> None:
    """Let automation stop what ran on the flag."""
    payload = {"flag_id": str(flag_id), "environment_id": str(environment_id)}
    project_id, key = models.Flag.objects.values_list("project_id", "key").get(pk=flag_id)
    schedule(
        "flag.killed", f"{flag_id}:{environment_id}", due_at=now, payload=payload,
        details=WorkDetails(project_id, key),
    )  # fmt: skip
