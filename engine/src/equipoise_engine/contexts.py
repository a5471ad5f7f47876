"""Tells apart the units and the attributes of a context, whatever the caller passed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Context = Mapping[str, object]
Parts = tuple[Mapping[str, object], Mapping[str, object]]

EMPTY: Mapping[str, object] = MappingProxyType({})


def context_parts(context: object) -> Parts | None:
    """Return (units, attributes); an absent or null part is empty. None: not a context at all."""
    if type(context) is dict:  # nearly all contexts
        units, attributes = context.get("units"), context.get("attributes")
        if type(units) is dict and type(attributes) is dict:
            return units, attributes
    if not isinstance(context, Mapping):
        return None
    named, described = _part(context.get("units")), _part(context.get("attributes"))
    return None if named is None or described is None else (named, described)


def _part(node: object) -> Mapping[str, object] | None:
    if isinstance(node, Mapping):
        return node
    return EMPTY if node is None else None
