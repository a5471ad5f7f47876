"""Tells apart the units and the attributes of a context, whatever the caller passed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

from equipoise_engine.instants import milliseconds

Context = Mapping[str, object]
Units = dict[str, object]
Attributes = dict[str, object]
Parts = tuple[Units, Attributes]


class Test:
    """A condition that was compiled."""

    __slots__ = ()

    def holds(self, attributes: Attributes, units: Units) -> bool:
        """Tell whether it holds for somebody."""
        raise NotImplementedError


@final
class Asked:
    """A context in parts, for all flags of which it is asked.

    Attributes:
        whole: the context itself, for the rarer of its members.
        is_linked: whether it brings overrides along.
        holding: the conditions that were tried, and whether they hold.
    """

    __slots__ = ("attributes", "holding", "is_linked", "units", "whole")

    def __init__(self, parts: Parts, whole: object, *, is_linked: bool) -> None:
        self.units, self.attributes = parts
        self.whole = whole
        self.is_linked = is_linked
        self.holding: dict[Test, bool] = {}


def context_parts(context: object) -> Parts | None:
    """Return (units, attributes); an absent or null part is empty. None: not a context at all."""
    if not isinstance(context, Mapping):
        return None
    units, attributes = _part(context.get("units")), _part(context.get("attributes"))
    return None if units is None or attributes is None else (units, attributes)


def clock(context: object) -> int | None:
    """Return the time that a context brings along, in milliseconds; None when it brings none to use."""
    return milliseconds(context.get("now")) if isinstance(context, Mapping) else None


def _part(node: object) -> dict[str, object] | None:
    if type(node) is dict:
        return node
    if isinstance(node, Mapping):
        return dict(node)
    return {} if node is None else None
