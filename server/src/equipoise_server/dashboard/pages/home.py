"""Home: what needs me, what runs, what happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from equipoise_server.dashboard.badges import BREACHED, STOPPED, WITHHELD, Badge, badge_of, needs_decision
from equipoise_server.dashboard.pages.activity import ActivityLine
from equipoise_server.dashboard.pages.experiments import ExperimentRow, experiment_row
from equipoise_server.experiments.values import Experiment, Holdout, Status
from equipoise_server.flags.values import Flag


@dataclass(frozen=True, slots=True)
class Need:
    """One experiment that waits for a person; `kind` picks the words."""

    kind: str
    row: ExperimentRow


@dataclass(frozen=True, slots=True)
class FirstStep:
    """One step of the first hour, done or not."""

    key: str
    is_done: bool


@dataclass(frozen=True, slots=True)
class HomePage:
    """The page a person starts from."""

    needs: tuple[Need, ...]
    running: tuple[ExperimentRow, ...]
    killed_groups: tuple[str, ...]
    """Their names."""
    killed_flags: tuple[str, ...]
    environment_killed_at: datetime | None
    recent: tuple[ActivityLine, ...]
    overdue_holdouts: tuple[tuple[str, str], ...]
    """(key, name) of those whose season should have ended."""
    first_steps: tuple[FirstStep, ...]
    """Empty once an experiment has started."""


_ORDER = ("locked", "breached", "decide", "stopped", "paused", "draft")


def needs_of(experiments: Sequence[Experiment], now: datetime) -> tuple[Need, ...]:
    """Everything that waits for a person, the most urgent first."""
    needs = [
        Need(kind, experiment_row(one, now))
        for one in experiments
        if (kind := _kind(one, badge_of(one, now))) is not None
    ]
    return tuple(sorted(needs, key=lambda need: _ORDER.index(need.kind)))


def running_of(experiments: Sequence[Experiment], now: datetime) -> tuple[ExperimentRow, ...]:
    """What runs now."""
    return tuple(experiment_row(one, now) for one in experiments if one.status is Status.RUNNING)


def killed_in(flags: Sequence[Flag], environment: str) -> tuple[str, ...]:
    """The flags that are killed in an environment."""
    return tuple(flag.key for flag in flags if flag.settings[environment].is_killed)


def overdue_holdouts(holdouts: Sequence[Holdout], now: datetime) -> tuple[tuple[str, str], ...]:
    """The open holdouts whose season should have ended."""
    return tuple((one.key, one.name) for one in holdouts if one.is_open and now >= one.season.ends_at)


def first_steps(
    *, flags: int, metrics: int, keys: int, experiments: Sequence[Experiment]
) -> tuple[FirstStep, ...]:
    """What a new project still has to do; nothing once an experiment has started."""
    if any(one.iterations for one in experiments):
        return ()
    return (
        FirstStep("flag", flags > 0),
        FirstStep("key", keys > 0),
        FirstStep("metric", metrics > 0),
        FirstStep("experiment", len(experiments) > 0),
    )


def _is_ramp_paused(experiment: Experiment) -> bool:
    return experiment.iteration is not None and experiment.iteration.ramp_paused_at is not None


def _kind(experiment: Experiment, badge: Badge) -> str | None:
    if badge == WITHHELD:
        return "locked"
    if badge == BREACHED:
        return "breached"
    if needs_decision(badge):
        return "decide"
    if badge == STOPPED:
        return "stopped"
    if experiment.status is Status.RUNNING and _is_ramp_paused(experiment):
        return "paused"
    return "draft" if experiment.status is Status.DRAFT else None
