"""Rollouts as pages show them: rings, shares and schedules, and the form of a schedule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from equipoise_server.dashboard import conditions
from equipoise_server.dashboard.forms import Form, Reader, filled
from equipoise_server.flags.values import Flag, Ramp, RampState, RampStep, Ring, Rollout
from equipoise_server.foundation.refusals import Problem

STEP_LINES = 8
_USUAL_STEPS = ((1, 5), (25, 25), (49, 50), (73, 100))
"""Hours from now, and percent."""
_TYPED_TIME = "%Y-%m-%dT%H:%M"


@dataclass(frozen=True, slots=True)
class RampStepLine:
    """One step of a schedule."""

    at: datetime
    share: str
    is_done: bool


@dataclass(frozen=True, slots=True)
class RampLine:
    """A schedule that is not over."""

    id: str
    state: RampState
    steps: tuple[RampStepLine, ...]
    note: str


@dataclass(frozen=True, slots=True)
class ShareLine:
    """A share of a rollout: the whole rollout's, or one ring's."""

    ring: str
    who: str
    share: str
    percent: str
    ramp: RampLine | None


@dataclass(frozen=True, slots=True)
class RampPage:
    """The form of a schedule."""

    flag: Flag
    rule: str
    ring: str
    share: str
    form: Form
    step_count: int = STEP_LINES


def share_lines(rollout: Rollout, rule_id: str, ramps: Sequence[Ramp]) -> tuple[ShareLine, ...]:
    """The shares of a rollout, one for each ring."""
    open_ramps = {
        ramp.ring_id: ramp for ramp in ramps if ramp.rule_id == rule_id and ramp.state is not RampState.ENDED
    }
    whole = Ring("", rollout.parts_per_million)
    return tuple(_share_line(ring, open_ramps.get(ring.id)) for ring in rollout.rings or (whole,))


def _share_line(ring: Ring, ramp: Ramp | None) -> ShareLine:
    return ShareLine(
        ring=ring.id,
        who=conditions.sentence(ring.eligibility),
        share=percent_text(ring.parts_per_million),
        percent=f"{ring.parts_per_million / 10_000:g}",
        ramp=None if ramp is None else _ramp_line(ramp),
    )


def _ramp_line(ramp: Ramp) -> RampLine:
    steps = tuple(
        RampStepLine(step.at, percent_text(step.parts_per_million), place < ramp.done_count)
        for place, step in enumerate(ramp.steps)
    )
    return RampLine(str(ramp.id), ramp.state, steps, ramp.note)


def percent_text(parts_per_million: int) -> str:
    """A share as people read it."""
    return f"{parts_per_million / 10_000:g}\u00a0%"


def usual_steps(share: int, now: datetime) -> Form:
    """A schedule over three days, from what is served now."""
    start = (now.astimezone(UTC) + timedelta(minutes=59)).replace(minute=0, second=0, microsecond=0)
    steps = [(hours, percent) for hours, percent in _USUAL_STEPS if percent * 10_000 > share]
    texts: dict[str, str] = {}
    for place, (hours, percent) in enumerate(steps):
        at = start + timedelta(hours=hours)
        texts |= {f"step.{place}.at": at.strftime(_TYPED_TIME), f"step.{place}.share": str(percent)}
    return filled(texts)


def read_steps(reader: Reader) -> tuple[RampStep, ...]:
    """The filled lines; times are UTC."""
    steps: list[RampStep] = []
    for place in range(STEP_LINES):
        typed = reader.form.text(f"step.{place}.at").strip()
        share = reader.percent(f"step.{place}.share", "The share")
        if not typed and share is None:
            continue
        try:
            at = datetime.strptime(typed[:16], _TYPED_TIME).replace(tzinfo=UTC)
        except ValueError:
            told = "Write the time as 2026-03-05T09:00, in UTC."
            reader.problems.append(Problem(f"steps.{len(steps)}.at", told))
            at = datetime.max.replace(tzinfo=UTC)
        steps.append(RampStep(at, round((share or 0.0) * 1_000_000)))
    return tuple(steps)
