"""Previews of metrics: what each fact would read, before and after a metric is saved."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema

from equipoise_server.access.values import Permission, Project
from equipoise_server.analysis.reads import followed_touches, preview_definition
from equipoise_server.api.authentication import actor_of
from equipoise_server.api.metrics import METRIC, DefinitionBody, TouchShape
from equipoise_server.api.reading import Strict, environment_of, project_of
from equipoise_server.api.sources import PreviewShape
from equipoise_server.metrics import reads as metrics
from equipoise_server.metrics.actions import checked_definition
from equipoise_server.metrics.values import Definition

router = Router(tags=["metrics"])


class FactPreviewShape(Schema):
    """One fact: its place in the definition, what it reads, and a look at it."""

    place: str
    reads: str
    preview: PreviewShape


class FollowedShape(Schema):
    """Events of the last weeks that follow a click or view in time, each once; null: that follow none."""

    touch: TouchShape | None
    events: int
    units: int


class MetricPreviewShape(Schema):
    """A look at everything that a metric reads; `follows` of those that ask for clicks or views."""

    facts: list[FactPreviewShape]
    follows: list[FollowedShape]


class DefinitionToPreview(Strict):
    """A definition that nobody has saved yet, and where its events are looked for."""

    definition: DefinitionBody
    environment: str


@router.get(METRIC + "/preview", response=MetricPreviewShape)
def get_metric_preview(
    request: HttpRequest, project: str, metric: str, environment: str, *, version: int = 0
) -> dict[str, object]:
    """A look at what a metric reads in an environment. For those who may edit metrics: it shows rows."""
    place = _place(request, project)
    found = metrics.metric_by_key(place.id, metric, version=version)
    return _previewed(place, environment, found.definition)


@router.post("/projects/{project}/metric-previews", response=MetricPreviewShape)
def preview_unsaved_metric(
    request: HttpRequest, project: str, body: DefinitionToPreview
) -> dict[str, object]:
    """The same look for a definition that nobody has saved yet; nothing is changed."""
    place = _place(request, project)
    return _previewed(place, body.environment, checked_definition(place.id, body.definition.definition()))


def _place(request: HttpRequest, project: str) -> Project:
    place = project_of(request, project)
    actor_of(request).require(Permission.METRIC_EDIT, place.id)
    return place


def _previewed(place: Project, environment: str, definition: Definition) -> dict[str, object]:
    found, now = environment_of(place, environment), timezone.now()
    return {
        "facts": preview_definition(place.id, found.id, definition, now=now),
        "follows": followed_touches(found.id, definition, now=now),
    }
