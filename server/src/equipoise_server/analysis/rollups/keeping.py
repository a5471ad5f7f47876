"""Where states lie, who refreshes them, and what happens when they cannot be used: raw events answer then."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import duckdb
from django.conf import settings

from equipoise_server.analysis.dialects.sql import micros
from equipoise_server.analysis.plan import Plan
from equipoise_server.analysis.rollups.advance import StateAhead, advance
from equipoise_server.analysis.rollups.arrivals import Arrived, Segment
from equipoise_server.analysis.rollups.shape import plan_hash, run_of
from equipoise_server.analysis.rollups.state import State, StateInUse, open_state
from equipoise_server.events import reads as events
from equipoise_server.events.values import ArrivedFiles, EventKind
from equipoise_server.foundation import running

RECENT = timedelta(seconds=30)
"""A state this young answers as it is: the experiments of one environment share a refresh."""
PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 0.1
_log = logging.getLogger(__name__)


def state_path(environment_id: UUID) -> Path:
    """The state file of an environment."""
    return Path(settings.DATA_DIRECTORY) / "rollups" / f"{environment_id.hex}.duckdb"


@contextmanager
def current_state(
    environment_id: UUID, plan: Plan, plans: Callable[[], Sequence[Plan]], *, now: datetime
) -> Iterator[State | None]:
    """The environment's state as of now or of a moment ago, with the plan in it; None when it cannot be used.

    plans: those of all that runs in the environment, asked for only when the state must be refreshed.
    """
    with ExitStack() as opened:
        state = opened_state(opened, environment_id)
        if state is not None:
            opened.enter_context(running.interruptible(state.database.interrupt))
        is_usable = state is not None and _is_brought_up(state, environment_id, plan, plans, now=now)
        yield state if is_usable else None


def opened_state(opened: ExitStack, environment_id: UUID) -> State | None:
    """The state, once nobody else holds it; None when that takes too long."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return opened.enter_context(open_state(state_path(environment_id)))
        except StateInUse:
            if time.monotonic() > until:
                _log.warning("the state of environment %s is in use; raw events answer", environment_id)
                return None
            time.sleep(_PAUSE_SECONDS)
        except duckdb.Error as trouble:
            _log.error(
                "the state of environment %s is unreadable: made again", environment_id, exc_info=trouble
            )
            discard(environment_id)
            return None


def _is_brought_up(
    state: State, environment_id: UUID, plan: Plan, plans: Callable[[], Sequence[Plan]], *, now: datetime
) -> bool:
    at = micros(now)
    known = state.hashes
    age = at - state.as_of
    if known.get(run_of(plan)) == plan_hash(plan) and 0 < age < RECENT // timedelta(microseconds=1):
        return True
    found, before = arrived(environment_id), state.arrival
    try:
        advance(state, plans(), found, now=at)
    except StateAhead:
        # It still tells what was at midnights before, if nothing has arrived since.
        return known.get(run_of(plan)) == plan_hash(plan) and state.arrival == found.through
    except duckdb.Error as trouble:
        running.end_if_stopped()
        _log.exception("the state of environment %s could not be refreshed", environment_id, exc_info=trouble)
        return False
    if running.is_counting():
        rows, size = events.news(environment_id, after=before)
        running.note_read(rows=rows, size=size)
    return True


def arrived(environment_id: UUID) -> Arrived:
    """All files of the environment; what is in both kinds up to the same round."""
    exposures, tracks = (events.arrived_files(environment_id, kind) for kind in EventKind)
    return Arrived(_segments(exposures), _segments(tracks), min(exposures.through, tracks.through))


def _segments(found: ArrivedFiles) -> tuple[Segment, ...]:
    return tuple(
        Segment(file.path, micros(file.earliest), micros(file.latest), file.arrival) for file in found.files
    )


def rewrite(environment_id: UUID) -> None:
    """Copy the state into another file: pages that nothing refers to any more do not come along."""
    path = state_path(environment_id)
    fresh = path.with_suffix(".rewritten")
    fresh.unlink(missing_ok=True)
    database = duckdb.connect(":memory:")
    try:
        database.execute(f"ATTACH '{path}' AS held (READ_ONLY)").fetchall()
        database.execute(f"ATTACH '{fresh}' AS fresh").fetchall()
        database.execute("COPY FROM DATABASE held TO fresh").fetchall()
    finally:
        database.close()
    fresh.replace(path)


def discard(environment_id: UUID) -> None:
    """Delete an environment's state: the next refresh makes it again from the events."""
    path = state_path(environment_id)
    for part in (path, path.with_name(f"{path.name}.wal")):
        part.unlink(missing_ok=True)
