"""The one status badge of an experiment: its words, its tone and its icon."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from equipoise_server.dashboard import words
from equipoise_server.experiments.values import (
    DecisionKind,
    Experiment,
    Iteration,
    Status,
    Verdict,
    VerdictState,
)


class BadgeTone(StrEnum):
    """How loud a badge is; its words say the same."""

    QUIET = "quiet"
    ACTIVE = "active"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Badge:
    """What an experiment's state is called."""

    label: str
    tone: BadgeTone
    icon: str


DRAFT = Badge("Draft", BadgeTone.QUIET, "flat")
TOO_EARLY = Badge("Too early", BadgeTone.ACTIVE, "clock")
WITHHELD = Badge("Withheld: sample mismatch", BadgeTone.BAD, "lock")
DOUBTED = Badge("Withheld: counted again", BadgeTone.WARN, "lock")
BREACHED = Badge("Guardrail breached", BadgeTone.BAD, "alert")
WINNING = Badge("Ready to decide: winning", BadgeTone.GOOD, "up")
LOSING = Badge("Ready to decide: losing", BadgeTone.BAD, "down")
INCONCLUSIVE = Badge("Ready to decide: inconclusive", BadgeTone.WARN, "flat")
STOPPED = Badge("Stopped", BadgeTone.QUIET, "stop")
SHIPPED = Badge("Shipped", BadgeTone.GOOD, "ship")
NOT_SHIPPED = Badge("Not shipped", BadgeTone.QUIET, "cross")
ARCHIVED = Badge("Archived", BadgeTone.QUIET, "flat")

_ALWAYS = {
    VerdictState.WITHHELD_SRM: WITHHELD,
    VerdictState.WITHHELD_STATE: DOUBTED,
    VerdictState.GUARDRAIL_BREACHED: BREACHED,
    VerdictState.WINNING: WINNING,
    VerdictState.LOSING: LOSING,
}
_AT_THE_END = {
    VerdictState.INCONCLUSIVE: INCONCLUSIVE,
    VerdictState.GUARDRAIL_UNCLEAR: INCONCLUSIVE,
}
_EARLY = frozenset({VerdictState.TOO_EARLY, VerdictState.NO_DATA})


def badge_of(experiment: Experiment, now: datetime) -> Badge:
    """The badge of an experiment at a time."""
    if experiment.status is Status.ARCHIVED:
        return ARCHIVED
    if experiment.status is Status.DECIDED:
        shipped = experiment.decision is not None and experiment.decision.kind is DecisionKind.SHIP
        return SHIPPED if shipped else NOT_SHIPPED
    iteration = experiment.iteration
    if iteration is None or experiment.status not in {Status.RUNNING, Status.STOPPED}:
        return DRAFT
    if experiment.status is Status.STOPPED:
        return _found(experiment.verdict, is_over=True) or STOPPED
    return _running(experiment.verdict, iteration, now)


def needs_decision(badge: Badge) -> bool:
    """Whether the badge asks a person to decide."""
    return badge in {WINNING, LOSING, INCONCLUSIVE}


def _running(verdict: Verdict | None, iteration: Iteration, now: datetime) -> Badge:
    found = _found(verdict, is_over=iteration.is_over(now))
    if found is not None:
        return found
    if verdict is None or verdict.state in _EARLY:
        return TOO_EARLY
    return _days_left(iteration, now)


def _found(verdict: Verdict | None, *, is_over: bool) -> Badge | None:
    if verdict is None:
        return None
    found = _ALWAYS.get(verdict.state)
    return _AT_THE_END.get(verdict.state) if found is None and is_over else found


def _days_left(iteration: Iteration, now: datetime) -> Badge:
    days = days_left(iteration, now)
    if days is None:
        return Badge("Running", BadgeTone.ACTIVE, "clock")
    return Badge(f"{words.counted(days, 'day')} left", BadgeTone.ACTIVE, "clock")


def days_left(iteration: Iteration, now: datetime) -> int | None:
    """Days until the planned end, rounded up; None without one."""
    if iteration.planned_end_at is None:
        return None
    return max(0, math.ceil((iteration.planned_end_at - now) / timedelta(days=1)))
