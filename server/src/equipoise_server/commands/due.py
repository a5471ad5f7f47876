"""Due work that composes rooms: refresh and react, verify the audit chain, forget what is done."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from equipoise_server.analysis.actions import audit_rollups, refresh
from equipoise_server.analysis.reads import has_final_report, outdated_reports
from equipoise_server.audit.reads import chain_fault
from equipoise_server.automation.actions import react
from equipoise_server.experiments.reads import analysable_iterations
from equipoise_server.foundation import due_work
from equipoise_server.foundation.due_work import handles, schedule

ON_DEMAND = "analysis.refresh"

_log = logging.getLogger(__name__)


@handles(ON_DEMAND)
def refresh_one(payload: Mapping[str, str], now: datetime) -> None:
    """Refresh the iteration that the payload names."""
    iteration_id = UUID(payload["iteration_id"])
    react(iteration_id, refresh(iteration_id, now), now=now)


@handles("analysis.refresh_all")
def refresh_all(_payload: Mapping[str, str], now: datetime) -> None:
    """Make every report that may change due; each is refreshed by itself, so one fault stops no other."""
    for iteration in analysable_iterations():
        if not has_final_report(iteration.id, stopped_at=iteration.stopped_at):
            _schedule_refresh(iteration.id, now)


@handles("analysis.renew_outdated")
def renew_outdated(_payload: Mapping[str, str], now: datetime) -> None:
    """After an upgrade: make reports again that cannot be read any more, decided experiments' as well."""
    for iteration_id in outdated_reports():
        _schedule_refresh(iteration_id, now)


def _schedule_refresh(iteration_id: UUID, now: datetime) -> None:
    schedule(ON_DEMAND, str(iteration_id), due_at=now, payload={"iteration_id": str(iteration_id)})


@handles("analysis.audit_rollups")
def audit_states(_payload: Mapping[str, str], _now: datetime) -> None:
    """Hold what grew with the day's news against the raw events."""
    audit_rollups()


@handles("due_work.forget")
def forget_finished_work(_payload: Mapping[str, str], now: datetime) -> None:
    """Delete what was finished over a day ago; periodic work leaves a row each time."""
    due_work.forget_finished(before=now - timedelta(days=1))


@handles("audit.verify")
def verify_audit(_payload: Mapping[str, str], _now: datetime) -> None:
    """Say loudly when the audit chain does not hold."""
    fault = chain_fault()
    if fault is not None:
        _log.critical("the audit chain is broken at record %s: %s", fault.number, fault.reason)
        raise RuntimeError(f"audit record {fault.number}: {fault.reason}")
