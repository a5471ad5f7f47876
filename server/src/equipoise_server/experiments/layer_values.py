"""Layers as other rooms see them: who holds which slots, now and over time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class LayerRoom:
    """A layer and who holds which slots."""

    id: UUID
    key: str
    name: str
    unit_type: str
    environment_id: UUID
    taken: tuple[tuple[int, int, str], ...]
    """(first slot, one past the last, experiment key), in order."""
    free_slots: int
    is_own: bool = False
    """It was made for one experiment alone."""
    is_launch: bool = False
    """Its experiments take whom all other layers leave."""
    domains: tuple[tuple[int, int, str], ...] = ()
    """(first slot, one past the last, key of a layer nested there), in order."""
    inside: str = ""
    """Key of the layer that it is nested in; "" divides all units."""
    domain: tuple[tuple[int, int], ...] = ()
    """Its slots of that layer."""


@dataclass(frozen=True, slots=True)
class Holding:
    """Slots of a layer that one run holds, or held, and until when."""

    layer_key: str
    experiment_key: str
    iteration: int
    slots: tuple[tuple[int, int], ...]
    since: datetime
    planned_end_at: datetime | None
    ended_at: datetime | None
    """When it stopped; its slots stay with it until people have decided."""
    is_held: bool
