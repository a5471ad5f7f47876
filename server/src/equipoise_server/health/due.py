"""Due work of health checks, and the ports of the rooms below them. Imported at start-up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from equipoise_server.flags.actions import fill_promotion_port
from equipoise_server.foundation.due_kinds import Lane, handles
from equipoise_server.foundation.due_work import WorkDetails, schedule
from equipoise_server.health.reads import due_connections, reasons_to_wait, uses_of
from equipoise_server.health.values import ASK
from equipoise_server.sources.actions import fill_usage_port


@handles("health.watch", title="Make health checks due", lane=Lane.INTAKE)
def watch(_payload: Mapping[str, str], now: datetime) -> None:
    """One piece of work per Prometheus, so that one that is away holds up no other."""
    for project_id, connection in due_connections(now):
        schedule(
            ASK, f"{project_id}:{connection}", due_at=now,
            payload={"project_id": str(project_id), "connection": connection},
            details=WorkDetails(project_id, connection),
        )  # fmt: skip


def connect() -> None:
    """Let ramps wait for checks, and connections know who uses them."""
    fill_promotion_port(
        lambda flag_id, environment_id, now: reasons_to_wait((flag_id,), environment_id, now=now)
    )
    fill_usage_port(uses_of)
