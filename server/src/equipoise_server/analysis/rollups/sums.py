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
from equipoise_server.analysis.rollups.shape import run_of
from equipoise_server.analysis.rollups.state import State

Floats = NDArray[np.float64]
MOST_PAIRS_AT_ONCE = 400_000
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

    def plus(self, other: Evaluated) -> Evaluated:
        """Both sets of units."""
        arms, largest = dict(self.arms), dict(self.largest)
        for arm, sums in other.arms.items():
            arms[arm] = arms[arm].plus(sums) if arm in arms else sums
            tops = other.largest[arm]
            largest[arm] = np.maximum(largest[arm], tops) if arm in largest else tops
        return Evaluated(arms, largest)


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
    runs = [run_of(plan) for plan, _ in group]
    arms = [*dict.fromkeys(arm for plan, _ in group for arm in plan.arms)]
    (pairs,) = state.run(f"SELECT COUNT(*) FROM {scope.prefix}firsts AS f WHERE f.run = ANY(?)", [runs])[0]
    shards = 1 + pairs // MOST_PAIRS_AT_ONCE
    given = {"until": scope.until, "exposed_before": scope.exposed_before, "arms": arms, "runs": runs}
    found = {run: Evaluated({}, {}) for run in runs}
    for shard in range(shards):
        statement = _statement(key, columns, scope.prefix)
        rows = state.database.execute(statement, {**given, "shards": shards, "shard": shard}).fetchnumpy()
        met = np.asarray(rows["run"]) * (len(arms) + 1) + np.asarray(rows["arm"])
        order = np.argsort(met, kind="stable")
        numbers = np.ones((len(met), len(columns) + 2))
        numbers[:, 1] = np.asarray(rows["is_crossed"])[order]
        for place in range(len(columns)):
            numbers[:, place + 2] = np.asarray(rows.pop(f"y{place}"))[order]
        met = met[order]
        for number, (plan, pivots) in enumerate(group, 1):
            places = {arm: number * (len(arms) + 1) + arms.index(arm) + 1 for arm in plan.arms}
            parts = {arm: numbers[slice(*np.searchsorted(met, [at, at + 1]))] for arm, at in places.items()}
            found[run_of(plan)] = found[run_of(plan)].plus(_summed(parts, pivots))
    return found


def _summed(parts: Mapping[str, Floats], pivots: Sequence[float]) -> Evaluated:
    """By arm, from rows (1, is_crossed, y₁ …)."""
    arms, tops = {}, {}
    for arm, part in parts.items():
        if len(part):
            shifted = np.delete(part, 1, axis=1) - np.array([0.0, *pivots])
            arms[arm] = ArmSums(int(part[:, 1].sum()), shifted.T @ shifted)
            tops[arm] = part[:, 2:].max(axis=0)
    return Evaluated(arms, tops)


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """A run's sums as they are kept: of which plan, shifted by what, by arm."""

    hash: str
    pivots: tuple[float, ...]
    arms: Mapping[str, ArmSums]


def kept_sums(state: State) -> dict[str, Kept]:
    """All kept sums, by run."""
    found: dict[str, Kept] = {}
    arms: dict[str, dict[str, ArmSums]] = defaultdict(dict)
    for run, hashed, arm, crossed, pivots, gram in state.run(
        "SELECT s.run, s.hash, s.arm, s.crossed, s.pivots, s.gram FROM sums AS s"
    ):
        shift = np.frombuffer(pivots)
        found.setdefault(run, Kept(hashed, tuple(shift.tolist()), arms[run]))
        if arm:
            size = len(shift) + 1
            arms[run][arm] = ArmSums(crossed, np.frombuffer(gram).reshape(size, size))
    return found


def keep(state: State, kept: Mapping[str, Kept]) -> None:
    """Put these runs' sums in the place of any before; a row without an arm says that there may be nobody."""
    rows: list[object] = []
    for run, one in kept.items():
        pivots = np.asarray(one.pivots, dtype=np.float64).tobytes()
        rows += [run, one.hash, "", 0, pivots, b""]
        for arm, sums in one.arms.items():
            rows += [run, one.hash, arm, sums.crossed, pivots, sums.gram.tobytes()]
    if rows:
        values = ", ".join(["(?, ?, ?, ?, ?, ?)"] * (len(rows) // 6))
        state.run("DELETE FROM sums WHERE sums.run = ANY(?)", [list(kept)])
        state.run(f"INSERT INTO sums VALUES {values}", rows)


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
