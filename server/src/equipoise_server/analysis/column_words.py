"""What people call the columns of the moments: a metric by its name, and which part of it."""

from __future__ import annotations

from collections.abc import Mapping

from equipoise_server.analysis.columns import BEFORE, DENOMINATOR, EVENTS_WITH_A_VALUE
from equipoise_server.analysis.plan import ATTRIBUTE, MISSING

_COUNTS = {"units": "the number of units", "crossed": "units that met several variants"}
_PARTS = {DENOMINATOR: "what it is divided by", EVENTS_WITH_A_VALUE: "its events with a value"}


def column_words(column: str, names: Mapping[str, str]) -> str:
    """The column in words; names: of metrics, by key."""
    if column in _COUNTS:
        return _COUNTS[column]
    if column.startswith(ATTRIBUTE):
        attribute = column.removeprefix(ATTRIBUTE)
        told = attribute.removesuffix(MISSING)
        return f"the attribute “{told}”" if told == attribute else f"who has no attribute “{told}”"
    key = column.removesuffix(BEFORE)
    parts = [] if key == column else ["before the exposure"]
    for ending, part in _PARTS.items():
        if key.endswith(ending):
            key, parts = key.removesuffix(ending), [part, *parts]
    name = names.get(key, key)
    return f"“{name}” ({', '.join(parts)})" if parts else f"“{name}”"
