"""Reading the API's answers: parts of JSON by name, without trusting that they are there."""

from __future__ import annotations

JsonObject = dict[str, object]


def part(found: JsonObject, name: str) -> JsonObject:
    """The object under a name; empty when there is none."""
    value = found.get(name)
    return value if isinstance(value, dict) else {}


def parts(found: JsonObject, name: str) -> list[JsonObject]:
    """The objects of the list under a name."""
    items = found.get(name)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def texts(found: JsonObject, name: str) -> list[str]:
    """The texts of the list under a name."""
    items = found.get(name)
    return [str(item) for item in items] if isinstance(items, list) else []


def number(found: JsonObject, name: str) -> float | None:
    """The number under a name, or None."""
    value = found.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
