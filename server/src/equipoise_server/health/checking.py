"""Changes of health checks: made, revised and deleted by people; each goes into the flag's history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from equipoise_server.access import reads as access
from equipoise_server.access.values import Actor, Permission
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Subject
from equipoise_server.flags import reads as flags
from equipoise_server.flags.values import Flag
from equipoise_server.foundation.clashes import refused_if_taken
from equipoise_server.foundation.ids import new_id
from equipoise_server.foundation.refusals import Conflict, Invalid, NotFound, Problem, refuse_all
from equipoise_server.health import models, reads
from equipoise_server.health.check_rules import MOST_CHECKS, Known, check_problems, plan_problems
from equipoise_server.health.rows import plan_to_json, standing_columns
from equipoise_server.health.values import HealthCheck, OnFailure, Plan, Standing
from equipoise_server.sources import reads as sources


@dataclass(frozen=True, slots=True)
class CreateCheck:
    """Watch a flag in an environment."""

    flag_id: UUID
    environment_id: UUID
    key: str
    name: str
    plan: Plan


@dataclass(frozen=True, slots=True)
class ReviseCheck:
    """The whole check as it shall be. `expected_version` is the edition that was read."""

    check_id: UUID
    expected_version: int
    name: str
    plan: Plan


@dataclass(frozen=True, slots=True)
class DeleteCheck:
    """Watch no more."""

    check_id: UUID
    reason: str = ""


def create_check(actor: Actor, command: CreateCheck, *, now: datetime) -> HealthCheck:
    """Add a check; it is asked about at once, and until then ramps wait."""
    flag = _watchable(command.flag_id, command.environment_id)
    refuse_unless_allowed(actor, flag.project_id, command.plan)
    problems = [*check_problems(command.key, command.name, command.plan, known_of(flag))]
    place = {"flag_id": flag.id, "environment_id": command.environment_id}
    if models.HealthCheck.objects.filter(**place).count() >= MOST_CHECKS:
        problems.append(Problem("", f"A flag has at most {MOST_CHECKS} checks in one environment."))
    refuse_all(Invalid, problems)
    taken = Problem("key", f"The flag has a check “{command.key}” here already; choose another key.")
    subject = _subject(flag, command.environment_id)
    check_id = new_id()
    with refused_if_taken(taken), change(actor.author, "health_check.create", subject, now=now) as entry:
        models.HealthCheck.objects.create(
            id=check_id, project_id=flag.project_id, flag_key=flag.key, key=command.key,
            name=command.name.strip(), plan=plan_to_json(command.plan), next_at=now, created_at=now, **place,
            **standing_columns(Standing()),
        )  # fmt: skip
        entry.after = {"check": command.key, **plan_to_json(command.plan)}
    return reads.check(check_id)


def revise_check(actor: Actor, command: ReviseCheck, *, now: datetime) -> HealthCheck:
    """Ask or judge otherwise. Another plan begins anew: what was found by the old one says nothing."""
    held = reads.check(command.check_id)
    flag = flags.flag(held.flag_id)
    refuse_unless_allowed(actor, held.project_id, command.plan)
    refuse_all(Invalid, [*check_problems(held.key, command.name, command.plan, known_of(flag))])
    subject = _subject(flag, held.environment_id)
    with change(actor.author, "health_check.revise", subject, now=now) as entry:
        row = models.HealthCheck.objects.select_for_update().filter(pk=held.id).first()
        if row is None or row.edition != command.expected_version:
            told = f"Somebody changed “{held.key}” meanwhile; read it again, then repeat your change."
            raise Conflict(Problem("expected_version", told))
        entry.before = {"check": row.key, "name": row.name, **row.plan}
        plan = plan_to_json(command.plan)
        anew = {} if plan == row.plan else {"next_at": now, **standing_columns(Standing())}
        models.HealthCheck.objects.filter(pk=row.pk).update(
            name=command.name.strip(), plan=plan, edition=row.edition + 1, **anew
        )
        entry.after = {"check": row.key, "name": command.name.strip(), **plan}
    return reads.check(held.id)


def delete_check(actor: Actor, command: DeleteCheck, *, now: datetime) -> None:
    """Watch no more; its results go, too. What it did stays in the audit."""
    held = reads.check(command.check_id)
    actor.require(Permission.FLAG_EDIT, held.project_id)
    subject = _subject(flags.flag(held.flag_id), held.environment_id)
    with change(actor.author, "health_check.delete", subject, now=now, reason=command.reason) as entry:
        entry.before = {"check": held.key, **plan_to_json(held.plan)}
        models.HealthCheck.objects.filter(pk=held.id).delete()


def refuse_unless_allowed(actor: Actor, project_id: UUID, plan: Plan) -> None:
    """Who lets a check kill or roll back must be allowed to do so."""
    actor.require(Permission.FLAG_EDIT, project_id)
    if plan.on_failure is not OnFailure.HOLD:
        actor.require(Permission.FLAG_KILL, project_id)


def refuse_faulty_plan(flag: Flag, plan: Plan) -> None:
    """Refuse what could not be saved, before it is tried."""
    refuse_all(Invalid, [*plan_problems(plan, known_of(flag))])


def known_of(flag: Flag) -> Known:
    """What plans for a flag are held against."""
    connections = {one.key: one for one in sources.connections_of(flag.project_id)}
    return Known(tuple(variant.key for variant in flag.variants), connections)


def _watchable(flag_id: UUID, environment_id: UUID) -> Flag:
    flag = flags.flag(flag_id)
    if flag.archived_at is not None:
        raise Conflict(Problem("", f"“{flag.key}” is archived; there is nothing to watch any more."))
    if access.environment(environment_id).project_id != flag.project_id:
        raise NotFound(Problem("environment", "There is no such environment."))
    return flag


def _subject(flag: Flag, environment_id: UUID) -> Subject:
    return Subject("flag", flag.id, flag.key, flag.project_id, environment_id)
