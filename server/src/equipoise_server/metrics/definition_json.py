"""How a definition is written as JSON, strictly both ways, and the hash that says if two mean the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta

from equipoise_server.foundation.refusals import Invalid, Problem, refuse_all
from equipoise_server.metrics.values import (
    Aggregate,
    Definition,
    Direction,
    Fact,
    Margin,
    MarginKind,
    MetricKind,
)

Json = Mapping[str, object]
_LARGEST = 1e12
_FACT_FIELDS = {"event", "aggregate", "property", "where"}
_DEFINITION_FIELDS = {"kind", "fact", "denominator", "window_seconds", "cap"}


def definition_to_json(definition: Definition) -> dict[str, object]:
    """The definition with every field, so that equal meanings are equal JSON."""
    denominator = definition.denominator
    return {
        "kind": str(definition.kind),
        "fact": _fact_to_json(definition.fact),
        "denominator": None if denominator is None else _fact_to_json(denominator),
        "window_seconds": definition.window.total_seconds(),
        "cap": None if definition.cap is None else float(definition.cap),
    }


def definition_from_json(written: Json) -> Definition:
    """The definition; an unknown field or word, or a wrong type, is refused with every other fault."""
    problems = _unknown_fields(written, _DEFINITION_FIELDS, "")
    kind = _word(written.get("kind"), MetricKind, "kind", problems)
    fact = _fact_from_json(written.get("fact"), "fact", problems)
    written_denominator = written.get("denominator")
    denominator = None
    if written_denominator is not None:
        denominator = _fact_from_json(written_denominator, "denominator", problems)
    window = _number(written.get("window_seconds", 7 * 86400), "window_seconds", problems)
    cap = None if written.get("cap") is None else _number(written["cap"], "cap", problems)
    refuse_all(Invalid, problems)
    assert kind is not None
    assert fact is not None
    assert window is not None
    return Definition(MetricKind(kind), fact, denominator, timedelta(seconds=window), cap)


def semantic_hash(definition: Definition, direction: Direction) -> str:
    """Equal exactly when two versions mean the same."""
    meaning = {"definition": definition_to_json(definition), "direction": str(direction)}
    text = json.dumps(meaning, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def margin_to_json(margin: Margin | None) -> dict[str, object] | None:
    """A margin, or none."""
    return None if margin is None else {"kind": str(margin.kind), "value": margin.value}


def margin_from_json(written: Json | None) -> Margin | None:
    """A margin, or none; anything else is refused."""
    if written is None:
        return None
    problems = _unknown_fields(written, {"kind", "value"}, "")
    kind = _word(written.get("kind"), MarginKind, "kind", problems)
    value = _number(written.get("value"), "value", problems)
    refuse_all(Invalid, problems)
    assert value is not None
    return Margin(MarginKind(str(kind)), value)


def _fact_to_json(fact: Fact) -> dict[str, object]:
    return {
        "event": fact.event,
        "aggregate": str(fact.aggregate),
        "property": fact.property,
        "where": dict(sorted(fact.where.items())) if fact.where else {},
    }


def _fact_from_json(written: object, field: str, problems: list[Problem]) -> Fact | None:
    if not isinstance(written, Mapping):
        problems.append(Problem(field, f"“{field}” must say which events count."))
        return None
    problems += _unknown_fields(written, _FACT_FIELDS, f"{field}.")
    aggregate = _word(written.get("aggregate", "count"), Aggregate, f"{field}.aggregate", problems)
    event, name = written.get("event", ""), written.get("property", "")
    where = written.get("where") or {}
    if not isinstance(event, str) or not isinstance(name, str):
        problems.append(Problem(field, f"“{field}.event” and “{field}.property” must be texts."))
    elif not _is_filter(where):
        problems.append(
            Problem(f"{field}.where", "A filter gives each property a text, a number or true/false.")
        )
    elif aggregate is not None:
        return Fact(event, Aggregate(aggregate), name, where or None)
    return None


def _is_filter(where: object) -> bool:
    return isinstance(where, Mapping) and all(
        isinstance(name, str) and isinstance(value, str | int | float | bool) for name, value in where.items()
    )


def _unknown_fields(written: Json, known: set[str], path: str) -> list[Problem]:
    return [
        Problem(f"{path}{name}", f"There is no field “{path}{name}”; leave it out.")
        for name in sorted(set(written) - known)
    ]


def _word(
    written: object,
    words: type[MetricKind | Aggregate | MarginKind],
    field: str,
    problems: list[Problem],
) -> str | None:
    known = [str(word) for word in words]
    if isinstance(written, str) and written in known:
        return written
    problems.append(Problem(field, f"“{written}” is no {field}; use one of {', '.join(known)}."))
    return None


def _number(written: object, field: str, problems: list[Problem]) -> float | None:
    if isinstance(written, int | float) and not isinstance(written, bool) and abs(written) <= _LARGEST:
        return float(written)
    problems.append(Problem(field, f"“{field}” must be a number."))
    return None
