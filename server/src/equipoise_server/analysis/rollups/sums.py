"""Sums per arm that can be added and taken away: 1 and all shifted numbers of a unit, times each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise_server.analysis.columns import Column
from equipoise_server.analysis.dialects.units import y
from equipoise_server.analysis.plan import Plan
from equipoise_server.analysis.rollups.rolled import named_tables, rows_statement
from equipoise_server.analysis.rollups.shape import run_of, said
from equipoise_server.analysis.rollups.state import State

Floats = NDArray[np.float64]
MOST_NUMBERS_AT_ONCE = 10_000_000
MOST_COLUMNS = 120
_MOST_STATEMENTS = 1_000
_statements: dict[str, str] = {}


@dataclass(frozen=True, slots=True, eq=False)
class ArmSums:
    """One arm: crossed units, and the Gram matrix (k+1, k+1) of (1, y₁ − K₁, …): [0, 0] counts units."""

    crossed: int
    gram: Floats

    def plus(self, other: ArmSums) -> ArmSums:
        """Both sets of units."""
        return ArmSums(self.crossed + other.crossed, self.gram + other.gram)

    def gone(self) -> ArmSums:
        """What is added when its units go."""
        return ArmSums(-self.crossed, -self.gram)

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
    """Sums over the units of each run, by run; runs share statements."""
    found = {run_of(plan): Evaluated({}, {}) for plan, _ in shifted}
    for run, arm, rows in _rows_by_arm(state, shifted, scope):
        shifted_rows = rows.shifted()
        sums = ArmSums(int(rows.is_crossed.sum()), shifted_rows.T @ shifted_rows)
        found[run] = found[run].plus(Evaluated({arm: sums}, {arm: rows.numbers.max(axis=0)}))
    return found


def moves(
    state: State, shifted: Sequence[tuple[Plan, Sequence[float]]], scope: Scope
) -> dict[str, dict[str, ArmSums]]:
    """By run and arm, what copies add up to as they are, minus what they added up to as they were."""
    found: dict[str, dict[str, ArmSums]] = defaultdict(dict)
    for run, arm, rows in _rows_by_arm(state, shifted, scope):
        crossed = round(float(rows.signs @ rows.is_crossed))
        shifted_rows = rows.shifted()
        sums = ArmSums(crossed, (shifted_rows * rows.signs[:, None]).T @ shifted_rows)
        held = found[run].get(arm)
        found[run][arm] = sums if held is None else held.plus(sums)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Units of an arm: their numbers, 1 or (as they were) −1, and who met another arm."""

    numbers: Floats
    pivots: Sequence[float]
    signs: Floats
    is_crossed: Floats

    def shifted(self) -> Floats:
        """(1, y₁ − K₁, …)"""
        found = np.ones((len(self.numbers), len(self.pivots) + 1))
        np.subtract(self.numbers, np.asarray(self.pivots), out=found[:, 1:])
        return found


def _rows_by_arm(
    state: State, shifted: Sequence[tuple[Plan, Sequence[float]]], scope: Scope
) -> Iterator[tuple[str, str, _Rows]]:
    for group in _groups(shifted):
        for shard in _shards(state, group, scope):
            yield from shard


@dataclass(slots=True)
class _Group:
    """Runs that share a statement, which has all their columns."""

    columns: dict[str, Column]
    members: list[tuple[Plan, Sequence[float], list[int]]]


def _groups(shifted: Sequence[tuple[Plan, Sequence[float]]]) -> list[_Group]:
    """In order of runs, so that the same runs make the same statements."""
    groups: list[_Group] = []
    for plan, pivots in sorted(shifted, key=lambda one: run_of(one[0])):
        mine = {said(column): column for column in plan.columns}
        group = next((one for one in groups if len({*one.columns, *mine}) <= MOST_COLUMNS), None)
        if group is None:
            group = _Group({}, [])
            groups.append(group)
        group.columns.update(mine)
        place = {key: number for number, key in enumerate(group.columns)}
        group.members.append((plan, pivots, [place[said(column)] for column in plan.columns]))
    return groups


def _shards(state: State, group: _Group, scope: Scope) -> Iterator[Iterator[tuple[str, str, _Rows]]]:
    """Some of the units at a time, so that memory is bounded."""
    runs = [run_of(plan) for plan, _, _ in group.members]
    numbers = state.runs
    asked = [(numbers.get(run), place) for place, run in enumerate(runs)]
    state.fill("asked", ["run INTEGER", "place BIGINT"], asked)
    (pairs,) = state.run(
        f"SELECT COUNT(*) FROM {scope.prefix}firsts AS f SEMI JOIN asked ON asked.run = f.run"
    )[0]
    shards = 1 + pairs * len(group.columns) // MOST_NUMBERS_AT_ONCE
    statement = named_tables(_statement(group.columns), scope.prefix)
    given = {"until": scope.until, "exposed_before": scope.exposed_before, "shards": shards}
    for shard in range(shards if pairs else 0):
        rows = state.database.execute(statement, {**given, "shard": shard}).fetchnumpy()
        yield _by_arm(group, rows)


def _by_arm(group: _Group, rows: dict[str, Floats]) -> Iterator[tuple[str, str, _Rows]]:
    most = max(len(plan.arms) for plan, _, _ in group.members)
    met = np.asarray(rows["run"]) * most + np.asarray(rows["arm"]) - 1
    order = np.argsort(met, kind="stable")
    met = met[order]
    signs = np.where(np.asarray(rows["is_after"])[order], 1.0, -1.0)
    is_crossed = np.asarray(rows["is_crossed"], dtype=np.float64)[order]
    numbers = np.empty((len(met), len(group.columns)))
    for place in range(len(group.columns)):
        numbers[:, place] = np.asarray(rows.pop(y(place)))[order]
    for number, (plan, pivots, places) in enumerate(group.members):
        for at, arm in enumerate(plan.arms, number * most):
            mine = slice(*np.searchsorted(met, [at, at + 1]))
            if mine.stop > mine.start:
                yield (
                    run_of(plan),
                    arm,
                    _Rows(numbers[mine][:, places], pivots, signs[mine], is_crossed[mine]),
                )


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """A run's sums as they are kept: of which plan, shifted by what, by arm."""

    hash: str
    pivots: tuple[float, ...]
    arms: Mapping[str, ArmSums]


def kept_sums(state: State, run: str | None = None) -> dict[str, Kept]:
    """All kept sums, by run; or those of one."""
    found: dict[str, Kept] = {}
    arms: dict[str, dict[str, ArmSums]] = defaultdict(dict)
    for one, hashed, arm, crossed, pivots, gram in state.run(
        "SELECT s.name, s.hash, s.arm, s.crossed, s.pivots, s.gram FROM sums AS s"
        " WHERE s.name = $1 OR $1 IS NULL",
        [run],
    ):
        shift = np.frombuffer(pivots)
        found.setdefault(one, Kept(hashed, tuple(shift.tolist()), arms[one]))
        if arm:
            size = len(shift) + 1
            arms[one][arm] = ArmSums(crossed, np.frombuffer(gram).reshape(size, size))
    return found


def keep(state: State, kept: Mapping[str, Kept]) -> None:
    """Put these runs' sums in the place of any before; a row without an arm says that there may be nobody."""
    rows: list[tuple[object, ...]] = []
    for run, one in kept.items():
        pivots = np.asarray(one.pivots, dtype=np.float64).tobytes()
        rows.append((run, one.hash, "", 0, pivots, b""))
        rows += [
            (run, one.hash, arm, sums.crossed, pivots, sums.gram.tobytes()) for arm, sums in one.arms.items()
        ]
    if rows:
        state.run("DELETE FROM sums WHERE sums.name = ANY(?)", [list(kept)])
        columns = (
            "name VARCHAR",
            "hash VARCHAR",
            "arm VARCHAR",
            "crossed BIGINT",
            "pivots BLOB",
            "gram BLOB",
        )
        state.fill("kept", columns, rows)
        state.run("INSERT INTO sums SELECT k.* FROM kept AS k")


def moved(kept: Mapping[str, ArmSums], come: Mapping[str, ArmSums]) -> dict[str, ArmSums]:
    """S + f(touched, new) − f(touched, old)."""
    arms = dict(kept)
    for arm, sums in come.items():
        arms[arm] = arms[arm].plus(sums) if arm in arms else sums
    return {arm: sums for arm, sums in arms.items() if sums.units}


def _statement(columns: Mapping[str, Column]) -> str:
    """Made once per set of columns: writing SQL costs more than running it on a few units."""
    key = "".join(columns)
    if key not in _statements:
        if len(_statements) >= _MOST_STATEMENTS:
            _statements.clear()
        _statements[key] = rows_statement([*columns.values()])
    return _statements[key]
