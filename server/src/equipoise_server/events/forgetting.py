"""The port through which the rooms above forget erased units, and what they are told. Filled at start-up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from equipoise_server.audit.values import Author


@dataclass(frozen=True, slots=True)
class Gone:
    """The units of one erasure: as configuration names them, and as events keep them."""

    project_id: UUID
    environments: tuple[UUID, ...]
    unit_type: str
    units: frozenset[str]
    kept_as: frozenset[str]
    author: Author


class When(StrEnum):
    """Configuration goes first; what is derived from events goes once the events are gone."""

    CONFIGURATION = "configuration"
    DERIVED = "derived"


Forgetter = Callable[[Gone, datetime], Mapping[str, int]]
"""Forgets the units and says how much was taken out, by place. Called again after a crash."""
_forgetters: dict[When, list[Forgetter]] = {when: [] for when in When}


def forgets(when: When) -> Callable[[Forgetter], Forgetter]:
    """Register what a room does; rooms are asked in the order in which they registered."""

    def register(forgetter: Forgetter) -> Forgetter:
        _forgetters[when].append(forgetter)
        return forgetter

    return register


def forget(when: When, gone: Gone, *, now: datetime) -> dict[str, int]:
    """Let every room forget; how much was taken out, by place."""
    removed: dict[str, int] = {}
    for forgetter in _forgetters[when]:
        removed |= forgetter(gone, now)
    return removed
