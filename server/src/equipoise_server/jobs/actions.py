"""What people do about jobs: cancel one that takes too long, try again one that failed. Both are audited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from equipoise_server.access.values import Actor, Permission
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Subject
from equipoise_server.foundation import due_kinds, due_work
from equipoise_server.foundation.due_work import WorkDetails
from equipoise_server.foundation.models import DueWork
from equipoise_server.foundation.refusals import Conflict, Forbidden, Problem
from equipoise_server.jobs.reads import found_row, job
from equipoise_server.jobs.rows import state_of
from equipoise_server.jobs.values import OPEN, Job, JobState


@dataclass(frozen=True, slots=True)
class CancelJob:
    """Stop a job at its next step, or take it off the table; the project is where it was found."""

    job_id: int
    project_id: UUID
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RetryJob:
    """Try a failed job again now, with all its attempts before it."""

    job_id: int
    project_id: UUID
    reason: str = ""


def cancel(actor: Actor, command: CancelJob, *, now: datetime) -> Job:
    """Let a job end without its effect. What it made before, such as the last good report, stays."""
    row = _managed(actor, command.job_id, command.project_id)
    _refuse_unless_cancellable(row, now)
    with change(actor.author, "job.cancel", _subject(row), now=now, reason=command.reason) as entry:
        held = DueWork.objects.select_for_update().get(pk=row.pk)
        _refuse_unless_cancellable(held, now)
        entry.before = {"job": held.kind, "state": str(state_of(held, now=now))}
        if held.leased_by:
            DueWork.objects.filter(pk=held.pk).update(cancel_asked_at=now)
        else:
            due_work.take_off(held.pk, now=now)
    return job(command.job_id, command.project_id, now=now)


def retry(actor: Actor, command: RetryJob, *, now: datetime) -> Job:
    """Make a failed job due now. The job that will be done is the answer."""
    row = _managed(actor, command.job_id, command.project_id)
    state = state_of(row, now=now)
    if state not in {JobState.FAILED, JobState.RETRYING}:
        told = f"This job is {state}; only one that failed can be tried again."
        raise Conflict(Problem("job", told))
    with change(actor.author, "job.retry", _subject(row), now=now, reason=command.reason) as entry:
        entry.before = {"job": row.kind, "attempts": row.attempts, "reason": row.last_error[:200]}
        due_work.schedule(
            row.kind, row.key, due_at=now, payload=row.payload,
            details=WorkDetails(row.project_id, row.label, row.holds), is_asked=True,
        )  # fmt: skip
        again = DueWork.objects.get(kind=row.kind, key=row.key, finished_at=None)
    return job(again.pk, command.project_id, now=now)


def _managed(actor: Actor, job_id: int, project_id: UUID) -> DueWork:
    """The job's row, if the actor may manage it: of the installation's, only those who make projects may."""
    row = found_row(job_id, project_id)
    if row.project_id is not None:
        actor.require(Permission.JOB_MANAGE, row.project_id)
    elif not actor.may_create_projects:
        told = "This job is the whole installation's; ask somebody who may create projects."
        raise Forbidden(Problem("job", told))
    return row


def _refuse_unless_cancellable(row: DueWork, now: datetime) -> None:
    kind, state = due_kinds.kind_of(row.kind), state_of(row, now=now)
    if state not in OPEN:
        raise Conflict(Problem("job", f"This job is {state}; there is nothing to cancel any more."))
    if not kind.can_cancel:
        told = f"“{kind.title}” cannot be cancelled: others rely on it. Pause or stop what it belongs to."
        raise Conflict(Problem("job", told))


def _subject(row: DueWork) -> Subject:
    return Subject("job", UUID(int=row.pk), row.label or row.kind, row.project_id)
