"""Kinds of due work: who does them, which go first, and what people may do about them. Filled at start-up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Lane(StrEnum):
    """Which work goes first when several pieces are due."""

    PROMPT = "prompt"
    """Kills, ramp steps, holds: before everything else, and beside long work in every worker."""
    OUTSIDE = "outside"
    """Waits for other people's machines: beside all other work in every worker, so that it holds up none."""
    INTAKE = "intake"
    """Short, and others wait for it."""
    STEADY = "steady"
    NIGHTLY = "nightly"
    """Lets others go first, for ten minutes at most."""


Handler = Callable[[Mapping[str, str], datetime], None]


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known of a kind of work; `title` is how people read it."""

    name: str
    title: str
    lane: Lane = Lane.STEADY
    can_cancel: bool = False
    handler: Handler | None = None


_kinds: dict[str, Kind] = {}


def handles(
    kind: str, *, title: str = "", lane: Lane = Lane.STEADY, can_cancel: bool = False
) -> Callable[[Handler], Handler]:
    """Register the function that does work of this kind. It must be idempotent.

    can_cancel: it calls `running.step` often enough, and leaves nothing half done when that raises.
    """

    def register(handler: Handler) -> Handler:
        _kinds[kind] = Kind(kind, title or kind, lane, can_cancel, handler)
        return handler

    return register


def kind_of(name: str) -> Kind:
    """What is known of a kind; of a foreign one, its name."""
    return _kinds.get(name, Kind(name, name))


def known() -> frozenset[str]:
    """The kinds that somebody here does."""
    return frozenset(_kinds)


def of_lane(lane: Lane) -> frozenset[str]:
    """The kinds of a lane."""
    return frozenset(name for name, kind in _kinds.items() if kind.lane is lane)
