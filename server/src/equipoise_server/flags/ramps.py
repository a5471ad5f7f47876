"""Ramp schedules: the share of a rollout rises at set times, by due work that writes revisions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from equipoise_server.access.values import Actor, Permission
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Author, Subject
from equipoise_server.flags import models
from equipoise_server.flags.checks import PARTS
from equipoise_server.flags.pins import pins_problem
from equipoise_server.flags.promotion import waits_for
from equipoise_server.flags.ramp_rows import (
    found_ramp,
    later_steps,
    ramp_value,
    steps_from_json,
    steps_to_json,
)
from equipoise_server.flags.rollouts import found_share, write_share
from equipoise_server.flags.rows import found_flag, found_settings
from equipoise_server.flags.values import Ramp, RampState, RampStep
from equipoise_server.foundation.due_work import WorkDetails, schedule
from equipoise_server.foundation.ids import new_id
from equipoise_server.foundation.refusals import Conflict, Invalid, NotFound, Problem, Refusal, refuse_all

MOST_STEPS = 50
LOOK_AGAIN = timedelta(seconds=15)
RAMP_SCHEDULE = Author("automation", "ramp schedule", "ramp schedule")


@dataclass(frozen=True, slots=True)
class ScheduleRamp:
    """Let the share of a rollout, or of one of its rings, rise at these times."""

    flag_id: UUID
    environment_id: UUID
    rule_id: str
    steps: tuple[RampStep, ...]
    ring_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ChangeRamp:
    """Pause a schedule, resume it, or end it."""

    ramp_id: UUID
    reason: str = ""


def schedule_ramp(actor: Actor, command: ScheduleRamp, *, now: datetime) -> Ramp:
    """Plan the steps; each is taken when its time has come."""
    flag = found_flag(command.flag_id)
    actor.require(Permission.FLAG_EDIT, flag.project_id)
    row = found_settings(flag, command.environment_id)
    share = found_share(flag, row, command.rule_id, command.ring_id)
    refuse_all(Invalid, [*_steps_problems(command.steps, share, now)])
    place = {"environment_id": row.environment_id, "rule_id": command.rule_id, "ring_id": command.ring_id}
    if models.Ramp.objects.filter(flag=flag, ended_at=None, **place).exists():
        raise Conflict(Problem("rule_id", "This share has a schedule already; end it first."))
    ramp_id, steps = new_id(), steps_to_json(command.steps)
    subject = Subject("flag", flag.pk, flag.key, flag.project_id, row.environment_id)
    with change(actor.author, "flag.schedule_ramp", subject, now=now, reason=command.reason) as entry:
        made = models.Ramp.objects.create(
            id=ramp_id, flag=flag, steps=steps, created_at=now, from_parts_per_million=share, **place
        )
        entry.after = {"rule": command.rule_id, "ring": command.ring_id, "steps": steps}
        _plan_next(made)
    return ramp_value(made)


def _steps_problems(steps: tuple[RampStep, ...], share: int, now: datetime) -> Iterator[Problem]:
    if not 1 <= len(steps) <= MOST_STEPS:
        yield Problem("steps", f"A schedule has 1 to {MOST_STEPS} steps.")
    if steps and steps[0].at <= now:
        yield Problem("steps.0.at", "The first step lies in the past; choose a later time.")
    if steps and steps[0].parts_per_million <= share:
        told = f"The share is {share / 10_000:g} % now; the first step must be more."
        yield Problem("steps.0.parts_per_million", told)
    if any(step.parts_per_million > PARTS for step in steps):
        yield Problem("steps", "A share goes up to 100 % (1,000,000).")
    for place, (one, other) in enumerate(pairwise(steps), 1):
        if other.at <= one.at:
            yield Problem(f"steps.{place}.at", "Each step comes after the one before.")
        if other.parts_per_million <= one.parts_per_million:
            yield Problem(
                f"steps.{place}.parts_per_million", "A schedule only rises; lower the share by hand."
            )


def pause_ramp(actor: Actor, command: ChangeRamp, *, now: datetime) -> Ramp:
    """Take no further step until it is resumed."""
    row = _changeable(actor, command)
    if row.paused_at is None:
        held_for = timedelta() if row.held_since is None else now - row.held_since
        _record(
            actor.author, row, "flag.pause_ramp", now=now, reason=command.reason, paused_at=now,
            held_since=None, steps=later_steps(row, held_for),
        )  # fmt: skip
    return ramp_value(found_ramp(row.pk))


def resume_ramp(actor: Actor, command: ChangeRamp, *, now: datetime) -> Ramp:
    """Go on; what was still to come is later by the length of the pause."""
    row = _changeable(actor, command)
    if row.paused_at is not None:
        _record(
            actor.author, row, "flag.resume_ramp", now=now, reason=command.reason, paused_at=None, note="",
            steps=later_steps(row, now - row.paused_at),
        )  # fmt: skip
        _plan_next(found_ramp(row.pk))
    return ramp_value(found_ramp(row.pk))


def end_ramp(actor: Actor, command: ChangeRamp, *, now: datetime) -> Ramp:
    """Forget the steps to come; the share stays where it is."""
    row = _changeable(actor, command)
    _record(actor.author, row, "flag.end_ramp", now=now, reason=command.reason, ended_at=now)
    return ramp_value(found_ramp(row.pk))


def roll_back_ramp(actor: Actor, command: ChangeRamp, *, now: datetime) -> Ramp:
    """Put the share back to where it was before the schedule, and end that; who may kill may do this.

    Refused while a running experiment holds the flag still: its rules cannot change then.
    """
    row = found_ramp(command.ramp_id)
    actor.require(Permission.FLAG_KILL, row.flag.project_id)
    if row.ended_at is not None:
        raise Conflict(Problem("", "This schedule is over; lower the share by hand."))
    settings = found_settings(row.flag, row.environment_id)
    before = found_share(row.flag, settings, row.rule_id, row.ring_id)
    held = pins_problem(row.flag, row.environment_id, "The share cannot change")
    refuse_all(Conflict, [] if held is None else [held])
    start = before if row.from_parts_per_million is None else row.from_parts_per_million
    after = min(before, start)
    place = {"rule": row.rule_id, "ring": row.ring_id}
    with change(actor.author, "flag.roll_back", _subject(row), now=now, reason=command.reason) as entry:
        entry.before = {**place, "parts_per_million": before}
        entry.after = {**place, "parts_per_million": after}
        models.Ramp.objects.filter(pk=row.pk).update(ended_at=now, note=command.reason)
        if after != before:
            write_share(settings, (row.rule_id, row.ring_id), after, settings.version)
            # Back is always allowed: like a kill, this revision is served without being vetted.
            entry.kills(row.environment_id, row.flag.key)
    return ramp_value(found_ramp(row.pk))


def take_due_steps(ramp_id: UUID, *, now: datetime) -> None:
    """Raise the share to the last step whose time has come, once every health check of the flag passes.

    Doing it again does nothing more.
    """
    row = models.Ramp.objects.filter(pk=ramp_id, ended_at=None, paused_at=None).first()
    if row is None:
        return
    steps = steps_from_json(row.steps)
    due = [place for place, step in enumerate(steps) if step.at <= now and place >= row.done_count]
    if not due:
        _plan_next(row)
        return
    refused = _why_not(row)
    if refused is not None:
        ending = {"ended_at": now} if isinstance(refused, NotFound) else {"paused_at": now}
        note = "; ".join(problem.message for problem in refused.problems)
        _record(RAMP_SCHEDULE, row, "flag.pause_ramp", now=now, reason=note, note=note, **ending)
        return
    waits = waits_for(row.flag_id, row.environment_id, now)
    if waits:
        _hold(row, " ".join(waits), now)
    elif row.held_since is not None:
        _go_on(row, now)
    else:
        _take(row, steps, due[-1], now)


def _hold(row: models.Ramp, why: str, now: datetime) -> None:
    """Let a due step wait; it is looked at again soon. Said once in the audit, and anew on the page."""
    if row.held_since is None:
        _record(RAMP_SCHEDULE, row, "flag.hold_ramp", now=now, reason=why, note=why, held_since=now)
    elif row.note != why:
        models.Ramp.objects.filter(pk=row.pk, held_since=row.held_since).update(note=why)
    _plan(row, "held", now + LOOK_AGAIN)


def _go_on(row: models.Ramp, now: datetime) -> None:
    """Take the step that waited, and those after it later by as long as it did."""
    assert row.held_since is not None
    _record(
        RAMP_SCHEDULE, row, "flag.release_ramp", now=now, reason="Every health check passes.", note="",
        steps=later_steps(row, now - row.held_since), held_since=None,
    )  # fmt: skip
    take_due_steps(row.pk, now=now)


def _take(row: models.Ramp, steps: tuple[RampStep, ...], place: int, now: datetime) -> None:
    settings = found_settings(row.flag, row.environment_id)
    before = found_share(row.flag, settings, row.rule_id, row.ring_id)
    after = max(before, steps[place].parts_per_million)
    is_last = place + 1 == len(steps)
    with change(RAMP_SCHEDULE, "flag.ramp", _subject(row), now=now) as entry:
        entry.before = {"rule": row.rule_id, "ring": row.ring_id, "parts_per_million": before}
        entry.after = {"rule": row.rule_id, "ring": row.ring_id, "parts_per_million": after}
        held = models.Ramp.objects.filter(pk=row.pk, done_count=row.done_count, paused_at=None, ended_at=None)
        if not held.update(done_count=place + 1, ended_at=now if is_last else None):
            raise Conflict(Problem("", "Somebody changed the schedule meanwhile."))
        if after != before:
            write_share(settings, (row.rule_id, row.ring_id), after, settings.version)
            entry.touches(row.environment_id, row.flag.key)
        if not is_last:
            _plan_next(found_ramp(row.pk))


def _why_not(row: models.Ramp) -> Refusal | None:
    """What keeps the schedule from going on."""
    if row.flag.archived_at is not None:
        return NotFound(Problem("", "The flag is archived."))
    settings = found_settings(row.flag, row.environment_id)
    try:
        found_share(row.flag, settings, row.rule_id, row.ring_id)
    except NotFound as gone:
        return gone
    if _is_killed(settings):
        return Conflict(Problem("", "The flag is killed. Resume the schedule once it is back on."))
    held = pins_problem(row.flag, row.environment_id, "The share cannot rise")
    return None if held is None else Conflict(held)


def _is_killed(settings: models.FlagSettings) -> bool:
    """Whether everybody is off now: who takes the kill back expects the share that there was."""
    place = {"environment_id": settings.environment_id}
    return (
        settings.killed_at is not None
        or models.EnvironmentKill.objects.filter(**place).exists()
        or models.GroupKill.objects.filter(group__flags=settings.flag_id, **place).exists()
    )


def _changeable(actor: Actor, command: ChangeRamp) -> models.Ramp:
    row = found_ramp(command.ramp_id)
    actor.require(Permission.FLAG_EDIT, row.flag.project_id)
    if ramp_value(row).state is RampState.ENDED:
        raise Conflict(Problem("", "This schedule is over; make a new one."))
    return row


def _record(
    author: Author, row: models.Ramp, action: str, *, now: datetime, reason: str, **columns: object
) -> None:
    """Change a schedule; no client's payload changes."""
    with change(author, action, _subject(row), now=now, reason=reason) as entry:
        entry.after = {"rule": row.rule_id, "ring": row.ring_id}
        models.Ramp.objects.filter(pk=row.pk).update(**columns)


def _plan_next(row: models.Ramp) -> None:
    upcoming = ramp_value(row).next_step
    if upcoming is not None:
        _plan(row, upcoming.at.isoformat(), upcoming.at)


def _plan(row: models.Ramp, slot: str, due_at: datetime) -> None:
    schedule(
        "flag.ramp", f"{row.pk}:{slot}", due_at=due_at, payload={"ramp_id": str(row.pk)},
        details=WorkDetails(row.flag.project_id, row.flag.key),
    )  # fmt: skip


def _subject(row: models.Ramp) -> Subject:
    return Subject("flag", row.flag.pk, row.flag.key, row.flag.project_id, row.environment_id)
