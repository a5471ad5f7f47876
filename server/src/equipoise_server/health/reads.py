"""Questions about health checks. Each answers frozen values; none asks a Prometheus."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from equipoise_server.foundation.refusals import NotFound, Problem
from equipoise_server.health import models
from equipoise_server.health.judging import bound_words, values_words
from equipoise_server.health.rows import check_value, result_value
from equipoise_server.health.values import HealthCheck, Reading, Result, State

__all__ = [
    "SHOWN_RESULTS", "bound_words", "breached", "check", "check_by_key", "checks_of", "due_connections",
    "failure_words", "reasons_to_wait", "results_of", "uses_of", "values_words",
]  # fmt: skip

SHOWN_RESULTS = 20


def check(check_id: UUID) -> HealthCheck:
    """The check with this id."""
    row = models.HealthCheck.objects.filter(pk=check_id).first()
    if row is None:
        raise NotFound(Problem("check", "There is no such health check."))
    return check_value(row)


def check_by_key(flag_id: UUID, environment_id: UUID, key: str) -> HealthCheck:
    """The check with this key, of a flag in an environment."""
    row = models.HealthCheck.objects.filter(flag_id=flag_id, environment_id=environment_id, key=key).first()
    if row is None:
        raise NotFound(Problem("check", f"The flag has no health check “{key}” in this environment."))
    return check_value(row)


def checks_of(flag_id: UUID, environment_id: UUID) -> tuple[HealthCheck, ...]:
    """The checks of a flag in an environment, by key."""
    rows = models.HealthCheck.objects.filter(flag_id=flag_id, environment_id=environment_id)
    return tuple(map(check_value, rows.order_by("key")))


def results_of(check_id: UUID, *, limit: int = SHOWN_RESULTS) -> tuple[Result, ...]:
    """The last looks of a check, newest first."""
    rows = models.HealthResult.objects.filter(check_of=check_id).order_by("-at", "-pk")
    return tuple(map(result_value, rows[:limit]))


def reasons_to_wait(flag_ids: Iterable[UUID], environment_id: UUID, *, now: datetime) -> tuple[str, ...]:
    """Why nothing may be promoted on these flags now; empty when every check passes."""
    rows = models.HealthCheck.objects.filter(flag_id__in=tuple(flag_ids), environment_id=environment_id)
    found = map(check_value, rows.order_by("flag_key", "key"))
    return tuple(reason for one in found if (reason := _reason(one, now)))


def breached(project_id: UUID, connection: str) -> tuple[HealthCheck, ...]:
    """The checks over a connection that have failed often enough, and that nobody has acted on."""
    rows = models.HealthCheck.objects.filter(
        project_id=project_id, state=str(State.FAILING), acted_at=None, plan__connection=connection
    )
    return tuple(one for one in map(check_value, rows.order_by("flag_key", "key")) if one.is_breached)


def due_connections(now: datetime) -> tuple[tuple[UUID, str], ...]:
    """(project, connection) of the checks that are to be asked about now."""
    rows = models.HealthCheck.objects.filter(next_at__lte=now).order_by("project_id", "next_at")
    named = ((project_id, plan["connection"]) for project_id, plan in rows.values_list("project_id", "plan"))
    return tuple(dict.fromkeys(named))


def uses_of(project_id: UUID, connection: str) -> tuple[str, ...]:
    """What health checks have over a connection, as people read it."""
    rows = models.HealthCheck.objects.filter(project_id=project_id, plan__connection=connection)
    named = rows.order_by("flag_key", "key").values_list("key", "flag_key")
    return tuple(dict.fromkeys(f"the health check “{key}” of “{flag}”" for key, flag in named))


def _reason(one: HealthCheck, now: datetime) -> str:
    standing = one.standing_at(now)
    if standing.state is State.PASSING:
        return ""
    if standing.state is State.UNKNOWN:
        return f"The health check “{one.key}” is unknown: {standing.told or 'nobody has asked yet.'}"
    return f"The health check “{one.key}” fails: {failure_words(one)}"


def failure_words(one: HealthCheck) -> str:
    """Which variants failed in the last look, and what they should be."""
    last = next(iter(results_of(one.id, limit=1)), None)
    readings = () if last is None else last.finding.readings
    told = ", ".join(_told(reading) for reading in readings if reading.state is State.FAILING)
    return f"{told or 'the last look'}, and it shall be {bound_words(one.plan)}."


def _told(reading: Reading) -> str:
    held = reading.value if reading.compared is None else reading.compared
    shown = "unknown" if held is None else f"{held:.4g}"
    return f"“{reading.variant}” is at {shown}" if reading.variant else f"it is at {shown}"
