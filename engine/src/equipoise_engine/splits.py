"""Gives each enrolled unit its arm, in a layer of all units: slot → gate → split, written out twice.

Once for the interpreter, where calls cost most, and once for compiling, where boxed numbers do. Which
of the two serves depends on how this runs; that they agree is tested in both.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import TYPE_CHECKING, final

from equipoise_engine.contexts import Units
from equipoise_engine.decisions import Answer, Decision, Place, decided
from equipoise_engine.experiments import Experiment, Gate
from equipoise_engine.hashing import (
    ASCII_HEADS,
    HASH_SPACE,
    HASH_TEXT,
    LENGTH_OF_ASCII,
    LONGEST_UNIT_BYTES,
    PARTS,
    SLOT_COUNT,
    WordSalt,
    canonical_unit,
    hash_unit,
    salt,
    threshold,
    thresholds,
)
from equipoise_engine.layers import Slots
from equipoise_engine.murmur import IS_COMPILED
from equipoise_engine.steps import Decider, Found, Skip

if TYPE_CHECKING:
    from mypy_extensions import i64

# Unit type, first and last edge of the slots, the first arm's bound, both arms.
Plain = tuple[str, tuple[int, int], int, Answer, Answer]


def slot_edges(slots: Slots) -> tuple[int, ...]:
    """Return where on the hash the ranges of slots begin and end: after an odd number of edges is inside."""
    edges: list[int] = []
    for low, high in sorted(slots):
        if edges and threshold(low, SLOT_COUNT) <= edges[-1]:
            edges[-1] = max(edges[-1], threshold(high, SLOT_COUNT))
        else:
            edges += (threshold(low, SLOT_COUNT), threshold(high, SLOT_COUNT))
    return tuple(edges)


def placed(experiment: Experiment, answers: Mapping[str, Answer]) -> tuple[Answer, ...]:
    """Return the answers of all arms, in order, to units that are enrolled."""
    return tuple(
        answers[arm.key].placed(
            Place(
                experiment.key,
                experiment.iteration,
                arm.key,
                experiment.unit_type,
                experiment.layer.key,
                experiment.cluster_type,
            )
        )
        for arm in experiment.arms
    )


@final
class GateTest:
    """Tells whether a gate lets a unit pass."""

    __slots__ = ("_limit", "_salt")

    def __init__(self, gate: Gate) -> None:
        self._salt, self._limit = salt(gate.salt), threshold(gate.parts_per_million, PARTS)

    def passes(self, unit: str) -> bool:
        """Tell whether a canonical unit is inside."""
        return self._salt.hash(unit) < self._limit


@final
class Arms:
    """The answers of all arms, and up to which hash each goes."""

    __slots__ = ("answers", "bounds", "first", "first_bound", "later")

    def __init__(self, experiment: Experiment, answers: Mapping[str, Answer]) -> None:
        self.answers = placed(experiment, answers)
        self.bounds = thresholds([arm.weight for arm in experiment.arms])
        self.first, self.first_bound = self.answers[0], self.bounds[0]
        # Of two arms, as most experiments have, it is the other one.
        self.later = self.answers[1] if len(self.answers) == 2 else None  # noqa: PLR2004

    def drawn(self, place: int) -> Answer:
        """Return the answer of the arm that a hash falls to."""
        return self.answers[bisect_right(self.bounds, place)]


@final
class TextSplit(Decider):
    """Hashes ASCII that needs a short head without calls of its own: for the interpreter alone."""

    __slots__ = (
        "_arms",
        "_bound",
        "_edges",
        "_first",
        "_gate",
        "_has_more",
        "_heads",
        "_high",
        "_is_whole",
        "_later",
        "_layer_text",
        "_low",
        "_salts",
        "_split_text",
        "_unit_type",
        "_usual",
    )

    def __init__(self, experiment: Experiment, answers: Mapping[str, Answer]) -> None:
        self._unit_type = experiment.unit_type
        self._arms = arms = Arms(experiment, answers)
        self._first, self._bound, self._later = arms.first, arms.first_bound, arms.later
        self._salts = (experiment.layer.salt, experiment.salt)
        self._layer_text, self._split_text = f"{experiment.layer.salt}:", f"{experiment.salt}:"
        self._usual = LENGTH_OF_ASCII - max(len(self._layer_text), len(self._split_text))
        # What the hashes of units of the size met last begin with; most units of a type are of one size.
        self._heads = (-1, "", "")
        self._gate = None if experiment.gate is None else GateTest(experiment.gate)
        edges = slot_edges(experiment.slots)
        self._edges = edges
        self._low, self._high = (edges[0], edges[-1]) if edges else (0, 0)
        self._is_whole = edges == (0, HASH_SPACE)
        self._has_more = self._gate is not None or len(edges) > 2  # noqa: PLR2004 - one range has two edges

    def decide(self, units: Units, _context: object) -> Found:
        """Answer, or pass."""
        unit = units.get(self._unit_type)
        if type(unit) is not str or not unit.isascii():
            return self._unusual(unit)
        size, layer, split = self._heads
        if len(unit) != size:
            size = len(unit)
            heads = self.heads(size)
            if heads is None:
                return self._unusual(unit)
            layer, split = heads
            self._heads = (size, layer, split)  # at once, so that threads may share it
        if not self._is_whole:
            place = HASH_TEXT(layer + unit, 0, False)
            if not self._low <= place < self._high:
                return None
        if self._has_more and not self._passes(unit):
            return None
        drawn = HASH_TEXT(split + unit, 0, False)
        answer = self._first if drawn < self._bound else self._later or self._arms.drawn(drawn)
        made = Decision()  # as in `decided`, without a call
        made.enrolled = unit
        made.answer = answer
        return made

    def heads(self, size: int) -> tuple[str, str] | None:
        """Return what is hashed before ASCII of a size, for layer and split; None when that is not short."""
        if not 0 < size < self._usual:
            return None
        layer, split = self._layer_text, self._split_text
        return f"{ASCII_HEADS[size + len(layer)]}{layer}", f"{ASCII_HEADS[size + len(split)]}{split}"

    def plain(self) -> Plain | None:
        """Return all that it needs for units of a usual size; None with a gate, several ranges or arms."""
        if self._has_more or self._later is None:
            return None
        return self._unit_type, (self._low, self._high), self._bound, self._first, self._later

    def _unusual(self, value: object) -> Found:
        """Decide for ids that are long, not ASCII, or no text."""
        unit = canonical_unit(value)
        if unit is None:
            return Skip.UNIT_MISSING
        layer, split = self._salts
        if not self._low <= hash_unit(layer, unit) < self._high or not self._passes(unit):
            return None
        return decided(self._arms.drawn(hash_unit(split, unit)), unit)

    def _passes(self, unit: str) -> bool:
        """Tell whether a unit between the outer edges is between the inner ones, and inside the gate."""
        if not bisect_right(self._edges, hash_unit(self._salts[0], unit)) & 1:
            return False
        return self._gate is None or self._gate.passes(unit)


@final
class WordSplit(Decider):
    """Encodes a unit once and hashes the words of its bytes; quickest compiled."""

    __slots__ = (
        "_arms",
        "_bound",
        "_edges",
        "_gate",
        "_high",
        "_is_whole",
        "_layer",
        "_low",
        "_split",
        "_unit_type",
    )

    def __init__(self, experiment: Experiment, answers: Mapping[str, Answer]) -> None:
        self._unit_type = experiment.unit_type
        self._arms = Arms(experiment, answers)
        self._bound: i64 = self._arms.first_bound
        self._layer, self._split = WordSalt(experiment.layer.salt), WordSalt(experiment.salt)
        self._gate = None if experiment.gate is None else GateTest(experiment.gate)
        edges = slot_edges(experiment.slots)
        self._low: i64 = edges[0] if edges else 0
        self._high: i64 = edges[-1] if edges else 0
        self._is_whole = edges == (0, HASH_SPACE)
        self._edges = edges if len(edges) > 2 else None  # noqa: PLR2004 - one range has two edges

    def decide(self, units: Units, _context: object) -> Found:
        """Answer, or pass."""
        value = units.get(self._unit_type)
        unit = value if type(value) is str else canonical_unit(value)
        if unit is None:
            return Skip.UNIT_MISSING
        try:
            data = unit.encode()
        except UnicodeEncodeError:  # a lone surrogate
            return Skip.UNIT_MISSING
        if not 0 < len(data) <= LONGEST_UNIT_BYTES:
            return Skip.UNIT_MISSING
        if not self._is_whole and not self._is_inside(self._layer.hash_bytes(data)):
            return None
        if self._gate is not None and not self._gate.passes(unit):
            return None
        arms, drawn = self._arms, self._split.hash_bytes(data)
        made = Decision()
        made.enrolled = unit
        made.answer = arms.first if drawn < self._bound else arms.later or arms.drawn(drawn)
        return made

    def _is_inside(self, place: i64) -> bool:
        if not self._low <= place < self._high:
            return False
        return self._edges is None or bisect_right(self._edges, place) & 1 == 1


def split(experiment: Experiment, answers: Mapping[str, Answer]) -> Decider:
    """Return the one of both that is quicker here."""
    return WordSplit(experiment, answers) if IS_COMPILED else TextSplit(experiment, answers)
