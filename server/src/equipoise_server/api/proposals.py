"""Before a flag's settings are saved: who would get what, and what one unit would get and why."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Router, Schema

from equipoise_server.api.flags import SETTINGS, SettingsEdit, settings_command, settings_named
from equipoise_server.api.reading import Strict, project_of
from equipoise_server.api.shapes import Json
from equipoise_server.api.snapshots import ExplanationShape, FullContextBody, explanation_of
from equipoise_server.flags.actions import proposed_node
from equipoise_server.snapshots import reads as snapshots

router = Router(tags=["flags"])


class Preview(Strict):
    """Settings to try, or null for those of now; attributes that all made-up units have."""

    settings: SettingsEdit | None = None
    attributes: Json = {}
    context: FullContextBody | None = Field(None, description="One unit to explain.")


class StepShare(Schema):
    """How many units one step decided for."""

    step: str
    about: str
    units: int


class ServedShape(Schema):
    """How many units got each variant, and by which step."""

    units: int
    variants: dict[str, int]
    steps: list[StepShare]


class WhoGetsWhat(Schema):
    """Shares among made-up units, and units of the last 14 days; `reason` says why those are not known."""

    made_up: ServedShape
    recent: ServedShape | None
    reason: str
    explanation: ExplanationShape | None


@router.post(SETTINGS + "/preview", response=WhoGetsWhat)
def preview_flag(
    request: HttpRequest, project: str, flag: str, environment: str, body: Preview
) -> dict[str, object]:
    """Who would get what with other settings, before they are saved. Changes nothing, exposes nobody."""
    found, settings = settings_named(request, project, flag, environment)
    node = None
    if body.settings is not None:
        node = proposed_node(
            settings_command(found.id, settings.environment_id, settings.version, body.settings)
        )
    proposed = snapshots.Proposed(settings.environment_id, found.key, node)
    unit_type = project_of(request, project).default_unit_type
    shares = snapshots.flag_shares(proposed, body.attributes, unit_type=unit_type, now=timezone.now())
    explanation = None
    if body.context is not None:
        explanation = explanation_of(*snapshots.explain_proposed(proposed, body.context.context()))
    return {
        "made_up": _served(shares.made_up),
        "recent": None if shares.recent is None else _served(shares.recent),
        "reason": shares.reason,
        "explanation": explanation,
    }


def _served(served: snapshots.Served) -> dict[str, object]:
    steps = [{"step": step, "about": about, "units": units} for (step, about), units in served.steps.items()]
    return {"units": served.units, "variants": dict(served.variants), "steps": steps}
