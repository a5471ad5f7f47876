"""What everything that was launched did together, as a holdout shows it."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest
from ninja import Router, Schema

from equipoise_server.analysis import reads
from equipoise_server.analysis.values import HoldoutImpact
from equipoise_server.api.reading import environment_of, project_of
from equipoise_server.api.report_shapes import IntervalShape
from equipoise_server.experiments import reads as experiments
from equipoise_server.foundation.refusals import NotFound, Problem
from equipoise_server.metrics.values import Direction

router = Router(tags=["holdouts"])
IMPACT = "/projects/{project}/holdouts/{holdout}/environments/{environment}/impact"


class ImpactLineShape(Schema):
    """A company metric of the open units against the held ones. What is not known is null; `reason` says why.

    Intervals hold however often they are read. `promised` compounds the measured lifts of what was shipped.
    """

    metric: str
    name: str
    display: str
    direction: Direction
    held_value: float | None
    open_value: float | None
    effect: float | None
    effect_interval: IntervalShape | None
    lift: float | None
    lift_interval: IntervalShape | None
    reason: str
    promised: float | None
    promised_by: int


class ShippedShape(Schema):
    """An experiment whose treatment was shipped since the season began."""

    experiment: str
    name: str
    arm: str
    decided_at: datetime


class HoldoutImpactShape(Schema):
    """The newest season in one environment; with `withheld` there are no lines."""

    season: int
    computed_at: datetime
    held_units: int
    open_units: int
    srm_p_value: float | None
    withheld: str
    lines: list[ImpactLineShape]
    shipped: list[ShippedShape]


@router.get(IMPACT, response=HoldoutImpactShape)
def get_holdout_impact(request: HttpRequest, project: str, holdout: str, environment: str) -> HoldoutImpact:
    """What all launches of the season did together: open units against held ones. Measured once a day."""
    place = project_of(request, project)
    held = experiments.holdout(place.id, holdout)
    found = reads.holdout_impact(held, environment_of(place, environment).id)
    if found is None:
        raise NotFound(Problem("holdout", "It was not measured here yet; that happens once a day."))
    return found
