"""From the store's files to temporary tables of what is to be taken: what is new, or everything again.

What claims to happen later than the state's instant waits in the state until its time has come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from equipoise_server.analysis.dialects.sql import DAY
from equipoise_server.analysis.rollups.state import NEVER, State

MOST_BYTES_AT_ONCE = 64_000_000
HOUR = DAY // 24
_COLUMNS = {
    "exposures": "e.unit_type, e.unit, e.experiment, e.iteration, e.variant,"
    " epoch_us(e.derived_at) AS moment, e.id",
    "tracks": "e.unit_type, e.unit, e.name, epoch_us(e.derived_at) AS moment, e.value, e.properties",
}
_WANTED = {
    "exposures": "(e.experiment, e.iteration, e.unit_type) IN"
    " (SELECT (w.experiment, w.iteration, w.unit_type) FROM wanted_runs AS w)",
    "tracks": "e.name IN (SELECT w.event FROM wanted_events AS w)"
    " AND e.unit_type IN (SELECT w.unit_type FROM wanted_types AS w)",
}


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of events, the first and last microsecond in which they happened, and their last round."""

    path: Path
    earliest: int
    latest: int
    arrival: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """Files of one environment at one instant; `through` is the last round of compaction in them."""

    exposures: tuple[Segment, ...]
    tracks: tuple[Segment, ...]
    through: int


@dataclass(frozen=True, slots=True)
class Head:
    """Up to which round, and before which instant, events count."""

    through: int
    now: int


def take(state: State, kind: str, files: Sequence[Segment], head: Head, *, after: int) -> None:
    """`new_<kind>`: what arrived after a round, and what waited until now."""
    waiting = f"SELECT w.* FROM waiting_{kind} AS w"
    _read(state, kind, [file for file in files if file.arrival > after], head, after=after, besides=waiting)
    ((early, waited),) = state.run(
        f"SELECT COUNT(*), (SELECT COUNT(*) FROM waiting_{kind}) FROM new_{kind} AS n WHERE n.moment >= ?",
        [head.now],
    )
    if waited:
        state.run(f"DELETE FROM waiting_{kind}")
    if early:
        _wait(state, kind, head)


def take_again(state: State, kind: str, files: Sequence[Segment], head: Head) -> None:
    """`new_<kind>`: everything that is wanted in these files, whenever it arrived."""
    _read(state, kind, files, head, after=NEVER)
    _wait(state, kind, head)


def read_days(
    state: State, files: Sequence[Segment], head: Head, days: Sequence[int], condition: str
) -> None:
    """`new_tracks`: the wanted events of some days again, where a condition on `e` holds; nobody waits."""
    overlapping = [f for f in files if any(f.earliest < day + DAY and f.latest >= day for day in days)]
    _read(state, "tracks", overlapping, head, after=NEVER, condition=condition)
    state.run("DELETE FROM new_tracks AS n WHERE n.moment >= ?", [head.now])


def count_carried(state: State, files: Sequence[Segment], head: Head, *, after: int) -> None:
    """By hour, how many wanted events there are, and how many carry an id of each unit type."""
    files = [file for file in files if file.arrival > after]
    if not files:
        return
    given: dict[str, object] = {"paths": [str(file.path) for file in files]}
    source = (
        "FROM read_parquet($paths, union_by_name = true) AS e WHERE NOT e.is_early"
        f" AND e.name IN (SELECT w.event FROM wanted_events AS w) AND {_since(state, given, head, after)}"
    )
    hour = f"epoch_us(e.derived_at) // {HOUR} * {HOUR}"
    state.run(
        "CREATE OR REPLACE TEMP TABLE counted AS"
        f" SELECT e.name, e.unit_type, {hour} AS hour, COUNT(*) AS events {source} GROUP BY ALL",
        given,
    )
    ((types,),) = state.run("SELECT COUNT(DISTINCT c.unit_type) FROM counted AS c")
    # An event has a row for each of its ids: with one type of units, rows are events.
    if types == 1:
        state.run("INSERT INTO carried SELECT c.name, '', c.hour, c.events FROM counted AS c")
    else:
        counted = f"SELECT e.name, '', {hour} AS hour, COUNT(DISTINCT e.id) {source} GROUP BY e.name, hour"
        state.run(f"INSERT INTO carried {counted}", given)
    state.run("INSERT INTO carried SELECT c.name, c.unit_type, c.hour, c.events FROM counted AS c")


def in_portions(files: Sequence[Segment]) -> Iterator[list[Segment]]:
    """The files in portions that fit into memory."""
    portion: list[Segment] = []
    size = 0
    for file in files:
        portion.append(file)
        size += file.path.stat().st_size
        if size >= MOST_BYTES_AT_ONCE:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _read(
    state: State, kind: str, files: Sequence[Segment], head: Head, *,
    after: int, condition: str = "TRUE", besides: str = "",
) -> None:  # fmt: skip
    """`new_<kind>`: what is wanted of some files, and rows of a statement besides."""
    given: dict[str, object] = {}
    parts = [besides or f"SELECT w.* FROM waiting_{kind} AS w WHERE FALSE"]
    if files:
        given["paths"] = [str(file.path) for file in files]
        arrived = _since(state, given, head, after)
        parts.append(
            f"SELECT {_COLUMNS[kind]} FROM read_parquet($paths, union_by_name = true) AS e"
            f" WHERE NOT e.is_early AND {_WANTED[kind]} AND {arrived} AND {condition}"
        )
    state.run(f"CREATE OR REPLACE TEMP TABLE new_{kind} AS {' UNION ALL '.join(parts)}", given)


def _wait(state: State, kind: str, head: Head) -> None:
    """What claims to happen later than now is not new yet."""
    now = [head.now]
    state.run(f"INSERT INTO waiting_{kind} SELECT n.* FROM new_{kind} AS n WHERE n.moment >= ?", now)
    state.run(f"DELETE FROM new_{kind} AS n WHERE n.moment >= ?", now)


def _since(state: State, given: dict[str, object], head: Head, after: int) -> str:
    """A condition on `e`: it arrived after a round, up to the head's."""
    if not _has_rounds(state, given):
        return "TRUE"
    given |= {"after": after, "through": head.through}
    return "COALESCE(e.arrival, 0) > $after AND COALESCE(e.arrival, 0) <= $through"


def _has_rounds(state: State, given: dict[str, object]) -> bool:
    """Files from before rounds were numbered do not say; whoever asks for them asks for all of them."""
    state.run("FROM read_parquet($paths, union_by_name = true) LIMIT 0", given)
    return any(column[0] == "arrival" for column in state.database.description or ())
