"""Forgets erased units in what analysis keeps between refreshes, and says which events it still needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from equipoise_server.analysis import refreshing
from equipoise_server.analysis.plan import plan_of
from equipoise_server.analysis.reads import has_final_report
from equipoise_server.analysis.rollups import actions as rollups
from equipoise_server.analysis.rollups.keeping import discard, rewrite, state_path
from equipoise_server.events.actions import Gone, Need, When, fill_retention_port, forgets
from equipoise_server.experiments.reads import analysable_iterations
from equipoise_server.experiments.values import Iteration


@forgets(When.DERIVED)
def forget_in_states(gone: Gone, _now: datetime) -> Mapping[str, int]:
    """Take units out of every environment's state, and write it anew: also after a crash in between."""
    known = 0
    for environment_id in gone.environments:
        if state_path(environment_id).exists():
            known += rollups.forget_units(environment_id, gone.unit_type, sorted(gone.kept_as))
        if state_path(environment_id).exists():
            rewrite(environment_id)
    return {"units in rollups": known}


def connect() -> None:
    """Say what is needed, and let no state stand on days that were dropped."""
    fill_retention_port(needs_of, discard)


def needs_of(environment_id: UUID) -> Sequence[Need]:
    """Experiments that have no final report yet, with the first instant that their metrics look at."""
    return [
        Need(one.experiment_key, one.started_at - _past_of(one))
        for one in analysable_iterations()
        if one.environment_id == environment_id and not has_final_report(one.id, stopped_at=one.stopped_at)
    ]


def _past_of(iteration: Iteration) -> timedelta:
    return plan_of(iteration, refreshing.measured_metrics(iteration)).longest_past
