"""Erasure of units from the state, and letting go of what was merged into fewer rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from equipoise_server.analysis.dialects.sql import DAY
from equipoise_server.analysis.plan import Plan
from equipoise_server.analysis.rollups import sums
from equipoise_server.analysis.rollups.shape import run_of, shapes_of
from equipoise_server.analysis.rollups.state import State
from equipoise_server.analysis.rollups.touching import TOUCHED, copy_touched

_WAITING = ("waiting_exposures", "waiting_tracks")


def forget_units(state: State, plans: Sequence[Plan], unit_type: str, units: Sequence[str]) -> int:
    """Take units out of everything that is kept, their names too; sums lose just them. How many were known.

    Their raw events must be erased as well, before anything is built again.
    """
    with state.transaction():
        state.fill("forgotten", ["unit VARCHAR"], [(unit,) for unit in units])
        state.run(
            "CREATE OR REPLACE TEMP TABLE touched AS SELECT units.u FROM units"
            " WHERE units.unit_type = ? AND units.unit IN (SELECT f.unit FROM forgotten AS f)",
            [unit_type],
        )
        known = int(state.run("SELECT COUNT(*) FROM touched")[0][0])
        tables = [name for shape in shapes_of(plans) for name in shape.held_tables]
        copy_touched(state, tables)
        _take_from_sums(state, plans)
        for name in ("firsts", "strangers", *tables, "units"):
            state.run(f"DELETE FROM {name} USING touched WHERE {name}.u = touched.u")
        for name in _WAITING:
            state.run(
                f"DELETE FROM {name} WHERE {name}.unit_type = ?"
                f" AND {name}.unit IN (SELECT f.unit FROM forgotten AS f)",
                [unit_type],
            )
        for name in ("forgotten", "touched", *(f"{TOUCHED}{name}" for name in ("firsts", *tables))):
            state.run(f"DROP TABLE {name}")
    state.run("CHECKPOINT")
    return known


def _take_from_sums(state: State, plans: Sequence[Plan]) -> None:
    kept = sums.kept_sums(state)
    shifted = [(plan, kept[run_of(plan)].pivots) for plan in plans if run_of(plan) in kept]
    theirs = sums.evaluate_all(state, shifted, sums.Scope(state.as_of, state.as_of, TOUCHED))
    left = {
        run: replace(
            kept[run], arms=sums.moved(kept[run].arms, {arm: one.gone() for arm, one in found.arms.items()})
        )
        for run, found in theirs.items()
    }
    sums.keep(state, left)


def compact(state: State, plans: Sequence[Plan]) -> None:
    """One row per unit and segment instead of one per refresh, in order. Numbers stay the same.

    Rows lie by day and in it by unit: news look at the last weeks alone.
    """
    with state.transaction():
        # A run's first exposures lie together, because its report counts them.
        state.run("CREATE OR REPLACE TABLE firsts AS SELECT f.* FROM firsts AS f ORDER BY f.run, f.u")
        for shape in shapes_of(plans):
            added = "".join(f", SUM(h.{one.name}) AS {one.name}" for one in shape.measures)
            state.run(
                f"CREATE OR REPLACE TABLE {shape.totals} AS"
                f" SELECT h.u, h.start, MAX(h.seconds) AS seconds{added}"
                f" FROM {shape.totals} AS h GROUP BY h.u, h.start ORDER BY h.start // {DAY}, h.u, h.start"
            )
            for table in shape.tables:
                if table.is_of_texts:
                    state.run(
                        f"CREATE OR REPLACE TABLE {table.name} AS SELECT DISTINCT h.u, h.start, h.text"
                        f" FROM {table.name} AS h ORDER BY h.start // {DAY}, h.u, h.start"
                    )
    state.run("CHECKPOINT")
