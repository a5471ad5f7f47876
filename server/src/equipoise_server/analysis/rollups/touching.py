"""Which pairs of run and unit the news may move, and copies of just what these pairs add up from.

Copies hold each unit twice: as it was, and as it is, under a number that is larger by AFTER.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from equipoise_server.analysis.dialects.sql import DAY, span
from equipoise_server.analysis.plan import Plan
from equipoise_server.analysis.rollups.rolled import AFTER
from equipoise_server.analysis.rollups.shape import EventShape, run_of
from equipoise_server.analysis.rollups.state import State

TOUCHED = "touched_"
NEAR, NEAR_NOW = "near", "near_now"
_NEAR = """
CREATE OR REPLACE TEMP TABLE near AS
SELECT f.run, f.u, f.arm, f.first_at, f.crossed_at, f.rowid AS place FROM firsts AS f
SEMI JOIN known ON known.u = f.u
"""
_NEAR_NOW = """
CREATE OR REPLACE TEMP TABLE near_now AS
SELECT near.run, near.u, near.arm, near.first_at, near.crossed_at FROM near
ANTI JOIN merged ON merged.run = near.run AND merged.u = near.u
WHERE near.first_at >= COALESCE((SELECT MIN(n.moment) FROM numbered AS n), 0) - {back}
UNION ALL SELECT merged.run, merged.u, merged.arm, merged.first_at, merged.crossed_at FROM merged
"""
_PAIRS = """
CREATE OR REPLACE TEMP TABLE touched_pairs AS
WITH close AS MATERIALIZED (
  SELECT near.run, near.u, near.first_at, n.name, n.moment FROM numbered AS n JOIN near ON near.u = n.u
  WHERE n.moment >= near.first_at - {past} AND n.moment < near.first_at + {reach}
)
SELECT merged.run, merged.u FROM merged
UNION
SELECT close.run, close.u FROM close JOIN reaches AS r ON r.run = close.run AND r.event = close.name
WHERE close.moment >= close.first_at - r.past AND close.moment < close.first_at + r.reach
"""
_UNITS = "CREATE OR REPLACE TEMP TABLE touched AS SELECT DISTINCT p.u FROM touched_pairs AS p"
_FIRSTS = f"""
CREATE OR REPLACE TEMP TABLE touched_firsts AS
SELECT n.run, n.u, n.arm, n.first_at, n.crossed_at FROM near AS n
SEMI JOIN touched_pairs AS p ON p.run = n.run AND p.u = n.u
UNION ALL SELECT n.run, n.u + {AFTER}, n.arm, n.first_at, n.crossed_at FROM near_now AS n
SEMI JOIN touched_pairs AS p ON p.run = n.run AND p.u = n.u
"""


@dataclass(frozen=True, slots=True)
class Reach:
    """What a run reads of an event: from how long before a first exposure until how long after."""

    run: str
    event: str
    past: int
    reach: int


def reaches_of(plan: Plan) -> list[Reach]:
    """Per event that the plan reads, how far around a first exposure it looks at most."""
    found: dict[str, tuple[int, int]] = {}
    for column in plan.columns:
        past = span(column.before) + DAY if column.before else 0
        for fact in column.facts:
            held = found.get(fact.event, (0, 0))
            found[fact.event] = max(held[0], past), max(held[1], span(column.reach))
    return [Reach(run_of(plan), event, *reach) for event, reach in found.items()]


def find_near(state: State) -> None:
    """`near`: first exposures, in all runs, of the units that are `known` to be in the news."""
    state.run(_NEAR)


def find_touched(state: State, reaches: Sequence[Reach]) -> int:
    """`touched_pairs`: new first exposures, and those with `numbered` events in reach; how many units."""
    past, reach = _furthest(reaches)
    (cut,) = state.run("SELECT COALESCE(MAX(list_max(runs.cuts)), 0) FROM runs")[0]
    state.run(_NEAR_NOW.format(back=max(reach, cut) + DAY))
    numbers = state.runs
    state.fill(
        "reaches",
        ["run INTEGER", "event VARCHAR", "past BIGINT", "reach BIGINT"],
        [(numbers[one.run], one.event, one.past, one.reach) for one in reaches],
    )
    state.run(_PAIRS.format(past=past, reach=reach))
    state.run(_UNITS)
    return int(state.run("SELECT COUNT(*) FROM touched")[0][0])


def copy_before_and_after(state: State, shapes: Sequence[EventShape], reaches: Sequence[Reach]) -> None:
    """Copies of what touched pairs add up from, twice; what the news change is changed in the second ones."""
    state.run(_FIRSTS)
    row = state.run("SELECT MIN(f.first_at), MAX(f.first_at) FROM touched_firsts AS f")[0]
    first, last = row if row[0] is not None else (0, 0)
    sides = f"(VALUES (0), ({AFTER})) AS sides (side)"
    for shape in shapes:
        past, reach = _furthest([one for one in reaches if one.event == shape.event])
        low, high = (first - past) // DAY * DAY, last + reach
        for name in shape.held_tables:
            at = shape.instant_column(name)
            state.run(
                f"CREATE OR REPLACE TEMP TABLE {TOUCHED}{name} AS"
                f" SELECT h.* REPLACE (h.u + sides.side AS u) FROM"
                f" (SELECT h.* FROM {name} AS h SEMI JOIN touched ON touched.u = h.u"
                f" WHERE h.{at} >= ? AND h.{at} < ?) AS h, {sides}",
                [low, high],
            )


def _furthest(reaches: Sequence[Reach]) -> tuple[int, int]:
    past = max((one.past for one in reaches), default=0)
    return past, max((one.reach for one in reaches), default=0)


def copy_touched(state: State, tables: Sequence[str]) -> None:
    """First exposures and these tables of `touched` units alone, as they are."""
    for name in ("firsts", *tables):
        state.run(
            f"CREATE OR REPLACE TEMP TABLE {TOUCHED}{name} AS"
            f" SELECT h.* FROM {name} AS h SEMI JOIN touched ON touched.u = h.u"
        )
