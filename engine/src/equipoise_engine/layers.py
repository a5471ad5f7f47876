"""Reads the layers of a snapshot: how units are divided into slots. Knows no experiments.

A layer divides all units, or those in a domain: some slots of another layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from equipoise_engine.hashing import SLOT_COUNT
from equipoise_engine.problems import Problem, Reader, pointer

LAYER_MEMBERS = frozenset({"salt", "unit_type", "launch", "domain"})
DOMAIN_MEMBERS = frozenset({"layer", "slots"})
LARGEST_DEPTH = 16

Slots = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """The randomisation that experiments share.

    Attributes:
        is_launch: whether its experiments are asked after those of other layers, for whom these left over.
        domain: the units that it divides; None stands for all.
    """

    key: str
    salt: str
    unit_type: str
    is_launch: bool = False
    domain: Domain | None = None


@dataclass(frozen=True, slots=True)
class Domain:
    """The units in some slots of a layer."""

    layer: Layer
    slots: Slots


class Layers:
    """The layers of one snapshot, each read when somebody asks for it."""

    def __init__(self, definitions: Mapping[str, object], unit_types: frozenset[str]) -> None:
        self._definitions = definitions
        self.unit_types = unit_types

    def layer(self, key: str) -> Layer | None:
        """Return a sound layer; None when there is none."""
        return self._read(key, [], 1) if key in self._definitions else None

    def read_all(self, problems: list[Problem]) -> list[Layer]:
        """Return the sound layers; note what is wrong with the others."""
        layers = [self._read(key, problems, 1) for key in self._definitions]
        return [layer for layer in layers if layer is not None]

    def _read(self, key: str, problems: list[Problem], level: int) -> Layer | None:
        faults: list[Problem] = []
        reader = Reader(self._definitions[key], pointer("/layers", key), faults, known=LAYER_MEMBERS)
        salt, unit_type = reader.salt("salt"), read_unit_type(reader, self.unit_types)
        layer = Layer(key, salt, unit_type, reader.truth("launch"), self._domain(reader, unit_type, level))
        problems.extend(faults)
        return None if faults else layer

    def _domain(self, reader: Reader, unit_type: str, level: int) -> Domain | None:
        if "domain" not in reader.members:
            return None
        if level == LARGEST_DEPTH:
            reader.senseless("domain", f"nests deeper than {LARGEST_DEPTH} layers")
            return None
        path = pointer(reader.path, "domain")
        body = Reader(reader.get("domain"), path, reader.problems, known=DOMAIN_MEMBERS)
        key, slots = body.text("layer"), read_slots(body)
        outer = self._read(key, [], level + 1) if key in self._definitions else None
        if outer is None and key:
            body.senseless("layer", f"there is no sound layer {key!r}")
        elif outer is not None and unit_type and outer.unit_type != unit_type:
            body.senseless("layer", f"must be of unit type {unit_type!r}, not {outer.unit_type!r}")
        return None if outer is None else Domain(outer, slots)


def read_unit_type(reader: Reader, unit_types: frozenset[str]) -> str:
    """Return a unit type that the snapshot declares."""
    unit_type = reader.text("unit_type")
    if unit_type and unit_type not in unit_types:
        reader.senseless("unit_type", f"{unit_type!r} is none of {', '.join(sorted(unit_types))}")
    return unit_type


def read_slots(reader: Reader) -> Slots:
    """Return required half-open ranges of slots."""
    ranges: list[tuple[int, int]] = []
    for index, entry in enumerate(reader.array("slots")):
        found = _range(entry)
        if found is None:
            told = f"entry {index} must be [from, to] with 0 ≤ from < to ≤ 10,000"
            reader.malformed("slots", told)
        else:
            ranges.append(found)
    if "slots" not in reader.members:
        reader.malformed("slots", "is required")
    return tuple(ranges)


def _range(entry: object) -> tuple[int, int] | None:
    if not isinstance(entry, (list, tuple)) or [type(edge) for edge in entry] != [int, int]:
        return None
    low, high = entry
    return (low, high) if 0 <= low < high <= SLOT_COUNT else None
