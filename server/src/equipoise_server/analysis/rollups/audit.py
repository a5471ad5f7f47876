"""Does the state still say what the raw events say? Moved sums against rollups, and rollups against raw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from equipoise_server.analysis.plan import Plan
from equipoise_server.analysis.rollups import sums
from equipoise_server.analysis.rollups.state import State

TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Two ways to the same numbers that differ: where, by how much of the larger one."""

    arm: str
    column: str
    difference: float


def moved_sums_mismatches(state: State, plan: Plan) -> tuple[Mismatch, ...]:
    """Sums moved by touched units against all units added up again."""
    kept, pivots = sums.held(state, plan), sums.pivots_of(state, plan)
    if kept is None or pivots is None:
        return ()
    as_of = state.as_of
    found = sums.evaluate(state, plan, pivots, sums.Scope(as_of, as_of))
    return mismatches(plan, kept, found.arms)


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
