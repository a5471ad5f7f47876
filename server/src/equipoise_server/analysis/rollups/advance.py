"""One refresh of the state: take what arrived, move the sums of touched units, and the ledger with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from equipoise_server.analysis.dialects.sql import micros
from equipoise_server.analysis.plan import Plan
from equipoise_server.analysis.rollups import firsts, rolling, sums
from equipoise_server.analysis.rollups.arrivals import (
    Arrived,
    Head,
    count_carried,
    in_portions,
    take,
    take_again,
)
from equipoise_server.analysis.rollups.shape import EventShape, cuts_of, plan_hash, run_of, shapes_of
from equipoise_server.analysis.rollups.state import NEVER, State
from equipoise_server.analysis.rollups.touching import (
    NEAR,
    NEAR_NOW,
    TOUCHED,
    copy_before_and_after,
    find_near,
    find_touched,
    reaches_of,
)

Pivots = Mapping[str, Mapping[str, float]]


class StateAhead(Exception):
    """The state knows events after the instant that is asked about."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """What a refresh did: units whose sums moved, unit-days split again, events and runs made anew."""

    touched: int
    split_again: int
    built: tuple[str, ...]
    made: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Work:
    """What one refresh works with. Missing events and made runs are read whole, the others' news only."""

    state: State
    arrived: Arrived
    head: Head
    moving: tuple[Plan, ...]
    made: tuple[Plan, ...]
    ready: tuple[EventShape, ...]
    missing: tuple[EventShape, ...]
    kept: Mapping[str, sums.Kept]

    steady: tuple[Plan, ...]
    """Plans whose sums can be moved by touched units: nothing that they read is built again."""


def advance(
    state: State, plans: Sequence[Plan], arrived: Arrived, *, now: int, pivots: Pivots | None = None
) -> Advanced:
    """Everything that arrived and happened before `now` is in the state afterwards, for these plans alone.

    pivots: by run, what columns are shifted by when a run's sums are made; kept sums stay as they are.
    Raises StateAhead when the state knows more than `now`.
    """
    if state.arrival != NEVER and now < state.as_of:
        raise StateAhead
    with state.transaction():
        work = _prepare(state, plans, arrived, now)
        return _advance(work, pivots or {})


def _prepare(state: State, plans: Sequence[Plan], arrived: Arrived, now: int) -> _Work:
    shapes = shapes_of(plans)
    hashes = state.hashes
    wanted = {run_of(plan): plan_hash(plan) for plan in plans}
    made = tuple(plan for plan in plans if hashes.get(run_of(plan)) != wanted[run_of(plan)])
    known = {unit_type for (unit_type,) in state.run("SELECT DISTINCT r.unit_type FROM runs AS r")}
    is_new_type = bool({plan.unit_type for plan in plans} - known)
    missing = _missing(state, shapes, is_new_type=is_new_type)
    are_made = {run_of(plan) for plan in made}
    for run in {*hashes} - ({*wanted} - are_made):
        firsts.forget_run(state, run)
    for number, plan in enumerate(made, 1 + max(state.runs.values(), default=0)):
        state.run(
            "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [number, run_of(plan), plan.unit_type, plan.experiment, plan.iteration, micros(plan.since),
             wanted[run_of(plan)], [*plan.arms], [*cuts_of(plan)]],
        )  # fmt: skip
    moving = tuple(plan for plan in plans if run_of(plan) not in are_made)
    ready = tuple(shape for shape in shapes if shape not in missing)
    built = {shape.event for shape in missing}
    steady = moving if not built else tuple(plan for plan in moving if not built & {*plan.events})
    return _Work(
        state,
        arrived,
        Head(arrived.through, now),
        moving,
        made,
        ready,
        missing,
        sums.kept_sums(state),
        steady,
    )


def _missing(state: State, shapes: Sequence[EventShape], *, is_new_type: bool) -> tuple[EventShape, ...]:
    """Events that must be built from raw; what nobody reads any more is dropped."""
    held = {event: frozenset(names) for event, names in state.run("SELECT s.event, s.names FROM shapes AS s")}
    missing = []
    for shape in shapes:
        if is_new_type or not shape.names <= held.get(shape.event, frozenset()) or shape.event not in held:
            missing.append(shape)
            rolling.make_tables(state, shape)
        else:
            rolling.drop_unused(state, shape, held[shape.event])
    if held != {shape.event: shape.names for shape in shapes}:
        state.run("DELETE FROM shapes")
        for shape in shapes:
            state.run("INSERT INTO shapes VALUES (?, ?)", [shape.event, sorted(shape.names)])
    return tuple(missing)


def _advance(work: _Work, pivots: Pivots) -> Advanced:
    state = work.state
    touched = _take_news(work)
    # When runs are made, first exposures of units that are not in the news count as well.
    where = rolling.Where("firsts" if work.made else NEAR_NOW, has_copies=bool(work.steady and touched))
    firsts.apply(state)
    state.run("CREATE OR REPLACE TEMP TABLE changed AS SELECT m.run, m.u, m.first_at FROM merged AS m")
    _make_runs(work)
    rolling.roll(state, work.ready, where)
    _build_events(work)
    if work.made or work.missing:
        _want(state, (), work.ready, (*work.moving, *work.made))
    torn = rolling.split_again(state, work.ready, (work.arrived.tracks, work.head), where)
    if where.has_copies:
        _move_sums(work)
    moved = {run_of(plan) for plan in work.steady}
    again = [plan for plan in (*work.moving, *work.made) if run_of(plan) not in moved]
    make_sums(state, [(plan, _shift(work, plan, pivots)) for plan in again], now=work.head.now)
    state.run("UPDATE ledger SET arrival = ?, as_of = ?", [work.head.through, work.head.now])
    built, made = (shape.event for shape in work.missing), (run_of(plan) for plan in work.made)
    return Advanced(touched, torn, tuple(built), tuple(made))


def _move_sums(work: _Work) -> None:
    """S + f(touched, new) − f(touched, old), of steady runs that the news concern."""
    now, kept = work.head.now, work.kept
    shifted = [(plan, kept[run_of(plan)].pivots) for plan in work.steady]
    found = sums.moves(work.state, shifted, sums.Scope(now, now, TOUCHED))
    sums.keep(
        work.state,
        {run: replace(kept[run], arms=sums.moved(kept[run].arms, come)) for run, come in found.items()},
    )


def make_sums(state: State, shifted: Sequence[tuple[Plan, tuple[float, ...]]], *, now: int) -> None:
    """Add up all units of some runs, each shifted by its pivots."""
    found = sums.evaluate_all(state, shifted, sums.Scope(now, now))
    sums.keep(
        state,
        {
            run_of(plan): sums.Kept(plan_hash(plan), shift, found[run_of(plan)].arms)
            for plan, shift in shifted
        },
    )


def shift_of(plan: Plan, pivots: Mapping[str, float]) -> tuple[float, ...]:
    """What each column is shifted by."""
    return tuple(pivots.get(column.name, 0.0) for column in plan.columns)


def _shift(work: _Work, plan: Plan, pivots: Pivots) -> tuple[float, ...]:
    kept = work.kept.get(run_of(plan))
    return shift_of(plan, pivots.get(run_of(plan), {})) if kept is None else kept.pivots


def _take_news(work: _Work) -> int:
    """`merged` and `numbered` of what is new, and `touched` units: those whose numbers it may change."""
    state, after = work.state, work.state.arrival
    _want(state, work.moving, work.ready, (*work.moving, *work.made))
    state.run("DELETE FROM waiting_exposures AS w WHERE NOT (w.experiment, w.iteration, w.unit_type) IN"
              " (SELECT (r.experiment, r.iteration, r.unit_type) FROM wanted_runs AS r)")  # fmt: skip
    state.run("DELETE FROM waiting_tracks AS w WHERE w.name NOT IN (SELECT e.event FROM wanted_events AS e)")
    take(state, "exposures", work.arrived.exposures if work.moving else (), work.head, after=after)
    take(state, "tracks", work.arrived.tracks if work.ready else (), work.head, after=after)
    count_carried(state, work.arrived.tracks, work.head, after=after)
    firsts.intern(state, "new_exposures", "new_tracks")
    find_near(state)
    firsts.merge(state, held=NEAR, place="place")
    rolling.number_tracks(state)
    reaches = [one for plan in work.steady for one in reaches_of(plan)]
    touched = find_touched(state, reaches)
    if work.steady and touched:
        copy_before_and_after(state, work.ready, reaches)
    return touched


def _want(
    state: State, plans: Sequence[Plan], shapes: Sequence[EventShape], all_plans: Sequence[Plan]
) -> None:
    """Which runs, events and unit types are read."""
    wanted = [run_of(plan) for plan in plans]
    state.run(
        "CREATE OR REPLACE TEMP TABLE wanted_runs AS SELECT r.* FROM runs AS r WHERE r.name = ANY(?)",
        [wanted],
    )
    state.fill("wanted_events", ["event VARCHAR"], [(shape.event,) for shape in shapes])
    types = sorted({plan.unit_type for plan in all_plans})
    state.fill("wanted_types", ["unit_type VARCHAR"], [(unit_type,) for unit_type in types])


def _make_runs(work: _Work) -> None:
    """First exposures of runs that are new, or whose plan is: all of them again."""
    if not work.made:
        return
    state = work.state
    _want(state, work.made, (), work.made)
    for portion in in_portions(work.arrived.exposures):
        take_again(state, "exposures", portion, work.head)
        firsts.intern(state, "new_exposures")
        firsts.merge(state)
        firsts.apply(state)
    state.run(
        "INSERT INTO changed SELECT f.run, f.u, f.first_at FROM firsts AS f"
        " WHERE f.run IN (SELECT w.run FROM wanted_runs AS w)"
    )


def _build_events(work: _Work) -> None:
    """All events of the names that are missing, portion by portion."""
    if not work.missing:
        return
    state = work.state
    _want(state, (), work.missing, (*work.moving, *work.made))
    state.run("DELETE FROM carried AS c WHERE c.event IN (SELECT w.event FROM wanted_events AS w)")
    for portion in in_portions(work.arrived.tracks):
        take_again(state, "tracks", portion, work.head)
        count_carried(state, portion, work.head, after=NEVER)
        firsts.intern(state, "new_tracks")
        rolling.number_tracks(state)
        rolling.roll(state, work.missing, rolling.Where(is_of_all=True))
