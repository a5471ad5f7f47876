"""Where configuration names units, in any JSON of ours: {"unit_type": …, "units": […]}. Takes some out.

Knows one shape. Refuses to guess: a text that only looks like an id (a variant, a name) is left alone.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cleaned:
    """JSON without some units, and how often one was taken out."""

    value: object
    removed: int


def without_units(value: object, unit_type: str, units: AbstractSet[str]) -> Cleaned:
    """The same JSON without these units; an override that names nobody any more goes as a whole."""
    if isinstance(value, dict):
        return _object(value, unit_type, units)
    if isinstance(value, list):
        parts = [without_units(item, unit_type, units) for item in value]
        kept = [part.value for item, part in zip(value, parts, strict=True) if not _is_spent(item, part)]
        return Cleaned(kept, sum(part.removed for part in parts))
    return Cleaned(value, 0)


def _object(value: dict[str, object], unit_type: str, units: AbstractSet[str]) -> Cleaned:
    held = value.get("units")
    if value.get("unit_type") == unit_type and isinstance(held, list):
        left = [unit for unit in held if unit not in units]
        return Cleaned({**value, "units": left}, len(held) - len(left))
    parts = {name: without_units(inner, unit_type, units) for name, inner in value.items()}
    removed = sum(part.removed for part in parts.values())
    return Cleaned({name: part.value for name, part in parts.items()} if removed else value, removed)


def _is_spent(before: object, after: Cleaned) -> bool:
    """Whether this was an override of units that are all gone."""
    is_override = isinstance(before, dict) and "variant" in before and "units" in before
    return is_override and after.removed > 0 and isinstance(after.value, dict) and not after.value["units"]
