"""Does the state still say what the raw events say? Moved sums against rollups, and rollups against raw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from equipoise_server.analysis.plan import Plan
from equipoise_server.analysis.rollups import sums
from equipoise_server.analysis.rollups.shape import run_of
from equipoise_server.analysis.rollups.state import State

TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Two ways to the same numbers that differ: where, by how much of the larger one."""

    arm: str
    column: str
    difference: float


def moved_sums_mismatches(state: State, plans: Sequence[Plan]) -> dict[str, tuple[Mismatch, ...]]:
    """By run, sums moved by touched units against all units added up again; only runs that differ."""
    kept = sums.kept_sums(state)
    known = [plan for plan in plans if run_of(plan) in kept]
    shifted = [(plan, kept[run_of(plan)].pivots) for plan in known]
    again = sums.evaluate_all(state, shifted, sums.Scope(state.as_of, state.as_of))
    found = {
        run_of(plan): mismatches(plan, kept[run_of(plan)].arms, again[run_of(plan)].arms) for plan in known
    }
    return {run: faults for run, faults in found.items() if faults}


def mismatches(
    plan: Plan, kept: Mapping[str, sums.ArmSums], again: Mapping[str, sums.ArmSums]
) -> tuple[Mismatch, ...]:
    """Every column of every arm in which two sums differ by more than 1e-9 of their size."""
    found: list[Mismatch] = []
    names = ("units", *(column.name for column in plan.columns))
    size = len(names)
    nobody = sums.ArmSums(0, np.zeros((size, size)))
    for arm in sorted({*kept, *again}):
        one, other = kept.get(arm, nobody), again.get(arm, nobody)
        scale = np.maximum(np.maximum(np.abs(one.gram), np.abs(other.gram)), 1.0)
        differs = (np.abs(one.gram - other.gram) / scale).max(axis=1)
        found += [
            Mismatch(arm, names[place], float(differs[place]))
            for place in range(size)
            if differs[place] > TOLERANCE
        ]
        if one.crossed != other.crossed:
            found.append(Mismatch(arm, "crossed", float(abs(one.crossed - other.crossed))))
    return tuple(found)
