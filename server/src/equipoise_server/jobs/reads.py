"""Questions about jobs: those of a project, one of them, and the newest of what repeats under one key."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from equipoise_server.foundation import due_work
from equipoise_server.foundation.models import DueWork
from equipoise_server.foundation.refusals import NotFound, Problem
from equipoise_server.foundation.worker_beats import Workers, workers
from equipoise_server.jobs.rows import job_of
from equipoise_server.jobs.values import Job, JobState, Slot

__all__ = ["Workers", "job", "jobs_of", "slot", "slots", "workers"]

MOST_LISTED = 200


def jobs_of(
    project_id: UUID, *, now: datetime, state: JobState | None = None, most: int = MOST_LISTED
) -> tuple[Job, ...]:
    """The jobs of a project and those of the installation: open ones first, then what ended last.

    What was given up and is tried again, or went well since, is not told any more.
    """
    mine = DueWork.objects.filter(Q(project_id=project_id) | Q(project_id=None))
    newest_first = mine.exclude(finished_at=None).order_by("-finished_at", "-id")
    open_ones = list(mine.filter(finished_at=None).order_by("-leased_until", "due_at", "id")[:most])
    failed = newest_first.filter(_stands_failed())[:most]
    well = newest_first.exclude(outcome=due_work.FAILED)
    # Apart: what the installation does every few seconds would crowd out everything else.
    ended = [*well.filter(project_id=project_id)[:most], *well.filter(project_id=None)[:most]]
    found = _jobs([*open_ones, *failed, *ended], now=now)
    return tuple(one for one in found if state is None or one.state is state)


def job(job_id: int, project_id: UUID, *, now: datetime) -> Job:
    """One job of a project or of the installation."""
    return _jobs([found_row(job_id, project_id)], now=now)[0]


def found_row(job_id: int, project_id: UUID) -> DueWork:
    """Its row, or NotFound: what other projects do is not told."""
    mine = Q(project_id=project_id) | Q(project_id=None)
    row = DueWork.objects.filter(mine, pk=job_id).first()
    if row is None:
        told = f"There is no job {job_id} in this project; what was done is kept for a week."
        raise NotFound(Problem("job", told))
    return row


def slot(kind: str, key: str, *, now: datetime) -> Slot:
    """What repeats under one key."""
    return slots(kind, (key,), now=now)[key]


def slots(kind: str, keys: Iterable[str], *, now: datetime) -> dict[str, Slot]:
    """What repeats under several keys, in one query."""
    wanted = tuple(keys)
    rows: dict[str, list[DueWork]] = {key: [] for key in wanted}
    for row in DueWork.objects.filter(kind=kind, key__in=wanted).order_by("-id"):
        rows[row.key].append(row)
    return {key: _slot(found, now) for key, found in rows.items()}


def _slot(rows: list[DueWork], now: datetime) -> Slot:
    """Rows of one key, newest first."""
    done = next((row for row in rows if row.finished_at is not None and not _ended_badly(row)), None)
    newer = rows if done is None else rows[: rows.index(done)]
    failed = next((row for row in newer if row.failed_at is not None), None)
    usual = _took(done)
    told = {row.pk: job_of(row, now=now, usual=usual) for row in (*rows[:1], done, failed) if row is not None}
    return Slot(
        newest=told[rows[0].pk] if rows else None,
        last_done=None if done is None else told[done.pk],
        last_failure=None if failed is None else told[failed.pk],
    )


def _jobs(rows: list[DueWork], *, now: datetime) -> tuple[Job, ...]:
    """The rows as jobs; running ones with the end that the last time lets expect."""
    running = [row for row in rows if row.finished_at is None and row.leased_by]
    usual: dict[tuple[str, str], timedelta | None] = {}
    if running:
        same = Q()
        for row in running:
            same |= Q(kind=row.kind, key=row.key)
        for row in DueWork.objects.filter(same, finished_at__isnull=False).order_by("finished_at"):
            if not _ended_badly(row):
                usual[row.kind, row.key] = _took(row)
    return tuple(job_of(row, now=now, usual=usual.get((row.kind, row.key))) for row in rows)


def _ended_badly(row: DueWork) -> bool:
    return row.outcome in {due_work.FAILED, due_work.CANCELLED}


def _took(row: DueWork | None) -> timedelta | None:
    if row is None or row.started_at is None or row.finished_at is None:
        return None
    return max(row.finished_at - row.started_at, timedelta())


def _stands_failed() -> Q:
    """Given up, and neither tried again nor done since."""
    later: QuerySet[DueWork] = DueWork.objects.filter(
        kind=OuterRef("kind"), key=OuterRef("key"), pk__gt=OuterRef("pk")
    )
    return Q(outcome=due_work.FAILED) & ~Q(Exists(later))
