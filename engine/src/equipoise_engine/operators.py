"""What a clause may claim of an attribute: a table of operators, each strictly typed.

A missing or wrongly typed attribute makes every claim false (spec/evaluation.md, "Conditions").
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from equipoise_engine.contexts import Attributes, Test, Units
from equipoise_engine.instants import milliseconds
from equipoise_engine.problems import Reader
from equipoise_engine.versions import precedence

CLAUSE_MEMBERS = frozenset({"attribute", "operator", "value", "values"})
LARGEST_EXACT = 2**53 - 1

Order = Callable[[Any, Any], bool]  # operator.lt and its siblings, on two values of one type
Build = Callable[[Reader, str], Test | None]


def clause(reader: Reader) -> Test | None:
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


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_exact(value: object) -> bool:
    """Numbers that every language holds exactly; NaN and infinities fail the comparison."""
    return isinstance(value, int | float) and _is_number(value) and abs(value) <= LARGEST_EXACT


def _equals(reader: Reader, attribute: str) -> Test | None:
    _constant_absent(reader, ["values"])
    constant = reader.get("value")
    if isinstance(constant, bool):
        return lambda attributes, _units: attributes.get(attribute) is constant
    if isinstance(constant, str):
        return _text_membership(attribute, frozenset({constant}))
    if _is_exact(constant):
        return _number_membership(attribute, frozenset({constant}))
    reader.senseless("value", "must be a string, a boolean or a number within ±(2**53 - 1)")
    return None


def _in(reader: Reader, attribute: str) -> Test | None:
    _constant_absent(reader, ["value"])
    constants = _values(reader)
    if all(isinstance(constant, str) for constant in constants):
        return _text_membership(attribute, frozenset(constants))
    if all(_is_exact(constant) for constant in constants):
        return _number_membership(attribute, frozenset(constants))
    reader.senseless("values", "must be all strings, or all numbers within ±(2**53 - 1)")
    return None


def _text_membership(attribute: str, constants: frozenset[object]) -> Test:
    """Only strings equal strings, so the set needs no look at the type."""

    def holds(attributes: Attributes, _units: Units) -> bool:
        try:
            return attributes.get(attribute) in constants
        except TypeError:  # lists and objects have no hash
            return False

    return holds


def _number_membership(attribute: str, constants: frozenset[object]) -> Test:
    def holds(attributes: Attributes, _units: Units) -> bool:
        value = attributes.get(attribute)
        return isinstance(value, (int, float)) and value in constants and value.__class__ is not bool

    return holds


def _values(reader: Reader) -> list[object]:
    if "values" not in reader.members:
        reader.senseless("values", "is required by this operator")
    return reader.array("values")


def _number(compare: Order) -> Build:
    def build(reader: Reader, attribute: str) -> Test | None:
        _constant_absent(reader, ["values"])
        constant = reader.get("value")
        if not _is_exact(constant):
            reader.senseless("value", "must be a number within ±(2**53 - 1)")
            return None

        def holds(attributes: Attributes, _units: Units) -> bool:
            value = attributes.get(attribute)
            return (type(value) is int or _is_number(value)) and compare(value, constant)

        return holds

    return build


def _text(matches: Callable[[str, tuple[str, ...]], bool]) -> Build:
    def build(reader: Reader, attribute: str) -> Test | None:
        _constant_absent(reader, ["value"])
        constants = tuple(text for text in _values(reader) if isinstance(text, str))
        if len(constants) < len(reader.array("values")):
            reader.senseless("values", "must hold strings alone")
            return None

        def holds(attributes: Attributes, _units: Units) -> bool:
            value = attributes.get(attribute)
            return isinstance(value, str) and matches(value, constants)

        return holds

    return build


def _parsed(parse: Callable[[object], object | None], compare: Order, wanted: str) -> Build:
    """Order what both sides parse to: versions, instants."""

    def build(reader: Reader, attribute: str) -> Test | None:
        _constant_absent(reader, ["values"])
        value = reader.get("value")
        constant = parse(value) if isinstance(value, str) else None
        if constant is None:
            reader.senseless("value", f"must be {wanted}")
            return None

        def holds(attributes: Attributes, _units: Units) -> bool:
            parsed = parse(attributes.get(attribute))
            return parsed is not None and compare(parsed, constant)

        return holds

    return build


def _version(compare: Order) -> Build:
    return _parsed(precedence, compare, "a version such as 1.4.0")


def _instant(compare: Order) -> Build:
    return _parsed(milliseconds, compare, "an RFC 3339 date such as 2026-03-01T00:00:00Z")


def _is_set(reader: Reader, attribute: str) -> Test | None:
    _constant_absent(reader, ["value", "values"])
    return lambda attributes, _units: attributes.get(attribute) is not None


OPERATORS: Mapping[str, Build] = {
    "equals": _equals,
    "in": _in,
    "greater": _number(operator.gt),
    "greater_or_equal": _number(operator.ge),
    "less": _number(operator.lt),
    "less_or_equal": _number(operator.le),
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
