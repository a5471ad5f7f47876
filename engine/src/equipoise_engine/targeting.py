"""Compiles conditions into predicates over attributes and units (spec/evaluation.md, "Conditions")."""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

from equipoise_engine.combinations import Every, Opposite, Part, Some
from equipoise_engine.contexts import Test
from equipoise_engine.layers import read_unit_type
from equipoise_engine.members import HashedMembership, Members, NamedMembership, read_units
from equipoise_engine.operators import CLAUSE_MEMBERS, clause
from equipoise_engine.problems import Problem, Reader, pointer

LARGEST_DEPTH = 16
LARGEST_SIZE = 10_000
_PLAIN = 2  # the last version of marshal that writes equal values alike

NODE_MEMBERS = frozenset({"all", "any", "not", "segment", "members", "attribute"})
NAMED_MEMBERS = frozenset({"unit_type", "units"})
HASHED_MEMBERS = frozenset({"unit_type", "blob", "salt"})


class Condition(NamedTuple):
    """A compiled condition.

    Attributes:
        depth: its levels, those of its segments included.
        size: its nodes, those of its segments included, each as often as it is named.
    """

    part: Part
    depth: int = 1
    size: int = 1


class Segments:
    """The named conditions of a snapshot, each compiled after those that it uses.

    Args:
        definitions: name → condition.
        unit_types: those that the snapshot declares.
        blobs: address → list of members.
    """

    def __init__(
        self, definitions: Mapping[str, object], unit_types: frozenset[str], blobs: Mapping[str, Members]
    ) -> None:
        self._unit_types = unit_types
        self._blobs = blobs
        self._compiled: dict[str, Condition | None] = {}
        self._shared: dict[bytes, Every] = {}
        self.problems: list[Problem] = []
        for name in _inner_first(definitions):
            faults = len(self.problems)
            made = condition(definitions[name], pointer("/segments", name), self, self.problems)
            self._compiled[name] = made if len(self.problems) == faults else None
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

    def test(self, node: Any, path: str, problems: list[Problem]) -> Every | None:
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

    def members(self, reader: Reader) -> Test | None:
        """Compile a list of units, named or hashed; on a fault note why and return None."""
        faults = len(reader.problems)
        unit_type = read_unit_type(reader, self._unit_types)
        if "units" in reader.members:
            named = read_units(reader)
            return NamedMembership(unit_type, named) if len(reader.problems) == faults else None
        address, salt = reader.text("blob"), reader.salt("salt")
        if address and address not in self._blobs:
            reader.senseless("blob", f"there is no list of members {address!r} beside the snapshot")
        if len(reader.problems) > faults:
            return None
        return HashedMembership(unit_type, salt, self._blobs[address])

    def _test(self, node: object, path: str, problems: list[Problem]) -> Every | None:
        faults = len(problems)
        compiled = condition(node, path, self, problems)
        return None if compiled is None or len(problems) > faults else Every((compiled.part,))


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
    kinds = NODE_MEMBERS.intersection(node) if isinstance(node, dict) else frozenset[str]()
    if len(kinds) != 1:
        reader = Reader(node, path, problems, known=NODE_MEMBERS | CLAUSE_MEMBERS)
        reader.malformed(None, "must have exactly one of all, any, not, segment, members, attribute")
        return None
    (kind,) = kinds
    if kind == "attribute":
        test = clause(Reader(node, path, problems, known=CLAUSE_MEMBERS))
        return None if test is None else Condition(test)
    reader = Reader(node, path, problems, known=frozenset({kind}))
    if kind == "members":
        return _members(reader, segments)
    if kind == "segment":
        inner = segments.condition(reader.text("segment"), reader)
        return None if inner is None else _nested(inner.part, [inner], level, reader)
    return _combination(kind, reader, segments, level)


def _members(reader: Reader, segments: Segments) -> Condition | None:
    node = reader.get("members")
    by_name = isinstance(node, dict) and "units" in node
    known = NAMED_MEMBERS if by_name else HASHED_MEMBERS
    test = segments.members(Reader(node, pointer(reader.path, "members"), reader.problems, known=known))
    return None if test is None else Condition(test)


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
    inner = [made.part for made in sound]
    return _nested(_COMBINATIONS[kind](inner), sound, level, reader)


def _nested(part: Part, inner: Sequence[Condition], level: int, reader: Reader) -> Condition | None:
    """Count the level that a node adds; segments may make a small tree too deep or too large."""
    depth = 1 + max((one.depth for one in inner), default=0)
    size = 1 + sum(one.size for one in inner)
    if level - 1 + depth > LARGEST_DEPTH:
        reader.senseless(None, f"nests deeper than {LARGEST_DEPTH} levels, segments included")
        return None
    if size > LARGEST_SIZE:
        reader.senseless(None, f"has more than {LARGEST_SIZE:,} parts, segments included")
        return None
    return Condition(part, depth, size)


def _not(parts: Sequence[Part]) -> Test:
    (part,) = parts
    return Opposite(part)


_COMBINATIONS: Mapping[str, Callable[[Sequence[Part]], Test]] = {
    "all": Every,
    "any": Some,
    "not": _not,
}
