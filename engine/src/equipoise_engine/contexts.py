"""Tells apart the units and the attributes of a context, whatever the caller passed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from equipoise_engine.decisions import NOTHING
from equipoise_engine.instants import milliseconds

Context = Mapping[str, object]
Units = Mapping[str, object]
Attributes = Mapping[str, object]
Parts = tuple[Units, Attributes]
Test = Callable[[Attributes, Units], bool]


class Asked(NamedTuple):
    """A context in parts, for all flags of which it is asked.

    Attributes:
        whole: the context itself, for the rarer of its members.
        is_linked: whether it brings overrides along.
        holding: the conditions that were tried, and whether they hold.
    """

    units: Units
    attributes: Attributes
    whole: object
    is_linked: bool
    holding: dict[Test, bool]


def context_parts(context: object) -> Parts | None:
    """Return (units, attributes); an absent or null part is empty. None: not a context at all."""
    if not isinstance(context, Mapping):
        return None
    units, attributes = _part(context.get("units")), _part(context.get("attributes"))
    return None if units is None or attributes is None else (units, attributes)


def clock(context: object) -> int | None:
    """Return the time that a context brings along, in milliseconds; None when it brings none to use."""
    return milliseconds(context.get("now")) if isinstance(context, Mapping) else None


def _part(node: object) -> Mapping[str, object] | None:
    if isinstance(node, Mapping):
        return node
    return NOTHING if node is None else None
