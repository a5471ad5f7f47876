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

TOUCHED = "touched_"
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

    @property
    def steady(self) -> tuple[Plan, ...]:
        """Plans whose sums can be moved by touched units: nothing that they read is built again."""
        built = {shape.event for shape in self.missing}
        return tuple(plan for plan in self.moving if not built & {*plan.events})


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
    hashes = dict(state.run("SELECT r.run, r.hash FROM runs AS r"))
    made = tuple(plan for plan in plans if hashes.get(run_of(plan)) != plan_hash(plan))
    known = {unit_type for (unit_type,) in state.run("SELECT DISTINCT r.unit_type FROM runs AS r")}
    is_new_type = bool({plan.unit_type for plan in plans} - known)
    missing = _missing(state, shapes, is_new_type=is_new_type)
    for run in {*hashes} - {run_of(plan) for plan in plans if plan not in made}:
        firsts.forget_run(state, run)
    for plan in made:
        state.run(
            "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [run_of(plan), plan.unit_type, plan.experiment, plan.iteration, micros(plan.since),
             plan_hash(plan), [*plan.arms], [*cuts_of(plan)]],
        )  # fmt: skip
    moving = tuple(plan for plan in plans if plan not in made)
    ready = tuple(shape for shape in shapes if shape not in missing)
    return _Work(
        state, arrived, Head(arrived.through, now), moving, made, ready, missing, sums.kept_sums(state)
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
    state.run("DELETE FROM shapes")
    for shape in shapes:
        state.run("INSERT INTO shapes VALUES (?, ?)", [shape.event, sorted(shape.names)])
    return tuple(missing)


def _advance(work: _Work, pivots: Pivots) -> Advanced:
    state = work.state
    _take_news(work)
    before = _evaluate_touched(work)
    firsts.apply(state)
    state.run("CREATE OR REPLACE TEMP TABLE changed AS SELECT m.run, m.u, m.first_at FROM merged AS m")
    _make_runs(work)
    rolling.roll(state, work.ready)
    _build_events(work)
    _want(state, (), work.ready, (*work.moving, *work.made))
    torn = rolling.split_again(state, work.ready, work.arrived.tracks, work.head)
    after = _evaluate_touched(work)
    sums.keep(
        state,
        {
            run: replace(work.kept[run], arms=sums.moved(work.kept[run].arms, before[run], found))
            for run, found in after.items()
            if before[run] or found
        },
    )
    again = tuple(plan for plan in (*work.moving, *work.made) if plan not in work.steady)
    make_sums(state, [(plan, _shift(work, plan, pivots)) for plan in again], now=work.head.now)
    state.run("UPDATE ledger SET arrival = ?, as_of = ?", [work.head.through, work.head.now])
    (touched,) = state.run("SELECT COUNT(*) FROM touched")[0]
    built, made = (shape.event for shape in work.missing), (run_of(plan) for plan in work.made)
    return Advanced(touched, torn, tuple(built), tuple(made))


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


def _take_news(work: _Work) -> None:
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
    firsts.merge(state)
    rolling.number_tracks(state)
    state.run(
        "CREATE OR REPLACE TEMP TABLE touched AS SELECT merged.u FROM merged UNION"
        " SELECT f.u FROM firsts AS f SEMI JOIN numbered ON numbered.u = f.u"
    )


def _want(
    state: State, plans: Sequence[Plan], shapes: Sequence[EventShape], all_plans: Sequence[Plan]
) -> None:
    """Which runs, events and unit types are read."""
    wanted = [run_of(plan) for plan in plans]
    state.run(
        "CREATE OR REPLACE TEMP TABLE wanted_runs AS SELECT r.* FROM runs AS r WHERE r.run = ANY(?)", [wanted]
    )
    state.fill("wanted_events", ["event VARCHAR"], [(shape.event,) for shape in shapes])
    types = sorted({plan.unit_type for plan in all_plans})
    state.fill("wanted_types", ["unit_type VARCHAR"], [(unit_type,) for unit_type in types])


def _evaluate_touched(work: _Work) -> dict[str, Mapping[str, sums.ArmSums]]:
    """What touched units add up to in each steady run, as the state is now."""
    state, now = work.state, work.head.now
    if not work.steady or not state.run("SELECT COUNT(*) FROM touched")[0][0]:
        return {run_of(plan): {} for plan in work.steady}
    copy_touched(state, [name for shape in (*work.ready, *work.missing) for name in shape.held_tables])
    shifted = [(plan, work.kept[run_of(plan)].pivots) for plan in work.steady]
    found = sums.evaluate_all(state, shifted, sums.Scope(now, now, TOUCHED))
    return {run: one.arms for run, one in found.items()}


def copy_touched(state: State, tables: Sequence[str]) -> None:
    """First exposures and these tables of `touched` units alone, under names with a prefix."""
    for name in ("firsts", *tables):
        state.run(
            f"CREATE OR REPLACE TEMP TABLE {TOUCHED}{name} AS"
            f" SELECT h.* FROM {name} AS h SEMI JOIN touched ON touched.u = h.u"
        )


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
    made = [run_of(plan) for plan in work.made]
    state.run(
        "INSERT INTO changed SELECT f.run, f.u, f.first_at FROM firsts AS f WHERE f.run = ANY(?)", [made]
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
        rolling.roll(state, work.missing)
