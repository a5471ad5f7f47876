"""The jobs page: whether a worker lives, what failed and why, what runs, what waits, and what was done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from equipoise_server.analysis.values import REFRESH
from equipoise_server.dashboard import words
from equipoise_server.dashboard.badges import BadgeTone
from equipoise_server.foundation.costs import Cost
from equipoise_server.foundation.refusals import Problem
from equipoise_server.foundation.worker_beats import Workers
from equipoise_server.jobs.values import Job, JobState, Progress

MOST_SHOWN = 50
LEAST_SECONDS = 0.1
"""Shorter is not worth a number."""
_KILO = 1000

_STATES: dict[JobState, tuple[str, BadgeTone]] = {
    JobState.SCHEDULED: ("Scheduled", BadgeTone.QUIET),
    JobState.QUEUED: ("Waiting", BadgeTone.QUIET),
    JobState.RUNNING: ("Running", BadgeTone.ACTIVE),
    JobState.RETRYING: ("Tries again", BadgeTone.WARN),
    JobState.FAILED: ("Given up", BadgeTone.BAD),
    JobState.DONE: ("Done", BadgeTone.GOOD),
    JobState.CANCELLED: ("Cancelled", BadgeTone.QUIET),
}


@dataclass(frozen=True, slots=True)
class JobLine:
    """One job, ready to be read."""

    id: int
    title: str
    about: str
    experiment: str
    """Key of the experiment whose page tells more; "" when there is none."""
    is_of_project: bool
    says: str
    tone: BadgeTone
    due_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expected_end_at: datetime | None
    took: str
    cost: str
    attempts: str
    problems: tuple[Problem, ...]
    progress: str
    percent: int | None
    can_cancel: bool
    can_retry: bool
    history: str = ""
    """How long the last few runs took."""


@dataclass(frozen=True, slots=True)
class JobsPage:
    """All jobs of a project and of the installation, by what people want to know of them."""

    workers: Workers
    failed: tuple[JobLine, ...]
    running: tuple[JobLine, ...]
    waiting: tuple[JobLine, ...]
    ended: tuple[JobLine, ...]
    """The newest run of each that repeats, of the project."""
    housekeeping: tuple[JobLine, ...]
    """The same of the installation."""


def jobs_page(found: Sequence[Job], workers: Workers, *, may_manage: Callable[[Job], bool]) -> JobsPage:
    """The page; `may_manage` says whether the person may cancel or retry a job."""
    by_state: dict[JobState, list[JobLine]] = {state: [] for state in JobState}
    for job in found:
        by_state[job.state].append(job_line(job, may_manage=may_manage(job)))
    ended = _newest_each([job for job in found if job.state in {JobState.DONE, JobState.CANCELLED}])
    return JobsPage(
        workers=workers,
        failed=tuple(by_state[JobState.FAILED] + by_state[JobState.RETRYING]),
        running=tuple(by_state[JobState.RUNNING]),
        waiting=tuple(by_state[JobState.QUEUED] + by_state[JobState.SCHEDULED])[:MOST_SHOWN],
        ended=tuple(line for line in ended if line.is_of_project)[:MOST_SHOWN],
        housekeeping=tuple(line for line in ended if not line.is_of_project),
    )


def _newest_each(ended: Sequence[Job]) -> tuple[JobLine, ...]:
    """The newest run of each that repeats, with how long the last few took."""
    runs: dict[tuple[str, str], list[Job]] = {}
    for job in sorted(ended, key=lambda job: job.finished_at or job.due_at, reverse=True):
        runs.setdefault((job.kind, job.key), []).append(job)
    return tuple(
        replace(job_line(each[0], may_manage=False), history=_history(each)) for each in runs.values()
    )


def _history(runs: Sequence[Job]) -> str:
    took = sorted(job.took for job in runs if job.took is not None)
    if len(took) < 2:  # noqa: PLR2004  # one is no history
        return ""
    return f"the last {len(took)}: {took_words(took[0])} to {took_words(took[-1])}"


def job_line(job: Job, *, may_manage: bool) -> JobLine:
    """One job in words."""
    says, tone = _STATES[job.state]
    if job.is_stopping:
        says, tone = "Stopping", BadgeTone.WARN
    return JobLine(
        id=job.id,
        title=job.title,
        about=job.label,
        experiment=job.label if job.kind == REFRESH else "",
        is_of_project=job.project_id is not None,
        says=says,
        tone=tone,
        due_at=job.due_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        expected_end_at=job.expected_end_at,
        took="" if job.took is None else took_words(job.took),
        cost=cost_words(job.cost),
        attempts=f"{job.attempts} of {job.most_attempts}" if job.problems else "",
        problems=job.problems,
        progress=progress_words(job.progress),
        percent=percent_of(job.progress),
        can_cancel=job.can_cancel and may_manage and not job.is_stopping,
        can_retry=job.can_retry and may_manage,
    )


def progress_words(progress: Progress | None) -> str:
    """“checking the guardrails of 5 metrics, step 3 of 5; 1.2 million rows (34 MB) read”."""
    if progress is None or not progress.phase:
        return ""
    step = f", step {progress.done + 1} of {progress.of}" if progress.of else ""
    read = f"; {_rows(progress.rows_read)} ({size(progress.bytes_read)}) read" if progress.rows_read else ""
    return f"{progress.phase}{step}{read}"


def percent_of(progress: Progress | None) -> int | None:
    """How much of the steps is done; None when nobody knows."""
    return round(100 * progress.done / progress.of) if progress is not None and progress.of else None


def cost_words(cost: Cost | None) -> str:
    """“12,300 rows (1.2 MB) read, 0.31 processor seconds”."""
    if cost is None or (not cost.rows_read and cost.cpu_seconds < LEAST_SECONDS):
        return ""
    read = f"{_rows(cost.rows_read)} ({size(cost.bytes_read)}) read, " if cost.rows_read else ""
    return f"{read}{cost.cpu_seconds:.2f}{words.NBSP}processor seconds"


def took_words(took: timedelta) -> str:
    """A duration as precise as it is short: 0.3 s, 12 s, 3 min 20 s, 2 hours."""
    seconds = took.total_seconds()
    if seconds < LEAST_SECONDS:
        return f"under {LEAST_SECONDS}{words.NBSP}s"
    if seconds < 10:  # noqa: PLR2004  # one decimal says something only here
        return f"{seconds:.1f}{words.NBSP}s"
    if seconds < 60:  # noqa: PLR2004  # a minute
        return f"{seconds:.0f}{words.NBSP}s"
    if seconds < 60 * 60:
        return f"{seconds // 60:.0f}{words.NBSP}min {seconds % 60:.0f}{words.NBSP}s"
    return words.span(took)


def size(count: int) -> str:
    """Bytes in the largest unit that fits."""
    value, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < _KILO:
            break
        value, unit = value / _KILO, larger
    return f"{words.plain(value, 3)}{words.NBSP}{unit}"


def _rows(count: int) -> str:
    return words.counted(count, "row")
