"""Sums per arm that can be added and taken away: 1 and all shifted numbers of a unit, times each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise_server.analysis.columns import Column
from equipoise_server.analysis.plan import Plan
from equipoise_server.analysis.rollups.rolled import rows_statement
from equipoise_server.analysis.rollups.shape import plan_hash, run_of
from equipoise_server.analysis.rollups.state import State

Floats = NDArray[np.float64]
_MOST_STATEMENTS = 5_000
_statements: dict[tuple[str, str], str] = {}


@dataclass(frozen=True, slots=True, eq=False)
class ArmSums:
    """One arm: crossed units, and the Gram matrix (k+1, k+1) of (1, y₁ − K₁, …): [0, 0] counts units."""

    crossed: int
    gram: Floats

    def plus(self, other: ArmSums) -> ArmSums:
        """Both sets of units."""
        return ArmSums(self.crossed + other.crossed, self.gram + other.gram)

    def minus(self, other: ArmSums) -> ArmSums:
        """Without some of its units."""
        return ArmSums(self.crossed - other.crossed, self.gram - other.gram)

    @property
    def units(self) -> int:
        """How many units there are."""
        return round(float(self.gram[0, 0]))


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """What some units of a run add up to, by arm, and the largest number of each column."""

    arms: Mapping[str, ArmSums]
    largest: Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which units count: exposed before an instant, by what they did until another; copies have a prefix."""

    until: int
    exposed_before: int
    prefix: str = ""


def evaluate(state: State, plan: Plan, pivots: Sequence[float], scope: Scope) -> Evaluated:
    """Sums over the units of a run."""
    return evaluate_all(state, [(plan, pivots)], scope)[run_of(plan)]


def evaluate_all(
    state: State, shifted: Sequence[tuple[Plan, Sequence[float]]], scope: Scope
) -> dict[str, Evaluated]:
    """Sums over the units of each run, by run; one statement for all that have the same columns."""
    alike: dict[str, list[tuple[Plan, Sequence[float]]]] = defaultdict(list)
    for plan, pivots in shifted:
        alike[repr(plan.columns)].append((plan, pivots))
    found: dict[str, Evaluated] = {}
    for key, group in alike.items():
        found |= _evaluate_alike(state, key, group, scope)
    return found


def _evaluate_alike(
    state: State, key: str, group: Sequence[tuple[Plan, Sequence[float]]], scope: Scope
) -> dict[str, Evaluated]:
    columns = group[0][0].columns
    arms = [*dict.fromkeys(arm for plan, _ in group for arm in plan.arms)]
    given = {
        "until": scope.until, "exposed_before": scope.exposed_before, "arms": arms,
        "runs": [run_of(plan) for plan, _ in group],
    }  # fmt: skip
    rows = state.database.execute(_statement(key, columns, scope.prefix), given).fetchnumpy()
    met = np.asarray(rows["run"]) * (len(arms) + 1) + np.asarray(rows["arm"])
    order = np.argsort(met, kind="stable")
    numbers = np.ones((len(met), len(columns) + 1))
    for place in range(len(columns)):
        numbers[:, place + 1] = np.asarray(rows[f"y{place}"])[order]
    crossed, met = np.asarray(rows["is_crossed"])[order], met[order]
    found = {}
    for number, (plan, pivots) in enumerate(group, 1):
        sums, tops = {}, {}
        for arm in plan.arms:
            mine = number * (len(arms) + 1) + arms.index(arm) + 1
            low, high = np.searchsorted(met, [mine, mine + 1])
            if low < high:
                part = numbers[low:high] - np.array([0.0, *pivots])
                sums[arm] = ArmSums(int(crossed[low:high].sum()), part.T @ part)
                tops[arm] = numbers[low:high, 1:].max(axis=0) if columns else np.zeros(0)
        found[run_of(plan)] = Evaluated(sums, tops)
    return found


def held(state: State, plan: Plan) -> dict[str, ArmSums] | None:
    """The sums of a plan, by arm; None when they were never made or the plan has changed."""
    rows = state.run(
        "SELECT sums.arm, sums.crossed, sums.gram FROM sums WHERE sums.run = ? AND sums.hash = ?",
        [run_of(plan), plan_hash(plan)],
    )
    size = len(plan.columns) + 1
    found = {arm: ArmSums(crossed, np.asarray(gram).reshape(size, size)) for arm, crossed, gram in rows}
    return {arm: sums for arm, sums in found.items() if arm} if rows else None


def keep(state: State, plan: Plan, arms: Mapping[str, ArmSums], pivots: Sequence[float]) -> None:
    """Put the sums of a plan in the place of any before; an empty arm says that there is nobody yet."""
    run, hashed = run_of(plan), plan_hash(plan)
    size = len(plan.columns) + 1
    rows = [(run, hashed, "", 0, [*pivots], [0.0] * size * size)]
    rows += [
        (run, hashed, arm, sums.crossed, [*pivots], sums.gram.ravel().tolist())
        for arm, sums in arms.items()
        if sums.units
    ]
    state.run("DELETE FROM sums WHERE sums.run = ?", [run])
    state.database.executemany("INSERT INTO sums VALUES (?, ?, ?, ?, ?, ?)", rows)


def pivots_of(state: State, plan: Plan) -> list[float] | None:
    """What the kept sums are shifted by; None when there are none."""
    rows = state.run(
        "SELECT sums.pivots FROM sums WHERE sums.run = ? AND sums.hash = ? LIMIT 1",
        [run_of(plan), plan_hash(plan)],
    )
    return [float(one) for one in rows[0][0]] if rows else None


def moved(
    kept: Mapping[str, ArmSums], before: Mapping[str, ArmSums], after: Mapping[str, ArmSums]
) -> dict[str, ArmSums]:
    """S + f(touched, new) − f(touched, old)."""
    arms = dict(kept)
    for arm, sums in before.items():
        arms[arm] = arms[arm].minus(sums)
    for arm, sums in after.items():
        arms[arm] = arms[arm].plus(sums) if arm in arms else sums
    return {arm: sums for arm, sums in arms.items() if sums.units}


def _statement(key: str, columns: Sequence[Column], prefix: str) -> str:
    """Made once per set of columns: writing SQL costs more than running it on a few units."""
    if (key, prefix) not in _statements:
        if len(_statements) >= _MOST_STATEMENTS:
            _statements.clear()
        _statements[key, prefix] = rows_statement(columns, prefix)
    return _statements[key, prefix]
