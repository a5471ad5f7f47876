"""Conditions made of conditions: all of them, any of them, the opposite of one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

from equipoise_engine.claims import Clause, is_number
from equipoise_engine.contexts import Attributes, Test, Units

# What a condition is made of.
Part = Clause | Test


@final
class Every(Test):
    """Holds when all parts do. Clauses are looked at here, and first: a call costs more than they do."""

    __slots__ = ("clauses", "others")

    def __init__(self, parts: Iterable[Part]) -> None:
        clauses: list[Clause] = []
        others: list[Test] = []
        for part in parts:
            if isinstance(part, Clause):
                clauses.append(part)
            elif isinstance(part, Every):
                clauses.extend(part.clauses)
                others.extend(part.others or ())
            else:
                others.append(part)
        self.clauses: tuple[Clause, ...] = tuple(clauses)
        self.others: tuple[Test, ...] | None = tuple(others) if others else None

    def holds(self, attributes: Attributes, units: Units) -> bool:
        """Tell whether it holds for somebody."""
        try:
            for clause in self.clauses:
                value = attributes.get(clause.attribute)
                texts = clause.texts
                if texts is not None:
                    if value not in texts:
                        return False
                elif (  # NaN is on no side of a bound
                    not (type(value) is int or is_number(value))
                    or (clause.low is not None and not value >= clause.low)
                    or (clause.high is not None and not value <= clause.high)
                ):
                    return False
        except TypeError:  # lists and objects have no hash
            return False
        return self.others is None or self._others_hold(attributes, units)

    def _others_hold(self, attributes: Attributes, units: Units) -> bool:
        for test in self.others or ():  # noqa: SIM110 - half the time of all() with a generator
            if not test.holds(attributes, units):
                return False
        return True


@final
class Some(Test):
    """Holds when any part does."""

    __slots__ = ("_tests",)

    def __init__(self, parts: Iterable[Part]) -> None:
        self._tests = tuple([Every((part,)) for part in parts])

    def holds(self, attributes: Attributes, units: Units) -> bool:
        """Tell whether it holds for somebody."""
        for test in self._tests:  # noqa: SIM110 - as above
            if test.holds(attributes, units):
                return True
        return False


@final
class Opposite(Test):
    """Holds when another condition does not."""

    __slots__ = ("_test",)

    def __init__(self, part: Part) -> None:
        self._test = Every((part,))

    def holds(self, attributes: Attributes, units: Units) -> bool:
        """Tell whether it holds for somebody."""
        return not self._test.holds(attributes, units)
