"""Conditions as people read and build them: a sentence, and the flat list of clauses the form edits.

Knows the shape of a condition, not how it is evaluated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from equipoise_server.flags.values import Condition

OPERATORS: tuple[tuple[str, str], ...] = (
    ("equals", "is"),
    ("in", "is one of"),
    ("greater", "is more than"),
    ("greater_or_equal", "is at least"),
    ("less", "is less than"),
    ("less_or_equal", "is at most"),
    ("contains", "contains"),
    ("starts_with", "starts with"),
    ("ends_with", "ends with"),
    ("before", "is before"),
    ("after", "is after"),
    ("semver_equals", "is version"),
    ("semver_greater", "is a version after"),
    ("semver_greater_or_equal", "is version or later"),
    ("semver_less", "is a version before"),
    ("semver_less_or_equal", "is version or earlier"),
    ("is_set", "is known"),
)
_WORDS = dict(OPERATORS)
_LISTS = frozenset({"in", "contains", "starts_with", "ends_with"})
_NUMBERS = frozenset({"greater", "greater_or_equal", "less", "less_or_equal"})


@dataclass(frozen=True, slots=True)
class ClauseRow:
    """One line of the builder, as typed. `attribute` “segment:” + key means a segment."""

    attribute: str
    operator: str = "equals"
    value: str = ""
    negated: bool = False


@dataclass(frozen=True, slots=True)
class BuilderRows:
    """What the builder can edit: clauses joined by all or by any."""

    joined_by: str
    rows: tuple[ClauseRow, ...]


def as_rows(condition: Condition | None) -> BuilderRows | None:
    """The builder's lines; None when the condition is nested deeper than the builder shows."""
    if condition is None:
        return BuilderRows("all", ())
    for joiner in ("all", "any"):
        if joiner in condition:
            parts = condition[joiner]
            rows = [_row(part) for part in parts] if isinstance(parts, Sequence) else [None]
            known = tuple(row for row in rows if row is not None)
            return BuilderRows(joiner, known) if len(known) == len(rows) else None
    row = _row(condition)
    return None if row is None else BuilderRows("all", (row,))


def from_rows(built: BuilderRows) -> Condition | None:
    """The condition of the filled lines; None when no line is filled."""
    clauses = [_clause(row) for row in built.rows if row.attribute.strip()]
    if not clauses:
        return None
    return clauses[0] if len(clauses) == 1 else {built.joined_by: clauses}


def sentence(condition: Condition | None) -> str:
    """The condition in words."""
    return "everybody" if condition is None else _words(condition, nested=False)


def as_json(condition: Condition | None) -> str:
    """The condition as text for the expert's field."""
    return "" if condition is None else json.dumps(condition, indent=2, sort_keys=True, ensure_ascii=False)


def _row(part: object) -> ClauseRow | None:
    if not isinstance(part, Mapping):
        return None
    if "not" in part:
        inner = _row(part["not"])
        if inner is None or inner.negated:
            return None
        return ClauseRow(inner.attribute, inner.operator, inner.value, negated=True)
    if "segment" in part:
        return ClauseRow(f"segment:{part['segment']}", "is_set")
    if "attribute" not in part:
        return None
    return ClauseRow(str(part["attribute"]), str(part.get("operator", "")), _value_text(part))


def _value_text(clause: Mapping[str, object]) -> str:
    values = clause.get("values")
    if isinstance(values, Sequence) and not isinstance(values, str):
        return ", ".join(_constant_text(value) for value in values)
    return _constant_text(clause["value"]) if "value" in clause else ""


def _constant_text(value: object) -> str:
    """A constant as typed; a text that looks like a number or a truth value keeps its quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value) if not isinstance(_constant(value), str) else value
    return str(value)


def _clause(row: ClauseRow) -> Condition:
    clause = _positive(row)
    return {"not": clause} if row.negated else clause


def _positive(row: ClauseRow) -> Condition:
    attribute = row.attribute.strip()
    if attribute.startswith("segment:"):
        return {"segment": attribute.removeprefix("segment:").strip()}
    if row.operator == "is_set":
        return {"attribute": attribute, "operator": "is_set"}
    if row.operator in _LISTS:
        typed = [part.strip() for part in row.value.split(",") if part.strip()]
        values = [_constant(part) if row.operator == "in" else _unquoted(part) for part in typed]
        return {"attribute": attribute, "operator": row.operator, "values": values}
    return {"attribute": attribute, "operator": row.operator, "value": _typed(row)}


def _typed(row: ClauseRow) -> object:
    value = row.value.strip()
    if row.operator == "equals" or row.operator in _NUMBERS:
        return _constant(value)
    return _unquoted(value)


def _constant(text: str) -> object:
    """A number or truth value when the text is one; quotes make it a text."""
    if text in {"true", "false"}:
        return text == "true"
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return _unquoted(text)
    return number if abs(number) < float("inf") else text


def _unquoted(text: str) -> str:
    is_quoted = len(text) > 1 and text.startswith('"') and text.endswith('"')
    return text[1:-1] if is_quoted else text


def _words(condition: object, *, nested: bool) -> str:
    if not isinstance(condition, Mapping):
        return "an unreadable condition"
    for joiner, word in (("all", " and "), ("any", " or ")):
        parts = condition.get(joiner)
        if isinstance(parts, Sequence):
            text = word.join(_words(part, nested=True) for part in parts)
            return f"({text})" if nested and len(parts) > 1 else text
    if "not" in condition:
        return f"not {_words(condition['not'], nested=True)}"
    if "segment" in condition:
        return f"in segment {condition['segment']}"
    operator = str(condition.get("operator", ""))
    return f"{condition.get('attribute')} {_WORDS.get(operator, operator)} {_value_text(condition)}".strip()
