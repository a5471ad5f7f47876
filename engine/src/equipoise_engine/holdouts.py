"""Units that are kept on the baseline of every flag that a holdout covers; and those that are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, final

from equipoise_engine.contexts import Units
from equipoise_engine.decisions import Answer, Enrolment, decided
from equipoise_engine.explanations import Finding
from equipoise_engine.hashing import PARTS, canonical_unit, hash_unit, salt, threshold
from equipoise_engine.layers import read_unit_type
from equipoise_engine.metadata import Scalar
from equipoise_engine.problems import Problem, Reader, pointer
from equipoise_engine.steps import Decider, FlagStep, Found, Reading, Skip

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


@final
class Held(Decider):
    """Serves the baseline to units that are held; notes of others that they are open to what follows."""

    __slots__ = ("_baseline", "_holdout", "_limit", "_salt")

    def __init__(self, holdout: Holdout, baseline: Answer) -> None:
        self._holdout = holdout
        self._baseline = baseline
        self._salt, self._limit = salt(holdout.salt), threshold(holdout.parts_per_million, PARTS)

    def decide(self, units: Units, _context: object) -> Found:
        """Answer, or note why not."""
        holdout, baseline = self._holdout, self._baseline
        unit = canonical_unit(units.get(holdout.unit_type))
        if unit is None:
            return Skip.UNIT_MISSING
        if self._salt.hash(unit) >= self._limit:
            return holdout.place("open", unit)
        return decided(baseline.told(baseline.metadata, (holdout.place("holdout", unit),)))


def holdout_step(holdout: Holdout, baseline: Answer) -> FlagStep:
    """Serve the baseline to units that are held."""
    unit_type, parts = holdout.unit_type, holdout.parts_per_million

    def read(units: Units, _context: object) -> Reading:
        unit = canonical_unit(units.get(unit_type))
        if unit is None:
            return Reading(Finding.UNIT_MISSING, {"unit_type": unit_type})
        part = hash_unit(holdout.salt, unit) * PARTS >> 32
        finding = Finding.HELD if part < parts else Finding.OPEN
        told: dict[str, Scalar] = {"unit_type": unit_type, "unit": unit}
        return Reading(finding, {**told, "gate_part": part, "gate_parts": parts})

    return FlagStep("holdout", holdout.key, None, Held(holdout, baseline), read)
