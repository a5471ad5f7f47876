"""How fresh a report is: its age, the refresh under way, and why the last one failed."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from equipoise_server.analysis.freshness_values import (
    REFRESH,
    Freshness,
    RefreshFailure,
    Refreshing,
    RefreshState,
)
from equipoise_server.jobs import reads as jobs
from equipoise_server.jobs.values import Job, JobState


def freshness_of(iteration_id: UUID, *, computed_at: datetime | None, now: datetime) -> Freshness:
    """Of one iteration's report."""
    slot = jobs.slot(REFRESH, str(iteration_id), now=now)
    age = None if computed_at is None else max(now - computed_at, timedelta())
    return Freshness(age, _refreshing(slot.newest), _failure(slot.last_failure, slot.newest))


def _refreshing(newest: Job | None) -> Refreshing:
    if newest is None or newest.finished_at is not None:
        return Refreshing(RefreshState.IDLE)
    is_running = newest.state is JobState.RUNNING
    return Refreshing(
        RefreshState.RUNNING if is_running else RefreshState.QUEUED,
        newest.id,
        newest.progress,
        newest.started_at if is_running else None,
        newest.expected_end_at,
    )


def _failure(failed: Job | None, newest: Job | None) -> RefreshFailure | None:
    if failed is None or failed.failed_at is None:
        return None
    is_open = newest is not None and newest.finished_at is None
    return RefreshFailure(
        failed.failed_at, failed.problems, failed.attempts,
        newest.due_at if is_open and newest is not None else None, failed.id,
    )  # fmt: skip
