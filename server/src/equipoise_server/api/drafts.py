"""Drafts before they start: who would get what, what one unit would get and why, and what is held back."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema
from pydantic import AwareDatetime

from equipoise_server.access.values import Environment
from equipoise_server.analysis import reads as analysis
from equipoise_server.api.reading import environment_of, project_of
from equipoise_server.api.snapshots import ContextBody, ExplanationShape, explanation_of
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.values import Experiment, MetricRole
from equipoise_server.flags import reads as flags
from equipoise_server.foundation.refusals import Invalid, Problem
from equipoise_server.metrics import reads as metrics
from equipoise_server.snapshots import reads as snapshots

router = Router(tags=["experiments"])
PREVIEW = "/projects/{project}/experiments/{experiment}/preview/{environment}"


class DraftContext(ContextBody):
    """One unit, with the attributes and the time that it would come with."""

    now: AwareDatetime | None = None


class CoveringShape(Schema):
    """What a holdout will do to a flag at the launch: the baseline of held units, or why nothing."""

    holdout_key: str
    flag_key: str
    baseline: str
    reason: str


class DraftPreviewShape(Schema):
    """Shares of the arms among made-up eligible units; `missing` says what the draft lacks for it."""

    units: int
    arms: dict[str, int]
    held: int
    elsewhere: int
    outside: int
    missing: list[str]
    holdouts: list[CoveringShape]


class AudienceShape(Schema):
    """Units of the draft's type that were exposed to anything in the last 14 days, and the eligible of them.

    `units_per_day` is null when it is not known; `reason` says why.
    """

    units_per_day: float | None
    units: int
    eligible: int
    days: float
    reason: str


class WeekShape(Schema):
    """The smallest relative lift that so many weeks can find, and the windows of all regions in them."""

    week: int
    windows: int
    mde_relative: float | None


class SwitchbackPowerShape(Schema):
    """What the planned days of a switchback can find. `mde_relative` is null when unknown; `reason` says why.

    `days_needed` is for the draft's `mde_relative`, if it has one. `past_days` were read.
    """

    mde_relative: float | None
    days_needed: int | None
    by_week: list[WeekShape]
    past_days: int
    reason: str


class FlagExplanation(ExplanationShape):
    """What the unit would get of one flag."""

    flag: str


@router.get(PREVIEW, response=DraftPreviewShape)
def preview_draft(request: HttpRequest, project: str, experiment: str, environment: str) -> dict[str, object]:
    """Who would get what if the draft were launched now: the shares of 5,000 made-up eligible units."""
    found, place = _found(request, project, experiment, environment)
    shares = snapshots.draft_shares(found, place, now=timezone.now())
    return {
        "units": shares.units, "arms": dict(shares.arms), "held": shares.held,
        "elsewhere": shares.elsewhere, "outside": shares.outside, "missing": list(shares.missing),
        "holdouts": list(experiments.coverings(found, place)),
    }  # fmt: skip


@router.post(PREVIEW + "/explain", response=list[FlagExplanation])
def explain_draft(
    request: HttpRequest, project: str, experiment: str, environment: str, body: DraftContext
) -> list[dict[str, object]]:
    """What one unit would get of each flag if the draft were launched now, step by step."""
    found, place = _found(request, project, experiment, environment)
    context: dict[str, object] = {"units": body.units, "attributes": body.attributes}
    if body.now is not None:
        context["now"] = body.now.isoformat()
    answers = snapshots.explain_draft(found, place, context, now=timezone.now())
    return [{"flag": answer.flag_key, **explanation_of(answer.decision, answer.steps)} for answer in answers]


@router.get(PREVIEW + "/audience", response=AudienceShape)
def size_of_audience(request: HttpRequest, project: str, experiment: str, environment: str) -> object:
    """How many eligible units a day the draft would meet, by the exposures of the last 14 days."""
    found, place = _found(request, project, experiment, environment)
    design, segments = found.design, flags.conditions_of(found.project_id)
    return analysis.audience_size(
        place.id, design.unit_type, design.eligibility, segments=segments, now=timezone.now()
    )


@router.get(PREVIEW + "/switchback-power", response=SwitchbackPowerShape)
def power_of_switchback(
    request: HttpRequest, project: str, experiment: str, environment: str
) -> dict[str, object]:
    """What the draft's switchback could find: its schedule drawn 200 times over its regions' past weeks."""
    found, place = _found(request, project, experiment, environment)
    deciding = {one.key for one in found.design.metrics if one.role is MetricRole.OEC}
    catalogue = (one for one in metrics.metrics_of(found.project_id) if one.key in deciding)
    oec = next(catalogue, None)
    if oec is None:
        raise Invalid(Problem("metrics", "Choose the metric that decides (the OEC) first."))
    told = analysis.switchback_power(place.id, found.design, oec, now=timezone.now())
    weeks = [{"week": w.week, "windows": w.units, "mde_relative": w.mde_relative} for w in told.by_week]
    return {
        "mde_relative": told.mde_relative, "days_needed": told.days_needed, "by_week": weeks,
        "past_days": told.past_days, "reason": told.reason,
    }  # fmt: skip


def _found(
    request: HttpRequest, project: str, experiment: str, environment: str
) -> tuple[Experiment, Environment]:
    place = project_of(request, project)
    return experiments.experiment_by_key(place.id, experiment), environment_of(place, environment)
