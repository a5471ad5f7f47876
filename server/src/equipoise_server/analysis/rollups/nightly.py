"""Once a day: fewer rows, and the state held against the raw events. A state that differs is not believed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from uuid import UUID

import numpy as np

from equipoise_server.analysis.moments import ArmMoments, Files, Warehouse
from equipoise_server.analysis.plan import Plan, Span
from equipoise_server.analysis.rollups.audit import TOLERANCE, moved_sums_mismatches
from equipoise_server.analysis.rollups.forgetting import compact
from equipoise_server.analysis.rollups.keeping import arrived, discard, opened_state
from equipoise_server.analysis.rollups.shape import run_of
from equipoise_server.analysis.rollups.state import State
from equipoise_server.analysis.rollups.sums import Floats
from equipoise_server.analysis.rollups.warehouse import RolledWarehouse, instant_of

_log = logging.getLogger(__name__)


class StateDiffers(RuntimeError):
    """The state did not say what the raw events say; it was discarded, and is made again."""


def audit(environment_id: UUID, plans: Sequence[Plan]) -> int:
    """Check an environment's state and make it smaller; how many runs were checked.

    Raises StateDiffers after discarding a state that differs from the raw events by more than 1e-9.
    """
    with ExitStack() as opened:
        state = opened_state(opened, environment_id)
        if state is None:
            return 0
        known = {run for (run,) in state.run("SELECT r.run FROM runs AS r")}
        held = [plan for plan in plans if run_of(plan) in known]
        faults = _faults(state, environment_id, held)
        if not faults:
            compact(state, held)
    if faults:
        discard(environment_id)
        _log.critical("the state of environment %s differs from raw events: %s", environment_id, faults)
        raise StateDiffers("; ".join(faults))
    return len(held)


def _faults(state: State, environment_id: UUID, plans: Sequence[Plan]) -> list[str]:
    faults = [
        f"{run}: sums moved by news differ in {', '.join(sorted({one.column for one in found}))}"
        for run, found in moved_sums_mismatches(state, plans).items()
    ]
    raw = arrived(environment_id)
    if raw.through != state.arrival:
        return faults  # something arrived since: raw events know more than the state
    files = Files(tuple(file.path for file in raw.exposures), tuple(file.path for file in raw.tracks))
    as_of = instant_of(state.as_of)
    rolled, plain = RolledWarehouse(files, state), Warehouse(files)
    try:
        return faults + [
            f"{run_of(plan)}: the state differs from raw events"
            for plan in plans
            if differ(*(one.moments(plan, Span(as_of, as_of), {}) for one in (rolled, plain)))
        ]
    finally:
        rolled.close()
        plain.close()


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
