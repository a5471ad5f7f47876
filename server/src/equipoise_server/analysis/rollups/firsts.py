"""First exposures: merged with what arrives later, in any order, so that the earliest decides the arm.

Besides the first exposure it is enough to keep when the unit first met any other arm: if the first one moves
to another arm, the old first one is such a meeting, and no later one matters.
"""

from __future__ import annotations

from equipoise_server.analysis.rollups.state import HASH, State

_MENTIONED = f"""
CREATE OR REPLACE TEMP TABLE mentioned AS SELECT m.unit_type, m.unit, {HASH.format(table="m")} AS h
FROM ({{all}} UNION SELECT '', '' WHERE FALSE) AS m
"""
_KNOWN = """
CREATE OR REPLACE TEMP TABLE known AS SELECT units.u, units.unit_type, units.unit FROM units
SEMI JOIN mentioned ON mentioned.h = units.h
"""
_STRANGE = """
CREATE OR REPLACE TEMP TABLE strange AS
SELECT (SELECT COALESCE(MAX(units.u), 0) FROM units) + ROW_NUMBER() OVER () AS u, m.h, m.unit_type, m.unit
FROM mentioned AS m ANTI JOIN known ON known.unit_type = m.unit_type AND known.unit = m.unit
"""
_MET = """
CREATE OR REPLACE TEMP TABLE met AS
SELECT r.run, known.u, e.variant, list_position(r.arms, e.variant)::USMALLINT AS arm, e.moment, e.id
FROM new_exposures AS e
JOIN wanted_runs AS r ON r.experiment = e.experiment AND r.iteration = e.iteration
  AND r.unit_type = e.unit_type
JOIN known ON known.unit_type = e.unit_type AND known.unit = e.unit
WHERE e.moment >= r.since
"""
_STRANGERS = """
INSERT INTO strangers SELECT met.run, met.variant, met.u, MIN(met.moment) FROM met WHERE met.arm IS NULL
GROUP BY met.run, met.variant, met.u
"""
_COMING = """
CREATE OR REPLACE TEMP TABLE coming AS
SELECT met.run, met.u, ARG_MIN(met.arm, (met.moment, met.id)) AS arm, MIN(met.moment) AS first_at,
  ARG_MIN(met.id, (met.moment, met.id)) AS first_id
FROM met WHERE met.arm IS NOT NULL GROUP BY met.run, met.u
"""
_TIED = """
CREATE OR REPLACE TEMP TABLE tied AS SELECT held.run, held.u, NULL::UUID AS first_id FROM {held} AS held
JOIN coming ON coming.run = held.run AND coming.u = held.u AND coming.first_at = held.first_at
"""
_TIED_IDS = """
UPDATE tied SET first_id = f.first_id FROM firsts AS f WHERE f.run = tied.run AND f.u = tied.u
"""
_MERGED = """
CREATE OR REPLACE TEMP TABLE merged AS
WITH chosen AS (
  SELECT coming.run, coming.u, held.arm AS held_arm, held.first_at AS held_at,
    held.crossed_at AS held_crossed,
    (held.u IS NULL OR coming.first_at < held.first_at
      OR (coming.first_at = held.first_at AND coming.first_id < tied.first_id)) AS is_earlier,
    coming.arm, coming.first_at, coming.first_id, held.{place} AS place
  FROM coming LEFT JOIN {held} AS held ON held.run = coming.run AND held.u = coming.u
  LEFT JOIN tied ON tied.run = coming.run AND tied.u = coming.u
), decided AS (
  SELECT chosen.run, chosen.u, chosen.held_arm, chosen.held_at, chosen.held_crossed, chosen.is_earlier,
    CASE WHEN chosen.is_earlier THEN chosen.arm ELSE chosen.held_arm END AS arm,
    CASE WHEN chosen.is_earlier THEN chosen.first_at ELSE chosen.held_at END AS first_at,
    chosen.first_id, chosen.place
  FROM chosen
), crossing AS (
  SELECT met.run, met.u, MIN(met.moment) AS moment FROM met
  JOIN decided ON decided.run = met.run AND decided.u = met.u
  WHERE met.arm <> decided.arm GROUP BY met.run, met.u
)
SELECT decided.run, decided.u, decided.arm, decided.first_at, decided.first_id, decided.is_earlier,
  LEAST(crossing.moment,
    CASE WHEN decided.held_arm <> decided.arm THEN decided.held_at ELSE decided.held_crossed END
  ) AS crossed_at,
  decided.held_at IS NULL AS is_new, decided.held_at, decided.held_crossed, decided.place
FROM decided LEFT JOIN crossing ON crossing.run = decided.run AND crossing.u = decided.u
"""
_UNCHANGED = """
DELETE FROM merged WHERE NOT merged.is_new AND NOT merged.is_earlier
  AND merged.crossed_at IS NOT DISTINCT FROM merged.held_crossed
"""
_CROSS = """
UPDATE firsts SET crossed_at = merged.crossed_at FROM merged
WHERE firsts.rowid = merged.place AND NOT merged.is_earlier
"""
_TAKE_AWAY = """
DELETE FROM firsts USING merged WHERE firsts.rowid = merged.place
  AND merged.is_earlier AND NOT merged.is_new
"""
_ADD = """
INSERT INTO firsts
SELECT merged.run, merged.u, merged.arm, merged.first_at, merged.first_id, merged.crossed_at FROM merged
WHERE merged.is_earlier
"""


def intern(state: State, *tables: str) -> None:
    """`known`: the units in temporary tables with their numbers; each unit gets one, once.

    All units are looked through one time, however many tables ask. A few may be `known` that are in no
    table, because they share a hash with one that is: whoever asks for a unit by its text does not see them.
    """
    mentioned = " UNION ".join(f"SELECT n.unit_type, n.unit FROM {table} AS n" for table in tables)
    state.run(_MENTIONED.format(all=mentioned))
    state.run(_KNOWN)
    state.run(_STRANGE)
    state.run("INSERT INTO units SELECT s.u, s.h, s.unit_type, s.unit FROM strange AS s")
    state.run("INSERT INTO known SELECT s.u, s.unit_type, s.unit FROM strange AS s")


def merge(state: State, *, held: str = "firsts", place: str = "rowid") -> None:
    """`merged`: first exposures that `new_exposures` make or change; nothing is applied yet.

    held: where first exposures are, if not among all then among those of `known` units.
    place: which of all first exposures it is. Rows keep theirs until `apply`, in the same transaction.
    """
    state.run(_MET)
    state.run(_STRANGERS)
    state.run(_COMING)
    state.run(_TIED.format(held=held))
    if state.run("SELECT COUNT(*) FROM tied")[0][0]:  # ids are long and seldom needed
        state.run(_TIED_IDS)
    state.run(_MERGED.format(held=held, place=place))
    state.run(_UNCHANGED)


def apply(state: State) -> None:
    """Put what `merged` says into the state."""
    crossed, moved = state.run(
        "SELECT COUNT(*) FILTER (WHERE NOT merged.is_earlier),"
        " COUNT(*) FILTER (WHERE merged.is_earlier AND NOT merged.is_new) FROM merged"
    )[0]
    if crossed:
        state.run(_CROSS)
    if moved:
        state.run(_TAKE_AWAY)
    state.run(_ADD)


def forget_run(state: State, run: str) -> None:
    """Take everything away that one run's exposures made."""
    number = state.runs.get(run)
    for table in ("firsts", "strangers", "runs"):
        state.run(f"DELETE FROM {table} WHERE {table}.run = ?", [number])
    state.run("DELETE FROM sums WHERE sums.name = ?", [run])
