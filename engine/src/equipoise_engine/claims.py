"""What a clause claims of an attribute, compiled: one class for each kind of claim, each strictly typed.

A missing or wrongly typed attribute makes every claim false (spec/evaluation.md, "Conditions").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeGuard, final

from equipoise_engine.contexts import Attributes, Test, Units

# Not float alone, which would make doubles of integers when this is compiled.
Number = int | float
Order = Callable[[Any, Any], bool]  # operator.lt and its siblings, on two values of one type
Match = Callable[[str, tuple[str, ...]], bool]
Parse = Callable[[object], object | None]


def is_number(value: object) -> TypeGuard[Number]:
    """Tell whether a value is a number; a boolean is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@final
class Clause:
    """An attribute is one of some texts, or a number between two bounds, both included.

    Most clauses are of these two kinds. They are no tests by themselves: `Every` looks at them without
    a call for each.

    Attributes:
        texts: None when it is about a number. Only strings equal strings, so types need no look.
        low, high: None when there is no such bound.
    """

    __slots__ = ("attribute", "high", "low", "texts")

    def __init__(
        self,
        attribute: str,
        texts: frozenset[object] | None,
        *,
        low: Number | None = None,
        high: Number | None = None,
    ) -> None:
        self.attribute = attribute
        self.texts = texts
        self.low = low
        self.high = high


@final
class NumberIn(Test):
    """An attribute is one of some numbers."""

    __slots__ = ("attribute", "constants")

    def __init__(self, attribute: str, constants: frozenset[object]) -> None:
        self.attribute = attribute
        self.constants = constants

    def holds(self, attributes: Attributes, _units: Units) -> bool:
        """Tell whether it holds for somebody."""
        value = attributes.get(self.attribute)
        return is_number(value) and value in self.constants


@final
class Truth(Test):
    """An attribute is true, or is false."""

    __slots__ = ("attribute", "constant")

    def __init__(self, attribute: str, constant: bool) -> None:
        self.attribute = attribute
        self.constant = constant

    def holds(self, attributes: Attributes, _units: Units) -> bool:
        """Tell whether it holds for somebody."""
        return attributes.get(self.attribute) is self.constant


@final
class TextMatch(Test):
    """A text begins with, ends with or contains one of some texts."""

    __slots__ = ("attribute", "constants", "matches")

    def __init__(self, attribute: str, matches: Match, constants: tuple[str, ...]) -> None:
        self.attribute = attribute
        self.matches = matches
        self.constants = constants

    def holds(self, attributes: Attributes, _units: Units) -> bool:
        """Tell whether it holds for somebody."""
        value = attributes.get(self.attribute)
        return isinstance(value, str) and self.matches(value, self.constants)


@final
class ParsedOrder(Test):
    """What an attribute parses to, a version or an instant, stands before or behind a constant."""

    __slots__ = ("attribute", "compare", "constant", "parse")

    def __init__(self, attribute: str, parse: Parse, compare: Order, constant: object) -> None:
        self.attribute = attribute
        self.parse = parse
        self.compare = compare
        self.constant = constant

    def holds(self, attributes: Attributes, _units: Units) -> bool:
        """Tell whether it holds for somebody."""
        parsed = self.parse(attributes.get(self.attribute))
        return parsed is not None and self.compare(parsed, self.constant)


@final
class IsSet(Test):
    """An attribute has a value."""

    __slots__ = ("attribute",)

    def __init__(self, attribute: str) -> None:
        self.attribute = attribute

    def holds(self, attributes: Attributes, _units: Units) -> bool:
        """Tell whether it holds for somebody."""
        return attributes.get(self.attribute) is not None
