"""Compiles one experiment into a step: eligibility → slot in the layer → gate → split.

A stopped or killed experiment enrols the same units and answers its control, without an enrolment.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping

from equipoise_engine.contexts import Units
from equipoise_engine.decisions import Decision, Finding, Place, Scalar, Skip
from equipoise_engine.experiments import Experiment, Gate, Service
from equipoise_engine.hashing import (
    ASCII_HEADS,
    HASH_TEXT,
    LENGTH_OF_ASCII,
    PARTS,
    SLOT_COUNT,
    canonical_unit,
    hash_unit,
    hash_with,
    pick,
    slot,
    threshold,
    thresholds,
)
from equipoise_engine.layers import Layer, Slots
from equipoise_engine.steps import Decide, FlagStep, Found

Entrance = Callable[[object], str | Skip | None]

_new = tuple.__new__


def experiment_step(experiment: Experiment, answers: Mapping[str, Decision]) -> FlagStep:
    """Serve what an experiment gives the units that it enrols.

    Args:
        experiment: who is enrolled, and how they are split.
        answers: arm key → prepared decision, for the flag that the step belongs to.
    """
    is_split = experiment.service is Service.SPLIT
    decide = _Split(experiment, answers).decide if is_split else _control(experiment, answers)

    def found(units: Units, _context: object) -> Found:
        return _found(experiment, units)

    return FlagStep("experiment", experiment.key, experiment.eligible, decide, found)


def _control(experiment: Experiment, answers: Mapping[str, Decision]) -> Decide:
    unit_type, entrance = experiment.unit_type, _entrance(experiment)
    control = answers[experiment.control.key]

    def decide(units: Units, _context: object) -> Decision | Skip | None:
        entered = entrance(units.get(unit_type))
        return control if isinstance(entered, str) else entered

    return decide


class _Split:
    """Gives each enrolled unit its arm; writes out the arithmetic of `_entrance` for usual unit ids.

    A class with slots, because what it needs then lies together in memory; closures scatter it.
    """

    __slots__ = (
        "arms",
        "edges",
        "entrance",
        "high",
        "inside",
        "layer_size",
        "layer_text",
        "low",
        "prepared",
        "split_size",
        "split_text",
        "unit_type",
        "usual",
    )

    def __init__(self, experiment: Experiment, answers: Mapping[str, Decision]) -> None:
        self.unit_type, self.entrance = experiment.unit_type, _entrance(experiment)
        self.arms = thresholds([arm.weight for arm in experiment.arms])
        self.prepared = tuple(_prepared(experiment, arm.key, answers[arm.key]) for arm in experiment.arms)
        self.layer_text, self.split_text = f"{experiment.layer.salt}:", f"{experiment.salt}:"
        self.layer_size, self.split_size = len(self.layer_text), len(self.split_text)
        is_nested = experiment.layer.domain is not None
        self.usual = 0 if is_nested else LENGTH_OF_ASCII - max(self.layer_size, self.split_size)
        self.inside = _gate_test(experiment.gate)
        edges = _slot_edges(experiment.slots)
        self.low, self.high = (edges[0], edges[-1]) if edges else (0, 0)
        self.edges = edges if len(edges) > 2 else None  # noqa: PLR2004 - one range has two edges

    def decide(self, units: Units, _context: object) -> Decision | Skip | None:
        unit = units.get(self.unit_type)
        if type(unit) is not str or not unit.isascii():
            return self._of_unusual(unit)
        size = len(unit)
        if not 0 < size < self.usual:
            return self._of_unusual(unit)
        place = HASH_TEXT(f"{ASCII_HEADS[size + self.layer_size]}{self.layer_text}{unit}", 0, False)
        if not self.low <= place < self.high:
            return None
        if self.edges is not None and not bisect_right(self.edges, place) & 1:
            return None
        if self.inside is not None and not self.inside(unit):
            return None
        drawn = HASH_TEXT(f"{ASCII_HEADS[size + self.split_size]}{self.split_text}{unit}", 0, False)
        return _new(Decision, self.prepared[bisect_right(self.arms, drawn)] + (unit,))

    def _of_unusual(self, value: object) -> Decision | Skip | None:
        entered = self.entrance(value)
        if not isinstance(entered, str):
            return entered
        drawn = hash_unit(self.split_text[:-1], entered)
        return _new(Decision, (*self.prepared[bisect_right(self.arms, drawn)], entered))


def _entrance(experiment: Experiment) -> Entrance:
    """Return the canonical id of a unit that the experiment enrols; what else it returns is the answer."""
    rooms = tuple((hash_with(layer.salt), _slot_edges(slots)) for layer, slots in _rooms(experiment))
    inside = _gate_test(experiment.gate)

    def entrance(value: object) -> str | Skip | None:
        unit = canonical_unit(value)
        if unit is None:
            return Skip.UNIT_MISSING
        for room_hash, edges in rooms:
            if not bisect_right(edges, room_hash(unit)) & 1:
                return None
        return unit if inside is None or inside(unit) else None

    return entrance


def _rooms(experiment: Experiment) -> list[tuple[Layer, Slots]]:
    """Return the layers that divide the units, outermost first, each with the slots that go further."""
    rooms = [(experiment.layer, experiment.slots)]
    while (domain := rooms[0][0].domain) is not None:
        rooms.insert(0, (domain.layer, domain.slots))
    return rooms


def _slot_edges(slots: Slots) -> tuple[int, ...]:
    """Return where on the hash the ranges of slots begin and end: after an odd number of edges is inside."""
    edges: list[int] = []
    for low, high in sorted(slots):
        if edges and threshold(low, SLOT_COUNT) <= edges[-1]:
            edges[-1] = max(edges[-1], threshold(high, SLOT_COUNT))
        else:
            edges += (threshold(low, SLOT_COUNT), threshold(high, SLOT_COUNT))
    return tuple(edges)


def _gate_test(gate: Gate | None) -> Callable[[str], bool] | None:
    if gate is None:
        return None
    gate_hash, limit = hash_with(gate.salt), threshold(gate.parts_per_million, PARTS)
    return lambda unit: gate_hash(unit) < limit


def _prepared(experiment: Experiment, arm: str, answer: Decision) -> tuple[object, ...]:
    """Return the members of an enrolled unit's decision, up to the unit."""
    place = Place(experiment.key, experiment.iteration, arm, experiment.unit_type, experiment.layer.key)
    return tuple(answer._replace(place=place))[:-1]


def _found(experiment: Experiment, units: Units) -> Found:
    """Retrace an enrolment with the arithmetic of the spec, and keep its numbers."""
    unit = canonical_unit(units.get(experiment.unit_type))
    if unit is None:
        return Found(Finding.UNIT_MISSING, {"unit_type": experiment.unit_type})
    detail: dict[str, Scalar] = {"unit_type": experiment.unit_type, "unit": unit}
    for layer, slots in _rooms(experiment):
        place = slot(layer.salt, unit)
        detail |= {"layer": layer.key, "slot": place}
        if not any(low <= place < high for low, high in slots):
            return Found(Finding.OUTSIDE_SLOTS, detail)
    gate = experiment.gate
    if gate is not None:
        part = hash_unit(gate.salt, unit) * PARTS >> 32
        detail |= {"gate_part": part, "gate_parts": gate.parts_per_million}
        if part >= gate.parts_per_million:
            return Found(Finding.OUTSIDE_GATE, detail)
    arm = experiment.control
    if experiment.service is Service.SPLIT:
        weights = [arm.weight for arm in experiment.arms]
        arm = experiment.arms[pick(hash_unit(experiment.salt, unit), weights)]
    return Found(Finding.ENROLLED, {**detail, "arm": arm.key, "service": str(experiment.service)})
