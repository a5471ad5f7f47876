"""Units that are kept on the baseline of every flag that a holdout covers; and those that are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from equipoise_engine.contexts import Units
from equipoise_engine.decisions import Decision, Enrolment, Finding, Skip
from equipoise_engine.hashing import PARTS, canonical_unit, hash_with, threshold
from equipoise_engine.layers import read_unit_type
from equipoise_engine.problems import Problem, Reader, pointer
from equipoise_engine.steps import FlagStep, Found

HOLDOUT_MEMBERS = frozenset({"season", "salt", "unit_type", "parts_per_million"})
COVER_MEMBERS = frozenset({"holdout", "baseline"})
LARGEST_SEASON = 2**53 - 1


class Holdout(NamedTuple):
    """The share of units that is held; a new season draws them anew, by another salt."""

    key: str
    season: int
    salt: str
    unit_type: str
    parts_per_million: int

    def place(self, arm: str, unit: str) -> Enrolment:
        """Return a unit's place in one of the arms."""
        return Enrolment(self.key, self.season, arm, self.unit_type, unit, self.key)


class Holdouts:
    """The holdouts of one snapshot; None stands for a faulty one."""

    def __init__(self, definitions: Mapping[str, object], unit_types: frozenset[str]) -> None:
        self.problems: list[Problem] = []
        self._holdouts = {key: self._read(key, node, unit_types) for key, node in definitions.items()}

    def holdout(self, key: str) -> Holdout | None:
        """Return a sound holdout; None when there is none."""
        return self._holdouts.get(key)

    def _read(self, key: str, node: object, unit_types: frozenset[str]) -> Holdout | None:
        faults: list[Problem] = []
        reader = Reader(node, pointer("/holdouts", key), faults, known=HOLDOUT_MEMBERS)
        season, salt = reader.integer("season", 1, LARGEST_SEASON), reader.salt("salt")
        unit_type = read_unit_type(reader, unit_types)
        parts = reader.integer("parts_per_million", 0, PARTS)
        self.problems.extend(faults)
        return None if faults else Holdout(key, season, salt, unit_type, parts)


def holdout_step(holdout: Holdout, baseline: Decision) -> FlagStep:
    """Serve the baseline to units that are held; note of others that they are open to what follows."""
    unit_type, salt, parts = holdout.unit_type, holdout.salt, holdout.parts_per_million
    held_hash, limit = hash_with(salt), threshold(parts, PARTS)

    def decide(units: Units, _context: object) -> Decision | Enrolment | Skip:
        unit = canonical_unit(units.get(unit_type))
        if unit is None:
            return Skip.UNIT_MISSING
        if held_hash(unit) >= limit:
            return holdout.place("open", unit)
        return baseline._replace(holdouts=(holdout.place("holdout", unit),))

    def found(units: Units, _context: object) -> Found:
        unit = canonical_unit(units.get(unit_type))
        if unit is None:
            return Found(Finding.UNIT_MISSING, {"unit_type": unit_type})
        part = held_hash(unit) * PARTS >> 32
        finding = Finding.HELD if part < parts else Finding.OPEN
        return Found(finding, {"unit_type": unit_type, "unit": unit, "gate_part": part, "gate_parts": parts})

    return FlagStep("holdout", holdout.key, None, decide, found)
