"""Retraces an enrolment with the arithmetic of the spec, and keeps its numbers for an explanation."""

from __future__ import annotations

from equipoise_engine.contexts import Units, clock
from equipoise_engine.experiments import Experiment, Service
from equipoise_engine.explanations import Finding
from equipoise_engine.hashing import PARTS, canonical_unit, hash_unit, pick, slot
from equipoise_engine.metadata import Scalar
from equipoise_engine.steps import Reading
from equipoise_engine.switchbacks import Switchback


def retrace(experiment: Experiment, units: Units, context: object) -> Reading:
    """Tell what an experiment does to somebody who is eligible, and by which numbers."""
    unit = canonical_unit(units.get(experiment.unit_type))
    randomised = experiment.randomised_unit(units, context)
    if unit is None or randomised is None:
        missing = experiment.unit_type if unit is None else experiment.randomised_type
        return Reading(Finding.UNIT_MISSING, {"unit_type": missing})
    detail: dict[str, Scalar] = {"unit_type": experiment.unit_type, "unit": unit}
    if experiment.cluster_type is not None:
        detail |= {"cluster_type": experiment.cluster_type, "cluster": randomised}
    passed = _passed(experiment, randomised, detail)
    if passed is not None:
        return Reading(passed, detail)
    detail["service"] = str(experiment.service)
    if experiment.service is not Service.SPLIT:
        return Reading(Finding.ENROLLED, {**detail, "arm": experiment.control.key})
    if experiment.switchback is not None:
        return _scheduled(experiment, experiment.switchback, context, detail)
    weights = [arm.weight for arm in experiment.arms]
    arm = experiment.arms[pick(hash_unit(experiment.salt, randomised), weights)]
    return Reading(Finding.ENROLLED, {**detail, "arm": arm.key})


def _passed(experiment: Experiment, randomised: str, detail: dict[str, Scalar]) -> Finding | None:
    """Return why the experiment does not enrol somebody, None when it does; note slots and part."""
    if experiment.switchback is not None and randomised not in experiment.switchback.arms:
        return Finding.OUTSIDE_SCHEDULE
    for layer, slots in experiment.rooms:
        place = slot(layer.salt, randomised)
        detail |= {"layer": layer.key, "slot": place}
        if not any(low <= place < high for low, high in slots):
            return Finding.OUTSIDE_SLOTS
    gate = experiment.gate
    if gate is None:
        return None
    part = hash_unit(gate.salt, randomised) * PARTS >> 32
    detail |= {"gate_part": part, "gate_parts": gate.parts_per_million}
    return Finding.OUTSIDE_GATE if part >= gate.parts_per_million else None


def _scheduled(
    experiment: Experiment, schedule: Switchback, context: object, detail: dict[str, Scalar]
) -> Reading:
    now = clock(context)
    if now is None:
        return Reading(Finding.CLOCK_MISSING, detail)
    window = schedule.window(now)
    if window is None:
        return Reading(Finding.OUTSIDE_SCHEDULE, detail)
    arm = experiment.arms[int(schedule.arms[str(detail["unit"])][window.index])]
    told: dict[str, Scalar] = {"window": window.index, "burn_in": window.is_burn_in, "arm": arm.key}
    return Reading(Finding.ENROLLED, {**detail, **told})
