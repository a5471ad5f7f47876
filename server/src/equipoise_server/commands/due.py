"""Due work that composes rooms: refresh and react, verify the audit chain, forget what is done."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from equipoise_server.analysis.actions import audit_rollups, measure_holdouts, refresh
from equipoise_server.analysis.freshness_values import REFRESH
from equipoise_server.analysis.reads import has_final_report, outdated_reports, resting
from equipoise_server.analysis.renewing import make_due, state_of
from equipoise_server.audit.reads import chain_fault
from equipoise_server.automation.actions import react
from equipoise_server.experiments import reads as experiments
from equipoise_server.foundation import due_work, running
from equipoise_server.foundation.due_kinds import Lane, handles
from equipoise_server.foundation.due_work import WorkDetails, schedule

HISTORY = timedelta(days=7)

_log = logging.getLogger(__name__)


@handles(REFRESH, title="Refresh of a report", can_cancel=True)
def refresh_one(payload: Mapping[str, str], now: datetime) -> None:
    """Refresh the iteration that the payload names."""
    iteration_id = UUID(payload["iteration_id"])
    react(iteration_id, refresh(iteration_id, now), now=now)


@handles("analysis.refresh_all", title="Make reports due", lane=Lane.INTAKE)
def refresh_all(_payload: Mapping[str, str], now: datetime) -> None:
    """Make every report that may change due; each is refreshed by itself, so one fault stops no other."""
    iterations = tuple(experiments.analysable_iterations())
    rests = resting(iterations, now=now)
    for iteration in iterations:
        if iteration.id not in rests and not has_final_report(iteration.id, stopped_at=iteration.stopped_at):
            make_due(iteration, now=now)


@handles("analysis.renew_outdated", title="Make reports of an older release again", lane=Lane.NIGHTLY)
def renew_outdated(_payload: Mapping[str, str], now: datetime) -> None:
    """After an upgrade: make reports again that cannot be read any more, decided experiments' as well."""
    for iteration_id in outdated_reports():
        make_due(experiments.iteration(iteration_id), now=now)


@handles("analysis.audit_rollups", title="Make audits of states due", lane=Lane.NIGHTLY)
def audit_states(_payload: Mapping[str, str], now: datetime) -> None:
    """Make the audit of every environment's state due; each by itself, so that refreshes go in between."""
    environments = {one.environment_id: one.project_id for one in experiments.running_iterations()}
    for environment_id, project_id in sorted(environments.items()):
        schedule(
            "analysis.audit_state", str(environment_id), due_at=now,
            payload={"environment_id": str(environment_id)},
            details=WorkDetails(project_id, holds=state_of(environment_id)),
        )  # fmt: skip


@handles(
    "analysis.audit_state",
    title="Hold rollups against the raw events",
    lane=Lane.NIGHTLY,
    can_cancel=True,
)
def audit_state(payload: Mapping[str, str], now: datetime) -> None:
    """Hold what grew with the day's news against the raw events of one environment."""
    running.step("comparing rollups with raw events")
    audit_rollups(UUID(payload["environment_id"]), now=now)


@handles("analysis.measure_holdouts", title="Measure what launches did together", lane=Lane.NIGHTLY)
def measure_all_holdouts(_payload: Mapping[str, str], now: datetime) -> None:
    """Hold all open units of every holdout against those that it held back."""
    measure_holdouts(now)


@handles("due_work.forget", title="Forget work that was done long ago", lane=Lane.NIGHTLY)
def forget_finished_work(_payload: Mapping[str, str], now: datetime) -> None:
    """Keep the last few of each slot for a week."""
    due_work.forget_finished(before=now - HISTORY)


@handles("audit.verify", title="Verify the audit chain", lane=Lane.NIGHTLY)
def verify_audit(_payload: Mapping[str, str], _now: datetime) -> None:
    """Say loudly when the audit chain does not hold."""
    fault = chain_fault()
    if fault is not None:
        _log.critical("the audit chain is broken at record %s: %s", fault.number, fault.reason)
        raise RuntimeError(f"audit record {fault.number}: {fault.reason}")
