"""What other rooms ask of the states: hold them against the raw events, and forget units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from uuid import UUID

from equipoise_server.analysis.doubts import doubt
from equipoise_server.analysis.refreshing import running_plans
from equipoise_server.analysis.rollups.forgetting import forget_units as forget_in_state
from equipoise_server.analysis.rollups.keeping import discard, opened_state, rewrite
from equipoise_server.analysis.rollups.nightly import StateDiffers, audit
from equipoise_server.analysis.rollups.shape import run_named
from equipoise_server.analysis.rollups.state import State
from equipoise_server.experiments.reads import running_iterations


def audit_rollups(environment_id: UUID | None = None, *, now: datetime) -> int:
    """Hold the state of every environment, or of one, against its raw events; how many runs were checked.

    Raises StateDiffers after all were checked. Reports of the runs that differ are withheld until their
    state, which the next refresh makes again, equals the raw events.
    """
    environments = sorted({one.environment_id for one in running_iterations()})
    if environment_id is not None:
        environments = [environment_id]
    checked, faults = 0, dict[str, str]()
    for one in environments:
        try:
            checked += audit(one, running_plans(one), now=now)
        except StateDiffers as fault:
            _doubt(one, fault.faults, now=now)
            faults |= fault.faults
    if faults:
        raise StateDiffers(faults)
    return checked


def _doubt(environment_id: UUID, faults: Mapping[str, str], *, now: datetime) -> None:
    for iteration in running_iterations():
        told = faults.get(run_named(iteration.experiment_key, iteration.number))
        if told is not None and iteration.environment_id == environment_id:
            doubt(iteration.id, told, now=now)


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
