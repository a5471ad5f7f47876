"""Compiles one experiment into a step: eligibility → slot in the layer → gate → split.

A stopped or killed experiment enrols the same units and answers its control, without an enrolment.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping

from equipoise_engine.decisions import Decision, Enrolment, Finding, Scalar
from equipoise_engine.experiments import Experiment, Service
from equipoise_engine.hashing import (
    HASH_SPACE,
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
from equipoise_engine.steps import UNIT_MISSING, FlagStep, Found, Units
from equipoise_engine.targeting import Attributes

Answer = Callable[[str], Decision]

_new = tuple.__new__


def experiment_step(experiment: Experiment, answers: Mapping[str, Decision]) -> FlagStep:
    """Serve what an experiment gives the units that it enrols.

    Args:
        experiment: who is enrolled, and how they are split.
        answers: arm key → prepared decision, for the flag that the step belongs to.
    """
    eligible, unit_type = experiment.eligible, experiment.unit_type
    layer_hash = hash_with(experiment.layer.salt)
    ranges = tuple(
        (threshold(low, SLOT_COUNT), threshold(high, SLOT_COUNT)) for low, high in experiment.slots
    )
    gate = experiment.gate
    gate_hash = None if gate is None else hash_with(gate.salt)
    gate_limit = HASH_SPACE if gate is None else threshold(gate.parts_per_million, PARTS)
    answer = _answer(experiment, answers)

    def decide(units: Units, attributes: Attributes) -> Decision | None:
        if eligible is not None and not eligible(attributes):
            return None
        unit = canonical_unit(units.get(unit_type))
        if unit is None:
            return UNIT_MISSING
        place = layer_hash(unit)
        for low, high in ranges:
            if low <= place < high:
                break
        else:
            return None
        if gate_hash is not None and gate_hash(unit) >= gate_limit:
            return None
        return answer(unit)

    def found(units: Units, attributes: Attributes) -> Found:
        return _found(experiment, units, attributes)

    return FlagStep("experiment", experiment.key, decide, found)


def _answer(experiment: Experiment, answers: Mapping[str, Decision]) -> Answer:
    if experiment.service is not Service.SPLIT:
        control = answers[experiment.control.key]
        return lambda _unit: control
    split_hash = hash_with(experiment.salt)
    edges = thresholds([arm.weight for arm in experiment.arms])
    prepared = tuple((arm.key, answers[arm.key][:-1]) for arm in experiment.arms)
    key, iteration = experiment.key, experiment.iteration
    unit_type, layer = experiment.unit_type, experiment.layer_key

    def split(unit: str) -> Decision:
        arm, fields = prepared[bisect_right(edges, split_hash(unit))]
        enrolment = _new(Enrolment, (key, iteration, arm, unit_type, unit, layer))
        return _new(Decision, fields + (enrolment,))  # noqa: RUF005 - unpacking takes a third longer

    return split


def _found(experiment: Experiment, units: Units, attributes: Attributes) -> Found:
    """Retrace an enrolment with the arithmetic of the spec, and keep its numbers."""
    if experiment.eligible is not None and not experiment.eligible(attributes):
        return Found(Finding.NOT_ELIGIBLE, {})
    unit = canonical_unit(units.get(experiment.unit_type))
    if unit is None:
        return Found(Finding.UNIT_MISSING, {"unit_type": experiment.unit_type})
    detail: dict[str, Scalar] = {"unit_type": experiment.unit_type, "unit": unit}
    place = slot(experiment.layer.salt, unit)
    detail |= {"layer": experiment.layer_key, "slot": place}
    if not any(low <= place < high for low, high in experiment.slots):
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
