"""Conditions as JSONLogic, in the part of it that flagd's evaluators agree on. Pure.

They disagree on values of other types than a comparison wants: what is assumed of attributes is noted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Logic = object
"""JSONLogic: what JSON can say."""
Node = Mapping[str, object]
LARGEST_LIST = 1_000
TARGETING_KEY = "targetingKey"
_TRUTHS = ["true", "false", "True", "False"]
_COMPARISONS = {"greater": ">", "greater_or_equal": ">=", "less": "<", "less_or_equal": "<="}
_VERSIONS = {
    "semver_equals": "=", "semver_greater": ">", "semver_greater_or_equal": ">=", "semver_less": "<",
    "semver_less_or_equal": "<=",
}  # fmt: skip


class NotExpressible(Exception):
    """A flag uses what flagd has no words for; says what, and the way out."""


@dataclass(slots=True)
class Notes:
    """What was assumed of attributes on the way: (attribute, what it must be where it is given)."""

    assumed: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Conditions:
    """Turns the conditions of one snapshot into logic."""

    segments: Mapping[str, object]
    default_unit_type: str
    notes: Notes

    def logic(self, node: object) -> Logic:
        """A condition; null is everybody.

        Raises:
            NotExpressible: when a part of it has no counterpart.
        """
        if node is None:
            return True
        if not isinstance(node, Mapping):
            raise NotExpressible("a condition that is no object")
        for name in ("all", "any", "not", "segment", "members"):
            if name in node:
                return self._combined(name, node[name])
        return self._clause(node)

    def unit(self, unit_type: str) -> Logic:
        """The id of the context's unit of a type."""
        return {"var": TARGETING_KEY if unit_type == self.default_unit_type else unit_type}

    def listed(self, unit_type: str, units: object) -> Logic:
        """Whether the unit is one of these."""
        named = [str(unit) for unit in units] if isinstance(units, list) else []
        if len(named) > LARGEST_LIST:
            raise NotExpressible(f"a list of more than {LARGEST_LIST:,} units; send an attribute instead")
        return {"in": [self.unit(unit_type), named]}

    def _combined(self, name: str, inner: object) -> Logic:
        if name in {"all", "any"}:
            parts = [self.logic(part) for part in inner] if isinstance(inner, list) else []
            return all_of(parts) if name == "all" else any_of(parts)
        if name == "not":
            return {"!": [self.logic(inner)]}
        if name == "segment":
            return self.logic(self.segments.get(str(inner)))
        members = inner if isinstance(inner, Mapping) else {}
        if "blob" in members:
            raise NotExpressible("a large list of hashed units; send an attribute instead")
        return self.listed(str(members.get("unit_type")), members.get("units"))

    def _clause(self, node: Node) -> Logic:
        name, operator = str(node.get("attribute")), str(node.get("operator"))
        if "." in name or name == TARGETING_KEY:
            raise NotExpressible(f"the attribute “{name}”: dots and targetingKey mean something else there")
        attribute: Logic = {"var": name}
        given: Logic = {"!==": [attribute, None]}
        if operator == "is_set":
            return given
        if operator in _COMPARISONS:
            self._assume(name, "a number")
            return all_of([given, _no_truth(attribute), {_COMPARISONS[operator]: [attribute, node["value"]]}])
        if operator in _VERSIONS:
            self._assume(name, "text")
            return all_of([given, {"sem_ver": [attribute, _VERSIONS[operator], node["value"]]}])
        test = _TESTS.get(operator)
        if test is None:
            raise NotExpressible(f"the operator “{operator}”; send an attribute with its outcome instead")
        if operator == "contains":
            self._assume(name, "text")
        return test(attribute, node)

    def _assume(self, attribute: str, kind: str) -> None:
        self.notes.assumed.add((attribute, kind))


def all_of(parts: list[Logic]) -> Logic:
    """Logic that holds when all parts do."""
    needed = [part for part in parts if part is not True]
    if not needed:
        return True
    return needed[0] if len(needed) == 1 else {"and": needed}


def any_of(parts: list[Logic]) -> Logic:
    """Logic that holds when one part does."""
    if not parts:
        return False
    return parts[0] if len(parts) == 1 else {"or": parts}


def _equals(attribute: Logic, node: Node) -> Logic:
    value = node["value"]
    same: Logic = {"===": [attribute, value]}
    if isinstance(value, bool):  # in Python 1 is true
        return all_of([same, {"in": [{"cat": [attribute]}, _TRUTHS]}])
    if isinstance(value, int | float) and value in {0, 1}:
        return all_of([same, _no_truth(attribute)])
    return same


def _in(attribute: Logic, node: Node) -> Logic:
    values = node["values"]
    listed: Logic = {"in": [attribute, values]}
    is_numeric = isinstance(values, list) and any(not isinstance(value, str) for value in values)
    return all_of([listed, _no_truth(attribute)]) if is_numeric else listed


def _no_truth(attribute: Logic) -> Logic:
    return {"!": [{"in": [{"cat": [attribute]}, _TRUTHS]}]}


def _texts(operator: str) -> Callable[[Logic, Node], Logic]:
    def test(attribute: Logic, node: Node) -> Logic:
        values = node["values"]
        parts = [{operator: [attribute, value]} for value in values] if isinstance(values, list) else []
        return any_of([*parts])

    return test


def _contains(attribute: Logic, node: Node) -> Logic:
    values = node["values"]
    parts = [{"in": [value, attribute]} for value in values] if isinstance(values, list) else []
    return all_of([{"!!": [attribute]}, any_of([*parts])])


_TESTS: Mapping[str, Callable[[Logic, Node], Logic]] = {
    "equals": _equals,
    "in": _in,
    "starts_with": _texts("starts_with"),
    "ends_with": _texts("ends_with"),
    "contains": _contains,
}
