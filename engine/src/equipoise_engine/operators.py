"""Reads the clauses of conditions: a table of operators, and which constants each takes."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import TypeGuard

from equipoise_engine.claims import (
    Clause,
    IsSet,
    Match,
    Number,
    NumberIn,
    Order,
    Parse,
    ParsedOrder,
    TextMatch,
    Truth,
    is_number,
)
from equipoise_engine.combinations import Part
from equipoise_engine.instants import milliseconds
from equipoise_engine.problems import Reader
from equipoise_engine.versions import precedence

CLAUSE_MEMBERS = frozenset({"attribute", "operator", "value", "values"})
LARGEST_EXACT = 2**53 - 1

Build = Callable[[Reader, str], Part | None]


def clause(reader: Reader) -> Part | None:
    """Compile a clause; on a fault note why and return None."""
    faults = len(reader.problems)
    attribute = reader.text("attribute")
    name = reader.text("operator")
    if name and name not in OPERATORS:
        reader.senseless("operator", f"{name!r} is none of {', '.join(OPERATORS)}")
        return None
    test = OPERATORS[name](reader, attribute) if name else None
    return test if len(reader.problems) == faults else None


def _constant_absent(reader: Reader, names: Iterable[str]) -> None:
    for name in names:
        if name in reader.members:
            reader.senseless(name, "does not belong to this operator")


def _is_exact(value: object) -> TypeGuard[Number]:
    """Numbers that every language holds exactly; NaN and infinities fail the comparison."""
    return is_number(value) and abs(value) <= LARGEST_EXACT


def _equals(reader: Reader, attribute: str) -> Part | None:
    _constant_absent(reader, ["values"])
    constant = reader.get("value")
    if isinstance(constant, bool):
        return Truth(attribute, constant)
    if isinstance(constant, str):
        return Clause(attribute, frozenset({constant}))
    if _is_exact(constant):
        return NumberIn(attribute, frozenset({constant}))
    reader.senseless("value", "must be a string, a boolean or a number within ±(2**53 - 1)")
    return None


def _in(reader: Reader, attribute: str) -> Part | None:
    _constant_absent(reader, ["value"])
    constants = _values(reader)
    if all(isinstance(constant, str) for constant in constants):
        return Clause(attribute, frozenset(constants))
    if all(_is_exact(constant) for constant in constants):
        return NumberIn(attribute, frozenset(constants))
    reader.senseless("values", "must be all strings, or all numbers within ±(2**53 - 1)")
    return None


def _values(reader: Reader) -> list[object]:
    if "values" not in reader.members:
        reader.senseless("values", "is required by this operator")
    return reader.array("values")


Bounds = Callable[[Number], tuple[Number | None, Number | None]]


def _number(bounds: Bounds) -> Build:
    def build(reader: Reader, attribute: str) -> Part | None:
        _constant_absent(reader, ["values"])
        constant = reader.get("value")
        if not _is_exact(constant):
            reader.senseless("value", "must be a number within ±(2**53 - 1)")
            return None
        low, high = bounds(constant)
        return Clause(attribute, None, low=low, high=high)

    return build


def _text(matches: Match) -> Build:
    def build(reader: Reader, attribute: str) -> Part | None:
        _constant_absent(reader, ["value"])
        constants = tuple(text for text in _values(reader) if isinstance(text, str))
        if len(constants) < len(reader.array("values")):
            reader.senseless("values", "must hold strings alone")
            return None
        return TextMatch(attribute, matches, constants)

    return build


def _parsed(parse: Parse, compare: Order, wanted: str) -> Build:
    """Order what both sides parse to: versions, instants."""

    def build(reader: Reader, attribute: str) -> Part | None:
        _constant_absent(reader, ["values"])
        value = reader.get("value")
        constant = parse(value) if isinstance(value, str) else None
        if constant is None:
            reader.senseless("value", f"must be {wanted}")
            return None
        return ParsedOrder(attribute, parse, compare, constant)

    return build


def _version(compare: Order) -> Build:
    return _parsed(precedence, compare, "a version such as 1.4.0")


def _instant(compare: Order) -> Build:
    return _parsed(milliseconds, compare, "an RFC 3339 date such as 2026-03-01T00:00:00Z")


def _is_set(reader: Reader, attribute: str) -> Part | None:
    _constant_absent(reader, ["value", "values"])
    return IsSet(attribute)


OPERATORS: Mapping[str, Build] = {
    "equals": _equals,
    "in": _in,
    # The double next to a constant: constants are exact, so no integer lies between the two.
    "greater": _number(lambda constant: (math.nextafter(constant, math.inf), None)),
    "greater_or_equal": _number(lambda constant: (constant, None)),
    "less": _number(lambda constant: (None, math.nextafter(constant, -math.inf))),
    "less_or_equal": _number(lambda constant: (None, constant)),
    "starts_with": _text(str.startswith),
    "ends_with": _text(str.endswith),
    "contains": _text(lambda value, parts: any(part in value for part in parts)),
    "semver_equals": _version(operator.eq),
    "semver_greater": _version(operator.gt),
    "semver_greater_or_equal": _version(operator.ge),
    "semver_less": _version(operator.lt),
    "semver_less_or_equal": _version(operator.le),
    "before": _instant(operator.lt),
    "after": _instant(operator.gt),
    "is_set": _is_set,
}
