"""Layers that people make: shared ones, launch layers, and layers nested in the slots of another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from equipoise_server.access import reads as access
from equipoise_server.access.values import Actor, Environment, Permission
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Subject
from equipoise_server.experiments import models, reads
from equipoise_server.experiments.allocation import SlotRange, allocate, wanted_slots
from equipoise_server.experiments.values import LayerRoom
from equipoise_server.foundation.clashes import refused_if_taken
from equipoise_server.foundation.ids import is_key, key_fault, new_id, new_salt
from equipoise_server.foundation.refusals import Invalid, Problem, refuse_all
from equipoise_server.foundation.texts import LONGEST_NAME, text_problems

DEEPEST = 16


@dataclass(frozen=True, slots=True)
class CreateLayer:
    """A new layer of an environment. `inside` nests it: in free slots, or in those of the layer `beside`."""

    environment_id: UUID
    key: str
    name: str
    unit_type: str
    is_launch: bool = False
    inside: str = ""
    share: float = 0.0
    """Of the layer it is nested in; not asked when it shares the slots of another nested layer."""
    beside: str = ""
    """Key of a layer nested in `inside` whose slots it divides too, by a shuffle of its own."""


def create_layer(actor: Actor, command: CreateLayer, *, now: datetime) -> LayerRoom:
    """Make a layer. No client notices before an experiment uses it."""
    environment = access.environment(command.environment_id)
    actor.require(Permission.EXPERIMENT_LAUNCH, environment.project_id)
    subject = Subject("layer", new_id(), command.key, environment.project_id, environment.id)
    taken = Problem("key", _key_taken(command.key))
    with refused_if_taken(taken), change(actor.author, "layer.create", subject, now=now) as entry:
        list(models.Layer.objects.select_for_update().filter(environment_id=environment.id))
        rooms = {room.key: room for room in reads.layers_of(environment.id)}
        refuse_all(Invalid, list(_problems(command, environment, rooms)))
        domain = _domain(command, rooms)
        _write(command, (subject.id, environment.project_id), domain, now)
        entry.after = {
            "unit_type": command.unit_type, "launch": command.is_launch,
            "inside": command.inside, "domain": [list(slots) for slots in domain],
        }  # fmt: skip
    return next(room for room in reads.layers_of(environment.id) if room.key == command.key)


def _key_taken(key: str) -> str:
    return f"There is a layer “{key}” already; choose another key."


def _write(
    command: CreateLayer, ids: tuple[UUID, UUID], domain: tuple[SlotRange, ...], now: datetime
) -> None:
    layer_id, project_id = ids
    outer = models.Layer.objects.filter(environment_id=command.environment_id, key=command.inside).first()
    row = models.Layer.objects.create(
        id=layer_id, project_id=project_id, environment_id=command.environment_id,
        key=command.key, name=command.name.strip(), unit_type=command.unit_type, salt=new_salt(),
        is_launch=command.is_launch, inside=outer, domain=[list(slots) for slots in domain], created_at=now,
    )  # fmt: skip
    if outer is not None and not command.beside:
        models.SlotRange.objects.bulk_create(
            models.SlotRange(layer=outer, nested=row, first=first, end=end) for first, end in domain
        )


def _domain(command: CreateLayer, rooms: dict[str, LayerRoom]) -> tuple[SlotRange, ...]:
    if not command.inside:
        return ()
    if command.beside:
        return rooms[command.beside].domain
    outer = rooms[command.inside]
    taken = ((first, end) for first, end, _ in (*outer.taken, *outer.domains))
    found = allocate(taken, wanted_slots(command.share))
    assert found is not None  # the room has been checked
    return found


def _problems(
    command: CreateLayer, environment: Environment, rooms: dict[str, LayerRoom]
) -> Iterator[Problem]:
    if not is_key(command.key):
        yield Problem("key", key_fault(command.key))
    elif command.key in rooms:
        yield Problem("key", _key_taken(command.key))
    if not command.name.strip():
        yield Problem("name", "Give it a name that a colleague would understand.")
    yield from text_problems(LONGEST_NAME, name=command.name)
    unit_types = access.project(environment.project_id).unit_types
    if command.unit_type not in unit_types:
        known = ", ".join(unit_types)
        yield Problem("unit_type", f"The project has no unit type “{command.unit_type}”; it has: {known}.")
    if command.inside:
        yield from _nesting_problems(command, rooms)


def _nesting_problems(command: CreateLayer, rooms: dict[str, LayerRoom]) -> Iterator[Problem]:
    outer, beside = rooms.get(command.inside), rooms.get(command.beside)
    if outer is None:
        yield Problem("inside", f"There is no layer “{command.inside}” in this environment.")
        return
    if outer.is_own:
        yield Problem("inside", f"“{outer.key}” belongs to one experiment; nest it in a shared layer.")
    if outer.unit_type != command.unit_type:
        yield Problem(
            "unit_type", f"“{outer.key}” divides {outer.unit_type}s, so what is nested there must too."
        )
    if _depth(outer, rooms) >= DEEPEST:
        yield Problem("inside", f"Layers lie at most {DEEPEST} deep.")
    if command.beside:
        if beside is None or beside.inside != command.inside:
            yield Problem("beside", f"“{command.beside}” is no layer nested in “{outer.key}”.")
    elif not 0 < command.share <= 1:
        yield Problem("share", "Take a share of the outer layer above 0 % and at most 100 %.")
    elif outer.free_slots < wanted_slots(command.share):
        yield Problem("share", f"“{outer.key}” has {outer.free_slots / 100:g} % left; ask for less.")


def _depth(layer: LayerRoom, rooms: dict[str, LayerRoom]) -> int:
    depth = 1
    while layer.inside:
        layer, depth = rooms[layer.inside], depth + 1
    return depth
