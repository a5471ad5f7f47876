"""Reads the layers of a snapshot: how units are divided into slots. Knows no experiments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from equipoise_engine.problems import Problem, Reader, pointer

LAYER_MEMBERS = frozenset({"salt", "unit_type"})


@dataclass(frozen=True, slots=True)
class Layer:
    """The randomisation that experiments share."""

    key: str
    salt: str
    unit_type: str


class Layers:
    """The layers of one snapshot, each read when somebody asks for it."""

    def __init__(self, definitions: Mapping[str, object], unit_types: frozenset[str]) -> None:
        self._definitions = definitions
        self._unit_types = unit_types

    def layer(self, key: str) -> Layer | None:
        """Return a sound layer; None when there is none."""
        return self.read(key, []) if key in self._definitions else None

    def read(self, key: str, problems: list[Problem]) -> Layer | None:
        """Return a layer, or None when anything about it is wrong; note what."""
        faults: list[Problem] = []
        reader = Reader(self._definitions[key], pointer("/layers", key), faults, known=LAYER_MEMBERS)
        layer = Layer(key, reader.salt("salt"), read_unit_type(reader, self._unit_types))
        problems.extend(faults)
        return None if faults else layer

    def problems(self) -> list[Problem]:
        """Return what is wrong with any of them."""
        problems: list[Problem] = []
        for key in self._definitions:
            self.read(key, problems)
        return problems


def read_unit_type(reader: Reader, unit_types: frozenset[str]) -> str:
    """Return a unit type that the snapshot declares."""
    unit_type = reader.text("unit_type")
    if unit_type and unit_type not in unit_types:
        reader.senseless("unit_type", f"{unit_type!r} is none of {', '.join(sorted(unit_types))}")
    return unit_type
