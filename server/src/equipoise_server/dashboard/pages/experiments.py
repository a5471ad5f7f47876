"""The list of experiments: one row each with its badge, sentence and days left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from equipoise_server.dashboard.badges import Badge, badge_of, days_left, needs_decision
from equipoise_server.experiments.values import Experiment, Status


class Show(StrEnum):
    """The filters of the list."""

    CURRENT = "current"
    DRAFT = "draft"
    RUNNING = "running"
    DECIDE = "decide"
    DECIDED = "decided"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class ExperimentRow:
    """One experiment in a list."""

    key: str
    name: str
    owner: str
    badge: Badge
    sentence: str
    is_draft: bool
    started_at: datetime | None
    days_left: int | None
    progress: int | None


@dataclass(frozen=True, slots=True)
class ExperimentsPage:
    """The list as filtered, and how many each filter would show."""

    show: Show
    search: str
    counts: dict[Show, int]
    rows: tuple[ExperimentRow, ...]
    is_empty: bool


def experiments_page(
    experiments: Sequence[Experiment], *, show: Show, search: str, now: datetime
) -> ExperimentsPage:
    """The list under a filter and a search text."""
    shown = [one for one in experiments if _belongs(one, show, now) and _matches(one, search)]
    return ExperimentsPage(
        show=show,
        search=search,
        counts={each: sum(_belongs(one, each, now) for one in experiments) for each in Show},
        rows=tuple(experiment_row(one, now) for one in shown),
        is_empty=not experiments,
    )


def experiment_row(experiment: Experiment, now: datetime) -> ExperimentRow:
    """One experiment's row."""
    iteration, verdict = experiment.iteration, experiment.verdict
    is_running = experiment.status is Status.RUNNING and iteration is not None
    progress = None
    if is_running and iteration is not None and iteration.planned_end_at is not None:
        whole = iteration.planned_end_at - iteration.started_at
        progress = round(100 * min(max((now - iteration.started_at) / whole, 0.0), 1.0))
    sentence = verdict.sentence if verdict is not None and iteration is not None else ""
    return ExperimentRow(
        key=experiment.key,
        name=experiment.name,
        owner=experiment.owner,
        badge=badge_of(experiment, now),
        sentence=sentence or experiment.design.hypothesis,
        is_draft=experiment.status is Status.DRAFT,
        started_at=iteration.started_at if iteration else None,
        days_left=days_left(iteration, now) if is_running and iteration else None,
        progress=progress,
    )


def _belongs(experiment: Experiment, show: Show, now: datetime) -> bool:
    match show:
        case Show.CURRENT:
            return experiment.status not in {Status.ARCHIVED, Status.DECIDED}
        case Show.DRAFT:
            return experiment.status is Status.DRAFT
        case Show.RUNNING:
            return experiment.status is Status.RUNNING
        case Show.DECIDE:
            return experiment.status is Status.STOPPED or needs_decision(badge_of(experiment, now))
        case Show.DECIDED:
            return experiment.status is Status.DECIDED
        case Show.ARCHIVED:
            return experiment.status is Status.ARCHIVED


def _matches(experiment: Experiment, search: str) -> bool:
    sought = search.strip().lower()
    texts = (experiment.key, experiment.name, experiment.owner, experiment.design.hypothesis)
    return not sought or any(sought in text.lower() for text in texts)
