"""Drafts before they start: who would get what, what one unit would get and why, and what is held back."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema
from pydantic import AwareDatetime

from equipoise_server.access.values import Environment
from equipoise_server.api.reading import environment_of, project_of
from equipoise_server.api.snapshots import ContextBody, ExplanationShape, explanation_of
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.values import Experiment
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


def _found(
    request: HttpRequest, project: str, experiment: str, environment: str
) -> tuple[Experiment, Environment]:
    place = project_of(request, project)
    return experiments.experiment_by_key(place.id, experiment), environment_of(place, environment)
