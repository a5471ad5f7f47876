"""Compiles conditions into predicates over attributes (spec/evaluation.md, "Conditions").

Two-valued and strictly typed: a missing or wrongly typed attribute makes a clause false.
"""

from __future__ import annotations

import marshal
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

from equipoise_engine.contexts import Attributes, Test, Units
from equipoise_engine.instants import milliseconds
from equipoise_engine.problems import Problem, Reader, pointer
from equipoise_engine.versions import precedence

LARGEST_DEPTH = 16
LARGEST_EXACT = 2**53 - 1
_PLAIN = 2  # the last version of marshal that writes equal values alike

Order = Callable[[Any, Any], bool]  # operator.lt and its siblings, on two values of one type
Build = Callable[[Reader, str], Test | None]

NODE_MEMBERS = frozenset({"all", "any", "not", "segment", "attribute"})
CLAUSE_MEMBERS = frozenset({"attribute", "operator", "value", "values"})


class Condition(NamedTuple):
    """A compiled condition and how many levels it has, those of its segments included."""

    test: Test
    depth: int


class Segments:
    """The named conditions of a snapshot, each compiled after those that it uses."""

    def __init__(self, definitions: Mapping[str, object]) -> None:
        self._compiled: dict[str, Condition | None] = {}
        self._shared: dict[bytes, Test] = {}
        self.problems: list[Problem] = []
        for name in _inner_first(definitions):
            path = pointer("/segments", name)
            self._compiled[name] = condition(definitions[name], path, self, self.problems)
        for name in definitions.keys() - self._compiled.keys():
            self._compiled[name] = None
            self.problems.append(Problem(pointer("/segments", name), "is defined by itself"))

    def condition(self, name: str, reader: Reader) -> Condition | None:
        """Return a segment's condition; note at the reader when there is none to use."""
        if name and name not in self._compiled:
            reader.senseless("segment", f"there is no segment {name!r}")
        elif name and self._compiled[name] is None:
            reader.senseless("segment", f"segment {name!r} is faulty")
        return self._compiled.get(name)

    def test(self, node: Any, path: str, problems: list[Problem]) -> Test | None:
        """Compile a condition of a rule or experiment; equal ones share one test."""
        try:
            written = marshal.dumps(node, _PLAIN)
        except ValueError:  # not plain JSON: nothing to compare it by
            return self._test(node, path, problems)
        if written not in self._shared:
            made = self._test(node, path, problems)
            if made is None:
                return None
            self._shared[written] = made
        return self._shared[written]

    def _test(self, node: object, path: str, problems: list[Problem]) -> Test | None:
        compiled = condition(node, path, self, problems)
        return None if compiled is None else compiled.test


def _inner_first(definitions: Mapping[str, object]) -> Iterator[str]:
    """Yield every segment after those it names; those in or behind a cycle are left out."""
    sorter = TopologicalSorter(
        {name: _named(node) & definitions.keys() for name, node in definitions.items()}
    )
    with suppress(CycleError):
        sorter.prepare()
    while ready := sorter.get_ready():
        yield from ready
        sorter.done(*ready)


def _named(node: object) -> set[str]:
    """Return the segments that a condition names, whatever its form."""
    names: set[str] = set()
    pending = [node]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            name = part.get("segment")
            names.update([name] if isinstance(name, str) else [])
            pending.extend(part.values())
        elif isinstance(part, list):
            pending.extend(part)
    return names


def condition(
    node: object, path: str, segments: Segments, problems: list[Problem], *, level: int = 1
) -> Condition | None:
    """Compile a condition; on a fault note why and return None."""
    if level > LARGEST_DEPTH:
        problems.append(Problem(path, f"nests deeper than {LARGEST_DEPTH} levels"))
        return None
    kinds = NODE_MEMBERS & node.keys() if isinstance(node, dict) else frozenset[str]()
    if len(kinds) != 1:
        reader = Reader(node, path, problems, known=NODE_MEMBERS | CLAUSE_MEMBERS)
        reader.malformed(None, "must have exactly one of all, any, not, segment, attribute")
        return None
    (kind,) = kinds
    if kind == "attribute":
        test = _clause(Reader(node, path, problems, known=CLAUSE_MEMBERS))
        return None if test is None else Condition(test, 1)
    reader = Reader(node, path, problems, known=frozenset({kind}))
    if kind == "segment":
        inner = segments.condition(reader.text("segment"), reader)
        return None if inner is None else _nested(inner.test, [inner], level, reader)
    return _combination(kind, reader, segments, level)


def _combination(kind: str, reader: Reader, segments: Segments, level: int) -> Condition | None:
    below = pointer(reader.path, kind)
    if kind == "not":
        places = [(reader.get("not"), below)]
    else:
        places = [(part, f"{below}/{index}") for index, part in enumerate(reader.array(kind))]
    parts = [condition(part, path, segments, reader.problems, level=level + 1) for part, path in places]
    sound = [part for part in parts if part is not None]
    if len(sound) < len(parts):
        return None
    tests = tuple(part.test for part in sound)
    return _nested(_COMBINATIONS[kind](tests), sound, level, reader)


def _nested(test: Test, inner: Iterable[Condition], level: int, reader: Reader) -> Condition | None:
    """Count the level that a node adds; segments may make a shallow tree too deep."""
    depth = 1 + max((part.depth for part in inner), default=0)
    if level - 1 + depth > LARGEST_DEPTH:
        reader.senseless(None, f"nests deeper than {LARGEST_DEPTH} levels, segments included")
        return None
    return Condition(test, depth)


def _all(tests: tuple[Test, ...]) -> Test:
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:  # noqa: PLR2004 - pairs are common, and a third cheaper without a loop
        one, other = tests
        return lambda attributes, units: one(attributes, units) and other(attributes, units)

    def every(attributes: Attributes, units: Units) -> bool:
        for test in tests:  # noqa: SIM110 - half the time of all() with a generator
            if not test(attributes, units):
                return False
        return True

    return every


def _any(tests: tuple[Test, ...]) -> Test:
    def some(attributes: Attributes, units: Units) -> bool:
        for test in tests:  # noqa: SIM110 - as above
            if test(attributes, units):
                return True
        return False

    return some


def _not(tests: tuple[Test, ...]) -> Test:
    (test,) = tests
    return lambda attributes, units: not test(attributes, units)


_COMBINATIONS: Mapping[str, Callable[[tuple[Test, ...]], Test]] = {
    "all": _all,
    "any": _any,
    "not": _not,
}


def _clause(reader: Reader) -> Test | None:
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
