"""How a run goes over time: the steps of its ramp, the schedule of a switchback, and what was killed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from markupsafe import Markup

from equipoise_server.dashboard import words
from equipoise_server.dashboard.charts import Canvas, schedule_grid
from equipoise_server.dashboard.pages.figures import Figure, Table
from equipoise_server.dashboard.pages.health_checks import CheckLine
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.values import Design, Iteration, Schedule, Spillover, StopCause

_WIDE, _NARROW = Canvas(980, 200), Canvas(340, 200)
SPILLOVERS = {
    Spillover.NOT_SAID: "not said whether variants can reach each other",
    Spillover.NONE: "variants do not reach each other",
    Spillover.SUPPLY: "units share a supply",
    Spillover.SOCIAL: "units reach each other",
}


@dataclass(frozen=True, slots=True)
class RampLine:
    """One step of a ramp: when, how wide, and whether it was taken."""

    share: str
    when: str
    is_done: bool


@dataclass(frozen=True, slots=True)
class RampPanel:
    """The ramp of a run or of a draft."""

    lines: tuple[RampLine, ...]
    paused_at: datetime | None
    may_pause: bool
    may_resume: bool
    held_since: datetime | None = None
    """Since when a due step waits for health checks; `note` says for which."""
    note: str = ""
    checks: tuple[CheckLine, ...] = ()


@dataclass(frozen=True, slots=True)
class SchedulePanel:
    """The schedule of a switchback and how balanced it is."""

    figure: Figure
    regions: int
    windows: int
    starts_at: datetime
    ends_at: datetime
    burn_in: str
    balance: str
    key: str
    """Which variant a filled cell stands for."""


def ramp_panel(
    design: Design,
    iteration: Iteration | None,
    *,
    now: datetime,
    may_pause: bool,
    may_resume: bool,
    checks: tuple[CheckLine, ...] = (),
) -> RampPanel | None:
    """The steps with their times, and the health checks that hold them; None without a ramp."""
    if not design.ramp:
        return None
    first = RampLine(
        words.percent(design.audience_parts_per_million / 1_000_000), "at the launch", iteration is not None
    )
    lines = [first]
    for step in design.ramp:
        share = words.percent(step.parts_per_million / 1_000_000)
        if iteration is None:
            when = f"{words.span(timedelta(hours=step.after_hours))} after the launch"
            lines.append(RampLine(share, when, is_done=False))
        else:
            done = iteration.gate_parts_per_million >= step.parts_per_million
            lines.append(RampLine(share, _when(iteration, experiments.due_at(iteration, step), now), done))
    is_running = iteration is not None and iteration.stopped_at is None
    paused_at = iteration.ramp_paused_at if iteration is not None else None
    return RampPanel(
        tuple(lines),
        paused_at if is_running else None,
        may_pause=is_running and may_pause and paused_at is None and not lines[-1].is_done,
        may_resume=is_running and may_resume and paused_at is not None,
        held_since=iteration.ramp_held_since if iteration is not None and is_running else None,
        note="" if iteration is None else iteration.ramp_note,
        checks=checks,
    )


def _when(iteration: Iteration, due_at: datetime, now: datetime) -> str:
    if iteration.ramp_paused_at is not None and due_at > iteration.ramp_paused_at:
        return "after the pause"
    if iteration.ramp_held_since is not None and due_at > iteration.ramp_held_since:
        return "after the hold"
    return words.moment(due_at) if abs(now - due_at) < timedelta(days=365) else words.day(due_at)


def schedule_panel(iteration: Iteration | None) -> SchedulePanel | None:
    """The schedule as a grid; None when the run is no switchback."""
    if iteration is None or iteration.schedule is None:
        return None
    schedule, design = iteration.schedule, iteration.design
    _, digit = experiments.arm_digits(design)
    shares = experiments.treated_share_by_hour(schedule, digit)
    least, most = min(shares.values()), max(shares.values())
    treatment = next(arm for arm in design.arms if arm.key != design.control)
    control = next(arm for arm in design.arms if arm.key == design.control)
    title = f"When each region has “{treatment.name or treatment.key}”"

    def draw(canvas: Canvas) -> Markup:
        return schedule_grid(
            schedule.rows, canvas, title=title, digit=digit, starts_at=schedule.starts_at, days=schedule.days
        )

    return SchedulePanel(
        figure=Figure(title, draw(_WIDE), draw(_NARROW), table=_schedule_table(schedule, digit)),
        regions=len(schedule.rows),
        windows=schedule.windows,
        starts_at=schedule.starts_at,
        ends_at=schedule.ends_at,
        burn_in=words.span(timedelta(seconds=schedule.burn_in_seconds)) if schedule.burn_in_seconds else "",
        balance=_balance_words(least, most),
        key=f"Filled: {treatment.name or treatment.key}; empty: {control.name or control.key}.",
    )


def _balance_words(least: float, most: float) -> str:
    if least == most:
        return f"In every hour of the week the treatment has {words.percent(least)} of all windows."
    return (
        f"In every hour of the week the treatment has {words.percent(least)} to {words.percent(most)} of all "
        "windows."
    )


def _schedule_table(schedule: Schedule, digit: str) -> Table:
    rows = tuple(
        (region, str(row.count(digit)), str(len(row) - row.count(digit)), _switches(row))
        for region, row in schedule.rows.items()
    )
    return Table(("Region", "Windows with the treatment", "with the control", "Switches"), rows)


def _switches(row: str) -> str:
    return str(sum(one != other for one, other in pairwise(row)))


def was_ended_by_a_kill(iteration: Iteration | None) -> bool:
    """Whether a kill ended the run."""
    return iteration is not None and iteration.stop_cause is StopCause.KILL


def randomised_words(design: Design) -> str:
    """What is shuffled, in words."""
    if design.exposures is not None:
        return f"{design.unit_type}, assigned outside"
    if design.switchback is not None:
        window = words.span(timedelta(minutes=design.switchback.window_minutes))
        return f"{design.unit_type}, switched every {window} by a schedule"
    if design.cluster_type:
        count = "" if design.cluster_count is None else f", about {words.whole(design.cluster_count)} of them"
        return f"{design.cluster_type} (clusters{count}); every {design.unit_type} is exposed"
    return design.unit_type
