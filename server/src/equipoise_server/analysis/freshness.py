"""How fresh a report is: its age, the refresh under way, and why the last one failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from equipoise_server.analysis.renewing import REFRESH
from equipoise_server.foundation.refusals import Problem
from equipoise_server.jobs import reads as jobs
from equipoise_server.jobs.values import Job, JobState, Progress


class RefreshState(StrEnum):
    """What is done about a report just now."""

    IDLE = "idle"
    QUEUED = "queued"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class RefreshFailure:
    """Why the refresh after the last good report failed; no `next_try_at`: nobody tries by itself soon."""

    at: datetime
    problems: tuple[Problem, ...]
    attempts: int
    next_try_at: datetime | None
    job_id: int


@dataclass(frozen=True, slots=True)
class Refreshing:
    """The refresh that waits or runs."""

    state: RefreshState
    job_id: int | None = None
    progress: Progress | None = None
    started_at: datetime | None = None
    expected_end_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old the last good report is, what is done about it, and what went wrong since."""

    age: timedelta | None
    """None before the first report."""
    refresh: Refreshing
    last_failure: RefreshFailure | None


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
