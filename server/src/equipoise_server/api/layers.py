"""Layers: who holds which slots of an environment, and new ones, nested or not."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from ninja import Status as Answer

from equipoise_server.api.authentication import actor_of
from equipoise_server.api.reading import Page, PageQuery, Strict, environment_of, page_of, project_of
from equipoise_server.experiments import actions
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.values import LayerRoom

router = Router(tags=["experiments"])
LAYERS = "/projects/{project}/environments/{environment}/layers"


class NewLayer(Strict):
    """A layer to make. `inside` nests it in free slots of another, or `beside` one nested there."""

    key: str
    name: str
    unit_type: str
    is_launch: bool = False
    inside: str = ""
    share: float = 0.0
    beside: str = ""


class TakenSlots(Schema):
    """A range of slots [first, end) and the experiment that holds it."""

    first: int
    end: int
    experiment: str


class NestedSlots(Schema):
    """A range of slots [first, end) that a nested layer divides again."""

    first: int
    end: int
    layer: str


class LayerShape(Schema):
    """A layer of 10,000 slots and who holds which."""

    id: UUID
    key: str
    name: str
    unit_type: str
    taken: list[TakenSlots]
    free_slots: int
    is_own: bool
    is_launch: bool
    domains: list[NestedSlots]
    inside: str
    domain: list[tuple[int, int]]

    @staticmethod
    def resolve_taken(layer: LayerRoom) -> list[dict[str, object]]:
        """The held ranges, in order."""
        return [{"first": first, "end": end, "experiment": key} for first, end, key in layer.taken]

    @staticmethod
    def resolve_domains(layer: LayerRoom) -> list[dict[str, object]]:
        """The nested ranges, in order."""
        return [{"first": first, "end": end, "layer": key} for first, end, key in layer.domains]


@router.get(LAYERS, response=Page[LayerShape])
def list_layers(
    request: HttpRequest, project: str, environment: str, page: Query[PageQuery]
) -> dict[str, object]:
    """The environment's layers, who holds which slots, and how many are free."""
    place = environment_of(project_of(request, project), environment)
    return page_of(experiments.layers_of(place.id), page, lambda layer: layer.key)


@router.post(LAYERS, response={201: LayerShape})
def create_layer(request: HttpRequest, project: str, environment: str, body: NewLayer) -> Answer[LayerRoom]:
    """Make a shared layer, a launch layer, or one nested in another's slots."""
    place = environment_of(project_of(request, project), environment)
    command = actions.CreateLayer(place.id, **body.model_dump())
    return Answer(201, actions.create_layer(actor_of(request), command, now=timezone.now()))
