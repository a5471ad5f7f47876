"""Shares of rollouts: changed at once, or raised by a schedule."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Field, Router, Schema, Status
from pydantic import AwareDatetime

from equipoise_server.api.authentication import actor_of
from equipoise_server.api.flags import SETTINGS, settings_named
from equipoise_server.api.projects import Reason
from equipoise_server.api.reading import Strict, etag, expected_version
from equipoise_server.api.shapes import FlagSettingsShape
from equipoise_server.flags import actions
from equipoise_server.flags import reads as flags
from equipoise_server.flags.values import FlagSettings, Ramp, RampState, RampStep
from equipoise_server.foundation.refusals import NotFound, Problem

router = Router(tags=["rollouts"])
RAMPS = SETTINGS + "/ramps"


class Share(Strict):
    """A new share for a rollout, or for one ring of it."""

    rule: str
    ring: str = ""
    parts_per_million: int
    reason: str = ""
    expected_version: int | None = Field(None, description="Unless If-Match is sent.")


class StepBody(Strict):
    """A share and the time from which it holds."""

    at: AwareDatetime
    parts_per_million: int


class NewRamp(Strict):
    """A schedule of rising shares."""

    rule: str
    ring: str = ""
    steps: list[StepBody]
    reason: str = ""


class StepShape(Schema):
    """A share and the time from which it holds."""

    at: datetime
    parts_per_million: int


class RampShape(Schema):
    """A schedule; `done_count` steps are taken, `note` says why it is held, was paused or ended early."""

    id: UUID
    rule_id: str
    ring_id: str
    steps: list[StepShape]
    done_count: int
    state: RampState
    note: str
    held_since: datetime | None


@router.post(SETTINGS + "/share", response=FlagSettingsShape)
def set_rollout_share(
    request: HttpRequest, response: HttpResponse, project: str, flag: str, environment: str, *, body: Share
) -> FlagSettings:
    """Change the share of a rollout at once. Lowering it pauses its schedule."""
    found, settings = settings_named(request, project, flag, environment)
    version = expected_version(request, body.expected_version)
    command = actions.SetRolloutShare(
        found.id, settings.environment_id, body.rule, body.parts_per_million, version, body.reason, body.ring
    )
    edited = actions.set_rollout_share(actor_of(request), command, now=timezone.now())
    changed = edited.settings[environment]
    response["ETag"] = etag(changed.version)
    return changed


@router.get(RAMPS, response=list[RampShape])
def list_rollout_ramps(request: HttpRequest, project: str, flag: str, environment: str) -> tuple[Ramp, ...]:
    """The schedules of a flag's rollouts in an environment, the newest first."""
    found, settings = settings_named(request, project, flag, environment)
    return flags.ramps_of(found.id, settings.environment_id)


@router.post(RAMPS, response={201: RampShape})
def schedule_rollout_ramp(
    request: HttpRequest, project: str, flag: str, environment: str, body: NewRamp
) -> Status[Ramp]:
    """Let the share of a rollout rise at set times, each step a revision."""
    found, settings = settings_named(request, project, flag, environment)
    steps = tuple(RampStep(step.at, step.parts_per_million) for step in body.steps)
    command = actions.ScheduleRamp(
        found.id, settings.environment_id, body.rule, steps, body.ring, body.reason
    )
    return Status(201, actions.schedule_ramp(actor_of(request), command, now=timezone.now()))


@router.post(RAMPS + "/{ramp}/pause", response=RampShape)
def pause_rollout_ramp(
    request: HttpRequest, project: str, flag: str, environment: str, ramp: UUID, *, body: Reason
) -> Ramp:
    """Take no further step until the schedule is resumed."""
    _refuse_unknown(request, project, flag, environment, ramp)
    return actions.pause_ramp(actor_of(request), actions.ChangeRamp(ramp, body.reason), now=timezone.now())


@router.post(RAMPS + "/{ramp}/resume", response=RampShape)
def resume_rollout_ramp(
    request: HttpRequest, project: str, flag: str, environment: str, ramp: UUID, *, body: Reason
) -> Ramp:
    """Go on; what was still to come is later by the length of the pause."""
    _refuse_unknown(request, project, flag, environment, ramp)
    return actions.resume_ramp(actor_of(request), actions.ChangeRamp(ramp, body.reason), now=timezone.now())


@router.post(RAMPS + "/{ramp}/end", response=RampShape)
def end_rollout_ramp(
    request: HttpRequest, project: str, flag: str, environment: str, ramp: UUID, *, body: Reason
) -> Ramp:
    """Forget the steps to come; the share stays where it is."""
    _refuse_unknown(request, project, flag, environment, ramp)
    return actions.end_ramp(actor_of(request), actions.ChangeRamp(ramp, body.reason), now=timezone.now())


def _refuse_unknown(request: HttpRequest, project: str, flag: str, environment: str, ramp: UUID) -> None:
    found, settings = settings_named(request, project, flag, environment)
    if all(known.id != ramp for known in flags.ramps_of(found.id, settings.environment_id)):
        raise NotFound(Problem("ramp", "The flag has no such schedule in this environment."))
