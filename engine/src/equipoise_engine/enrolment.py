"""Compiles one experiment into a step: eligibility → slot in the layer → gate → split or schedule.

A stopped or killed experiment enrols the same units and answers its control, without an enrolment.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import NamedTuple

from equipoise_engine.contexts import Units, clock
from equipoise_engine.decisions import Decision, Metadata, Place, Skip
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
    threshold,
    thresholds,
)
from equipoise_engine.layers import Slots
from equipoise_engine.retracing import retrace
from equipoise_engine.steps import Decide, FlagStep, Found
from equipoise_engine.switchbacks import Switchback

_new = tuple.__new__


class _Entered(NamedTuple):
    """A unit that an experiment enrols, and what is randomised: itself or its cluster."""

    unit: str
    randomised: str


Entrance = Callable[[Units, object], _Entered | Skip | None]


def experiment_step(experiment: Experiment, answers: Mapping[str, Decision]) -> FlagStep:
    """Serve what an experiment gives the units that it enrols.

    Args:
        experiment: who is enrolled, and how they are split.
        answers: arm key → prepared decision, for the flag that the step belongs to.
    """
    decide = _decide(experiment, answers)

    def found(units: Units, context: object) -> Found:
        return retrace(experiment, units, context)

    return FlagStep("experiment", experiment.key, experiment.eligible, decide, found)


def _decide(experiment: Experiment, answers: Mapping[str, Decision]) -> Decide:
    if experiment.service is not Service.SPLIT:
        return _control(experiment, answers)
    if experiment.switchback is not None:
        return _scheduled(experiment, experiment.switchback, answers)
    if experiment.cluster_type is not None or experiment.layer.domain is not None:
        return _thorough(experiment, answers)
    return _Split(experiment, answers).decide


def _control(experiment: Experiment, answers: Mapping[str, Decision]) -> Decide:
    entrance, control = _entrance(experiment), answers[experiment.control.key]

    def decide(units: Units, context: object) -> Decision | Skip | None:
        entered = entrance(units, context)
        return control if isinstance(entered, _Entered) else entered

    return decide


def _thorough(experiment: Experiment, answers: Mapping[str, Decision]) -> Decide:
    """Give each enrolled unit its arm, whatever its id and wherever its layer lies."""
    entrance, split_hash = _entrance(experiment), hash_with(experiment.salt)
    arms = thresholds([arm.weight for arm in experiment.arms])
    prepared = tuple(_placed(experiment, arm.key, answers[arm.key]) for arm in experiment.arms)
    is_clustered = experiment.cluster_type is not None

    def decide(units: Units, context: object) -> Decision | Skip | None:
        entered = entrance(units, context)
        if not isinstance(entered, _Entered):
            return entered
        answer, place = prepared[bisect_right(arms, split_hash(entered.randomised))]
        if is_clustered:
            place = place._replace(cluster=entered.randomised)
        return answer._replace(place=place, unit=entered.unit)

    return decide


def _scheduled(experiment: Experiment, schedule: Switchback, answers: Mapping[str, Decision]) -> Decide:
    """Give each region of a schedule the arm of the window that the context's time lies in."""
    entrance = _entrance(experiment)
    prepared = tuple(_placed(experiment, arm.key, answers[arm.key]) for arm in experiment.arms)

    def decide(units: Units, context: object) -> Decision | Skip | None:
        entered = entrance(units, context)
        if not isinstance(entered, _Entered):
            return entered
        now = clock(context)
        if now is None:
            return Skip.CLOCK_MISSING
        window = schedule.window(now)
        if window is None:
            return None
        answer, place = prepared[int(schedule.arms[entered.randomised][window.index])]
        told = {"experiment.window": window.index, "experiment.burn_in": window.is_burn_in}
        unit = f"{entered.unit}:{window.index}"
        return answer._replace(metadata=Metadata({**answer.metadata, **told}), place=place, unit=unit)

    return decide


class _Split:
    """Gives each enrolled unit its arm, in a layer of all units: `_thorough`, written out.

    A class with slots, because what it needs then lies together in memory; closures scatter it.
    """

    __slots__ = (
        "arms",
        "edges",
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
        self.unit_type = experiment.unit_type
        self.arms = thresholds([arm.weight for arm in experiment.arms])
        self.prepared = tuple(_prepared(experiment, arm.key, answers[arm.key]) for arm in experiment.arms)
        self.layer_text, self.split_text = f"{experiment.layer.salt}:", f"{experiment.salt}:"
        self.layer_size, self.split_size = len(self.layer_text), len(self.split_text)
        self.usual = LENGTH_OF_ASCII - max(self.layer_size, self.split_size)
        self.inside = _gate_test(experiment.gate)
        edges = _slot_edges(experiment.slots)
        self.low, self.high = (edges[0], edges[-1]) if edges else (0, 0)
        self.edges = edges if len(edges) > 2 else None  # noqa: PLR2004 - one range has two edges

    def decide(self, units: Units, _context: object) -> Decision | Skip | None:
        unit = units.get(self.unit_type)
        if type(unit) is not str or not unit.isascii():
            return self._unusual(unit)
        size = len(unit)
        if not 0 < size < self.usual:
            return self._unusual(unit)
        place = HASH_TEXT(f"{ASCII_HEADS[size + self.layer_size]}{self.layer_text}{unit}", 0, False)
        if not self.low <= place < self.high:
            return None
        if self.edges is not None and not bisect_right(self.edges, place) & 1:
            return None
        if self.inside is not None and not self.inside(unit):
            return None
        drawn = HASH_TEXT(f"{ASCII_HEADS[size + self.split_size]}{self.split_text}{unit}", 0, False)
        return _new(Decision, self.prepared[bisect_right(self.arms, drawn)] + (unit,))

    def _unusual(self, value: object) -> Decision | Skip | None:
        """Decide for ids that are long, not ASCII, or no text."""
        unit = canonical_unit(value)
        if unit is None:
            return Skip.UNIT_MISSING
        place = hash_unit(self.layer_text[:-1], unit)
        if not bisect_right(self.edges or (self.low, self.high), place) & 1:
            return None
        if self.inside is not None and not self.inside(unit):
            return None
        drawn = hash_unit(self.split_text[:-1], unit)
        return _new(Decision, (*self.prepared[bisect_right(self.arms, drawn)], unit))


def _entrance(experiment: Experiment) -> Entrance:
    """Return which unit the experiment enrols; what else it returns is the answer."""
    rooms = tuple((hash_with(layer.salt), _slot_edges(slots)) for layer, slots in experiment.rooms)
    inside, schedule = _gate_test(experiment.gate), experiment.switchback

    def entrance(units: Units, context: object) -> _Entered | Skip | None:
        unit = canonical_unit(units.get(experiment.unit_type))
        randomised = experiment.randomised_unit(units, context)
        if unit is None or randomised is None:
            return Skip.UNIT_MISSING
        if schedule is not None and randomised not in schedule.arms:
            return None
        for room_hash, edges in rooms:
            if not bisect_right(edges, room_hash(randomised)) & 1:
                return None
        return _Entered(unit, randomised) if inside is None or inside(randomised) else None

    return entrance


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


def _placed(experiment: Experiment, arm: str, answer: Decision) -> tuple[Decision, Place]:
    place = Place(experiment.key, experiment.iteration, arm, experiment.unit_type, experiment.layer.key)
    return answer, place._replace(cluster_type=experiment.cluster_type)


def _prepared(experiment: Experiment, arm: str, answer: Decision) -> tuple[object, ...]:
    """Return the members of an enrolled unit's decision, up to the unit."""
    _, place = _placed(experiment, arm, answer)
    return tuple(answer._replace(place=place))[:-1]
