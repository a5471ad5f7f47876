"""Jobs and the freshness of reports as the API shows them."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime

from ninja import Schema

from equipoise_server.analysis.values import Freshness, RefreshState, Report
from equipoise_server.api.report_shapes import ReportShape
from equipoise_server.jobs.values import Job, JobState


class CostShape(Schema):
    """Rows and bytes that were read, and seconds of one processor."""

    rows_read: int
    bytes_read: int
    cpu_seconds: float


class ProgressShape(Schema):
    """How far a running job is: `done` of `of` steps, and what it has read so far."""

    phase: str
    done: int
    of: int
    rows_read: int
    bytes_read: int


class JobProblemShape(Schema):
    """One reason of a failure: what it is about, and a sentence with the way out."""

    field: str
    message: str


class JobShape(Schema):
    """One piece of due work. Without a project it is the whole installation's."""

    id: int
    kind: str
    title: str
    label: str
    is_of_project: bool
    state: JobState
    due_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expected_end_at: datetime | None
    attempts: int
    most_attempts: int
    failed_at: datetime | None
    problems: list[JobProblemShape]
    progress: ProgressShape | None
    cost: CostShape | None
    is_stopping: bool
    can_cancel: bool
    can_retry: bool

    @staticmethod
    def resolve_is_of_project(job: Job) -> bool:
        """Whether the job belongs to the project of the address."""
        return job.project_id is not None


class RefreshingShape(Schema):
    """The refresh that waits or runs."""

    state: RefreshState
    job_id: int | None
    progress: ProgressShape | None
    started_at: datetime | None
    expected_end_at: datetime | None


class RefreshFailureShape(Schema):
    """Why the refresh after the last good report failed; null `next_try_at`: nobody tries by itself soon."""

    at: datetime
    problems: list[JobProblemShape]
    attempts: int
    next_try_at: datetime | None
    job_id: int


class FreshReportShape(ReportShape):
    """The last good report, its age, what it took, and what has happened to its refresh since."""

    cost: CostShape | None
    age_seconds: float
    refresh: RefreshingShape
    last_failure: RefreshFailureShape | None


def fresh_report(report: Report, freshness: Freshness) -> dict[str, object]:
    """A report with how fresh it is."""
    told: dict[str, object] = {each.name: getattr(report, each.name) for each in fields(report)}
    age = 0.0 if freshness.age is None else freshness.age.total_seconds()
    return told | {
        "age_seconds": age, "refresh": freshness.refresh, "last_failure": freshness.last_failure,
    }  # fmt: skip
