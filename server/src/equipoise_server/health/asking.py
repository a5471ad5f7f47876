"""Asks Prometheus on behalf of checks, keeps what was found, and lets people try a plan."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from equipoise_server.access.values import Actor, Permission
from equipoise_server.flags import reads as flags
from equipoise_server.flags.values import Flag
from equipoise_server.foundation import running
from equipoise_server.foundation.refusals import NotFound
from equipoise_server.health import models
from equipoise_server.health.checking import refuse_faulty_plan
from equipoise_server.health.judging import judged, standing_after, unknown
from equipoise_server.health.rows import check_value, finding_to_json, standing_columns
from equipoise_server.health.values import Finding, HealthCheck, Plan, Why
from equipoise_server.sources import reads as sources
from equipoise_server.sources.values import Connection

KEPT_RESULTS = 500
ARCHIVED_REST = timedelta(hours=1)


def try_plan(actor: Actor, flag: Flag, plan: Plan, *, now: datetime) -> Finding:
    """What a plan would find now. Nothing is kept, and nothing follows."""
    actor.require(Permission.FLAG_EDIT, flag.project_id)
    refuse_faulty_plan(flag, plan)
    return _found(flag.project_id, plan, now)


def ask_due(project_id: UUID, connection: str, *, now: datetime) -> None:
    """Ask about every check of a connection that is due. One that cannot be reached is asked once."""
    rows = models.HealthCheck.objects.filter(
        project_id=project_id, plan__connection=connection, next_at__lte=now
    )
    away: Finding | None = None
    for check in map(check_value, rows.order_by("next_at", "pk")):
        if flags.flag(check.flag_id).archived_at is not None:
            models.HealthCheck.objects.filter(pk=check.id).update(next_at=now + ARCHIVED_REST)
            continue
        finding = away or _found(project_id, check.plan, now)
        _keep(check, finding, now=now)
        if finding.why is Why.UNREACHABLE:
            away = finding
        elif finding.why is Why.TIMED_OUT:
            return  # the rest stays due and goes first in the next round


def take_on(check: HealthCheck, *, now: datetime) -> bool:
    """Whether a row of failures is the caller's to act on, once. Called inside the transaction that acts."""
    held = models.HealthCheck.objects.filter(
        pk=check.id, edition=check.edition, acted_at=None, failures__gte=check.plan.failures
    )
    return held.update(acted_at=now) == 1


def _found(project_id: UUID, plan: Plan, now: datetime) -> Finding:
    try:
        connection = sources.connection_by_key(project_id, plan.connection)
    except NotFound as gone:
        return unknown(Why.NOT_ALLOWED, gone.problems[0].message)
    return look(connection, plan, now=now)


def look(connection: Connection, plan: Plan, *, now: datetime) -> Finding:
    """Ask once and judge; a fault is a finding, too."""
    window = None if plan.window_seconds is None else timedelta(seconds=plan.window_seconds)
    try:
        answer = sources.ask(connection, sources.Asked(plan.query, now, window))
        samples = (
            sources.ask(connection, sources.Asked(plan.sample_query, now))
            if plan.sample_query.strip()
            else None
        )
    except sources.NotAnswered as fault:
        return unknown(Why(fault.fault), fault.told)
    return judged(plan, answer, samples)


def _keep(check: HealthCheck, finding: Finding, *, now: datetime) -> None:
    """Keep a look, unless the check was changed or deleted while Prometheus was asked."""
    with transaction.atomic():
        running.fence()
        row = (
            models.HealthCheck.objects.select_for_update().filter(pk=check.id, edition=check.edition).first()
        )
        if row is None:
            return
        standing = standing_after(check_value(row), finding, now=now)
        next_at = now + timedelta(seconds=check.plan.interval_seconds)
        models.HealthCheck.objects.filter(pk=row.pk).update(next_at=next_at, **standing_columns(standing))
        models.HealthResult.objects.create(check_of=row, at=now, finding=finding_to_json(finding))
        newest = models.HealthResult.objects.filter(check_of=row).order_by("-at", "-pk")
        surplus = list(newest.values_list("pk", flat=True)[KEPT_RESULTS:])
        models.HealthResult.objects.filter(pk__in=surplus).delete()
