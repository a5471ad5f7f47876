"""Above the results: how old they are, what is done about it, why the last refresh failed, what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from equipoise_server.analysis.values import Freshness, RefreshState, Report
from equipoise_server.dashboard.pages.jobs import cost_words, percent_of, progress_words
from equipoise_server.foundation.refusals import Problem


@dataclass(frozen=True, slots=True)
class FailureNote:
    """Why the refresh after the last good report failed."""

    at: datetime
    problems: tuple[Problem, ...]
    attempts: int
    next_try_at: datetime | None
    job_id: int


@dataclass(frozen=True, slots=True)
class FreshnessPanel:
    """What stands above the results of the newest run."""

    has_report: bool
    computed_at: datetime | None
    is_running: bool
    is_queued: bool
    progress: str
    percent: int | None
    expected_end_at: datetime | None
    failure: FailureNote | None
    cost: str
    may_refresh: bool


def freshness_panel(report: Report | None, freshness: Freshness, *, may_refresh: bool) -> FreshnessPanel:
    """The panel of a run."""
    refresh, failed = freshness.refresh, freshness.last_failure
    return FreshnessPanel(
        has_report=report is not None,
        computed_at=None if report is None else report.computed_at,
        is_running=refresh.state is RefreshState.RUNNING,
        is_queued=refresh.state is RefreshState.QUEUED and failed is None,
        progress=progress_words(refresh.progress),
        percent=percent_of(refresh.progress),
        expected_end_at=refresh.expected_end_at,
        failure=None
        if failed is None
        else FailureNote(failed.at, failed.problems, failed.attempts, failed.next_try_at, failed.job_id),
        cost="" if report is None else cost_words(report.cost),
        may_refresh=may_refresh,
    )
