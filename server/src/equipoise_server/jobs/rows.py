"""Turns rows of due work into jobs. Knows columns; decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from equipoise_server.foundation import due_kinds, due_work
from equipoise_server.foundation.costs import Cost
from equipoise_server.foundation.models import DueWork
from equipoise_server.foundation.refusals import Problem
from equipoise_server.jobs.values import OPEN, Job, JobState, Progress

_OUTCOMES = {due_work.FAILED: JobState.FAILED, due_work.CANCELLED: JobState.CANCELLED}


def job_of(row: DueWork, *, now: datetime, usual: timedelta | None = None) -> Job:
    """One job; usual: how long it took the last time."""
    kind, state = due_kinds.kind_of(row.kind), state_of(row, now=now)
    is_running = state is JobState.RUNNING
    ends = usual is not None and is_running and row.started_at is not None
    return Job(
        id=row.pk,
        kind=row.kind,
        key=row.key,
        title=kind.title,
        label=row.label,
        project_id=row.project_id,
        state=state,
        due_at=row.due_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        expected_end_at=row.started_at + usual if ends and row.started_at and usual else None,
        attempts=row.attempts,
        most_attempts=due_work.MOST_ATTEMPTS,
        failed_at=row.failed_at,
        problems=tuple(Problem(field, message) for field, message in row.last_problems),
        progress=_progress(row.progress) if is_running else None,
        cost=_cost(row.cost),
        is_stopping=is_running and row.cancel_asked_at is not None,
        can_cancel=kind.can_cancel and state in OPEN,
        can_retry=state in {JobState.FAILED, JobState.RETRYING},
    )


def state_of(row: DueWork, *, now: datetime) -> JobState:
    """Where a row stands."""
    if row.finished_at is not None:
        return _OUTCOMES.get(row.outcome, JobState.DONE)
    if row.leased_by and row.leased_until is not None and row.leased_until >= now:
        return JobState.RUNNING
    if row.failed_at is not None:
        return JobState.RETRYING
    return JobState.QUEUED if row.due_at <= now else JobState.SCHEDULED


def _progress(told: Mapping[str, object] | None) -> Progress | None:
    if not told:
        return None
    return Progress(
        str(told.get("phase", "")), _whole(told, "done"), _whole(told, "of"), _whole(told, "rows_read"),
        _whole(told, "bytes_read"),
    )  # fmt: skip


def _cost(told: Mapping[str, object] | None) -> Cost | None:
    if not told:
        return None
    seconds = told.get("cpu_seconds", 0.0)
    cpu_seconds = float(seconds) if isinstance(seconds, int | float) else 0.0
    return Cost(_whole(told, "rows_read"), _whole(told, "bytes_read"), cpu_seconds)


def _whole(told: Mapping[str, object], name: str) -> int:
    value = told.get(name, 0)
    return value if isinstance(value, int) else 0
