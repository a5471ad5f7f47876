"""The state held against the raw events: every night, and before a doubted run is believed again."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from uuid import UUID

import numpy as np

from equipoise_server.analysis.dialects.sql import DAY, micros
from equipoise_server.analysis.moments import ArmMoments, Files, Warehouse
from equipoise_server.analysis.plan import Plan, Span
from equipoise_server.analysis.rollups.advance import StateAhead, advance
from equipoise_server.analysis.rollups.arrivals import Arrived
from equipoise_server.analysis.rollups.audit import TOLERANCE, moved_sums_mismatches
from equipoise_server.analysis.rollups.forgetting import compact
from equipoise_server.analysis.rollups.keeping import arrived, discard, opened_state
from equipoise_server.analysis.rollups.shape import run_of
from equipoise_server.analysis.rollups.state import State
from equipoise_server.analysis.rollups.sums import Floats
from equipoise_server.analysis.rollups.warehouse import RolledWarehouse, instant_of
from equipoise_server.foundation.refusals import Problem
from equipoise_server.foundation.running import Failed

MOST_READ_RAW = 100
"""A night reads the raw events of so many runs of an environment; with more, they take turns."""
_ASKED_AGAIN = 5
_log = logging.getLogger(__name__)


class StateDiffers(Failed):
    """The state does not say what the raw events say; it was discarded, and is made again. By run, where."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        told = [
            Problem("state", f"{run}: the state differs from raw events {why}") for run, why in faults.items()
        ]
        super().__init__(*told)
        self.faults = dict(faults)


def audit(environment_id: UUID, plans: Sequence[Plan], *, now: datetime) -> int:
    """Bring a state up to now, check it and make it smaller; how many runs were checked.

    Raises StateDiffers after discarding a state that differs from the raw events by more than 1e-9.
    """
    checked = _check(environment_id, plans, _in_turn(plans, micros(now) // DAY), now=now, is_nightly=True)
    return 0 if checked is None else checked


def recheck(environment_id: UUID, plans: Sequence[Plan], plan: Plan, *, now: datetime) -> None:
    """Make one run's state again as far as it is missing, and hold it against its raw events.

    Raises StateDiffers while they are not equal, and while nobody can tell.
    """
    if _check(environment_id, plans, [plan], now=now) is None:
        raise StateDiffers({run_of(plan): "as far as is known: the state cannot be opened just now"})


def _check(
    environment_id: UUID,
    plans: Sequence[Plan],
    read: Sequence[Plan],
    *,
    now: datetime,
    is_nightly: bool = False,
) -> int | None:
    """How many runs the state has; None when it cannot be opened. Raises StateDiffers."""
    with ExitStack() as opened:
        state = opened_state(opened, environment_id)
        if state is None:
            return None
        raw = _arrived(environment_id)
        with suppress(StateAhead):  # a state of a moment later than ours is as good
            advance(state, plans, raw, now=micros(now))
        known = state.runs
        held = [plan for plan in plans if run_of(plan) in known]
        faults = _faults(state, raw, held, [plan for plan in read if run_of(plan) in known])
        if is_nightly and not faults:
            compact(state, held)
    if faults:
        discard(environment_id)
        fault = StateDiffers(faults)
        _log.critical("the state of environment %s is not believed: %s", environment_id, fault)
        raise fault
    return len(held)


def _arrived(environment_id: UUID) -> Arrived:
    """Files of both kinds up to the same round, so that raw events know nothing that the state does not."""
    for _ in range(_ASKED_AGAIN):
        found = arrived(environment_id)
        if all(file.arrival <= found.through for file in (*found.exposures, *found.tracks)):
            break
    return found


def _in_turn(plans: Sequence[Plan], day: int) -> list[Plan]:
    """Those whose raw events are read on a day: with few runs all, with many each in its turn."""
    ordered = sorted(plans, key=run_of)
    if len(ordered) <= MOST_READ_RAW:
        return ordered
    start = day * MOST_READ_RAW % len(ordered)
    return (ordered[start:] + ordered[:start])[:MOST_READ_RAW]


def _faults(state: State, raw: Arrived, held: Sequence[Plan], read: Sequence[Plan]) -> dict[str, str]:
    """By run, where numbers differ."""
    faults = {
        run: f"in sums moved by news: {', '.join(sorted({one.column for one in found}))}"
        for run, found in moved_sums_mismatches(state, held).items()
    }
    if raw.through != state.arrival:
        return faults  # raw events know more than the state
    files = Files(tuple(file.path for file in raw.exposures), tuple(file.path for file in raw.tracks))
    now = instant_of(state.as_of)
    rolled, plain = RolledWarehouse(files, state), Warehouse(files)
    try:
        for plan in read:
            found, wanted = (one.moments(plan, Span(now, now), {}) for one in (rolled, plain))
            if differ(found, wanted):
                faults.setdefault(run_of(plan), "in what was counted")
    finally:
        rolled.close()
        plain.close()
    return faults


def differ(found: Mapping[str, ArmMoments], wanted: Mapping[str, ArmMoments]) -> bool:
    """Whether two ways to the same moments disagree by more than 1e-9 of their size."""
    if found.keys() != wanted.keys():
        return True
    return any(
        found[arm].moments.n != one.moments.n
        or found[arm].crossed != one.crossed
        or not _are_close(found[arm].moments.means, one.moments.means)
        or not _are_close(found[arm].moments.comoments, one.moments.comoments)
        for arm, one in wanted.items()
    )


def _are_close(found: Floats, wanted: Floats) -> bool:
    scale = max(1.0, float(np.abs(wanted).max(initial=0.0)))
    return bool(np.abs(found - wanted).max(initial=0.0) <= TOLERANCE * scale)
