"""One piece of due work as doors show it: its state, how far it is, why it failed and what may be done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from equipoise_server.foundation.costs import Cost
from equipoise_server.foundation.refusals import Problem


class JobState(StrEnum):
    """Where a job stands."""

    SCHEDULED = "scheduled"
    """Its time has not come."""
    QUEUED = "queued"
    """Due, and no worker has taken it yet."""
    RUNNING = "running"
    RETRYING = "retrying"
    """It failed, and is tried again by itself."""
    FAILED = "failed"
    """Given up after many attempts; nobody tries again unless asked."""
    DONE = "done"
    CANCELLED = "cancelled"


OPEN = frozenset({JobState.SCHEDULED, JobState.QUEUED, JobState.RUNNING, JobState.RETRYING})


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running job is: `done` of `of` steps, and what it has read so far."""

    phase: str
    done: int
    of: int
    rows_read: int
    bytes_read: int


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of due work. Without a project it is the installation's."""

    id: int
    kind: str
    key: str
    """What repeats has one kind and one key."""
    title: str
    label: str
    """What it is about, such as an experiment's key."""
    project_id: UUID | None
    state: JobState
    due_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expected_end_at: datetime | None
    """While it runs: if it takes as long as the last time."""
    attempts: int
    most_attempts: int
    failed_at: datetime | None
    problems: tuple[Problem, ...]
    """Why the last attempt failed."""
    progress: Progress | None
    cost: Cost | None
    is_stopping: bool
    """Somebody asked it to stop, and it has not yet."""
    can_cancel: bool
    can_retry: bool

    @property
    def took(self) -> timedelta | None:
        """How long the last attempt took; None before it has ended."""
        if self.started_at is None or self.finished_at is None:
            return None
        return max(self.finished_at - self.started_at, timedelta())


@dataclass(frozen=True, slots=True)
class Slot:
    """What repeats under one key: the job that is open or was the last, and the last that went well."""

    newest: Job | None
    last_done: Job | None
    last_failure: Job | None
    """The open job that is tried again, or the one that was given up; None once it has gone well since."""
