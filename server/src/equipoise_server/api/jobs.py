"""Jobs: due work as it waits, runs, fails and ends; cancel, retry and run now; and whether a worker lives."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema

from equipoise_server.analysis.actions import AskRefresh, ask_refresh
from equipoise_server.analysis.reads import newest_refresh
from equipoise_server.api.authentication import actor_of
from equipoise_server.api.experiments import EXPERIMENT
from equipoise_server.api.job_shapes import JobShape
from equipoise_server.api.reading import Page, PageQuery, Strict, page_of, project_of
from equipoise_server.experiments import reads as experiments
from equipoise_server.jobs import actions
from equipoise_server.jobs import reads as jobs
from equipoise_server.jobs.values import Job, JobState

router = Router(tags=["jobs"])
MOST_DIGITS = 18


class WorkerShape(Schema):
    """Whether due work is done at all; down after a minute without a heart beat."""

    is_down: bool
    alive: int
    last_seen_at: datetime | None


class JobReason(Strict):
    """Why; it is kept in the audit record."""

    reason: str = ""


@router.get("/projects/{project}/jobs", response=Page[JobShape])
def list_jobs(
    request: HttpRequest, project: str, page: Query[PageQuery], *, state: JobState | None = None
) -> dict[str, object]:
    """The project's jobs and the installation's: the newest first, or only those in one state."""
    found = jobs.jobs_of(project_of(request, project).id, now=timezone.now(), state=state)
    return page_of(found, page, lambda job: f"{10**12 - job.id:013}")


@router.get("/projects/{project}/jobs/{job}", response=JobShape)
def get_job(request: HttpRequest, project: str, job: str) -> Job:
    """One job; what was done is kept for a week."""
    return jobs.job(_number(job), project_of(request, project).id, now=timezone.now())


@router.post("/projects/{project}/jobs/{job}/cancel", response=JobShape)
def cancel_job(request: HttpRequest, project: str, job: str, body: JobReason) -> Job:
    """Stop a job at its next step, or take it off the table. What it made before stays."""
    command = actions.CancelJob(_number(job), project_of(request, project).id, body.reason)
    return actions.cancel(actor_of(request), command, now=timezone.now())


@router.post("/projects/{project}/jobs/{job}/retry", response=JobShape)
def retry_job(request: HttpRequest, project: str, job: str, body: JobReason) -> Job:
    """Try a failed job again now; the job that will be done is the answer."""
    command = actions.RetryJob(_number(job), project_of(request, project).id, body.reason)
    return actions.retry(actor_of(request), command, now=timezone.now())


@router.post(EXPERIMENT + "/refresh", response=JobShape)
def refresh_experiment(request: HttpRequest, project: str, experiment: str, body: JobReason) -> Job:
    """Make the newest iteration's report again as soon as a worker is free. It never adds a look."""
    found = experiments.experiment_by_key(project_of(request, project).id, experiment)
    now = timezone.now()
    ask_refresh(actor_of(request), AskRefresh(found.id, body.reason), now=now)
    return newest_refresh(found, now=now)


@router.get("/projects/{project}/worker", response=WorkerShape)
def get_worker(request: HttpRequest, project: str) -> jobs.Workers:
    """Whether a worker lives. Without one no event is stored, no report renewed and no ramp raised."""
    project_of(request, project)
    return jobs.workers(timezone.now())


def _number(job: str) -> int:
    """The job that an address names; 0, which no job has, for what is no number."""
    return int(job) if job.isascii() and job.isdecimal() and len(job) <= MOST_DIGITS else 0
