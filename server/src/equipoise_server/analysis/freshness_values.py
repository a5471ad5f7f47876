"""How fresh a report is, as doors see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from equipoise_server.foundation.refusals import Problem
from equipoise_server.jobs.values import Progress

REFRESH = "analysis.refresh"
"""The kind of job that makes one iteration's report again."""


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
