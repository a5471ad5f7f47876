"""What other rooms ask of the states: hold them against the raw events, and forget units."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from uuid import UUID

from equipoise_server.analysis.refreshing import running_plans
from equipoise_server.analysis.rollups.forgetting import forget_units as forget_in_state
from equipoise_server.analysis.rollups.keeping import discard, opened_state, rewrite
from equipoise_server.analysis.rollups.nightly import StateDiffers, audit
from equipoise_server.analysis.rollups.state import State
from equipoise_server.experiments.reads import running_iterations


def audit_rollups(environment_id: UUID | None = None) -> int:
    """Hold the state of every environment, or of one, against its raw events; how many runs were checked.

    Raises StateDiffers after all were checked; what differed is made again by the next refresh.
    """
    environments = sorted({one.environment_id for one in running_iterations()})
    if environment_id is not None:
        environments = [environment_id]
    checked, faults = 0, []
    for one in environments:
        try:
            checked += audit(one, running_plans(one))
        except StateDiffers as fault:
            faults.append(str(fault))
    if faults:
        raise StateDiffers("; ".join(faults))
    return checked


def forget_units(environment_id: UUID, unit_type: str, units: Sequence[str]) -> int:
    """Take erased units out of an environment's state, after their raw events are gone; how many it knew.

    A state that cannot be opened is deleted: it is made again from what is left.
    """
    with ExitStack() as opened:
        state = opened_state(opened, environment_id)
        known = None if state is None else _forgotten(state, environment_id, unit_type, units)
    if known is None:
        discard(environment_id)
    elif known:
        rewrite(environment_id)
    return known or 0


def _forgotten(state: State, environment_id: UUID, unit_type: str, units: Sequence[str]) -> int:
    return forget_in_state(state, running_plans(environment_id), unit_type, units)
