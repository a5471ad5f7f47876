"""Due work that asks a Prometheus about health checks, and acts on those that failed often enough."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from equipoise_server.automation.health import react_to_health
from equipoise_server.foundation.due_kinds import Lane, handles
from equipoise_server.health import reads as health
from equipoise_server.health.actions import ask_due
from equipoise_server.health.values import ASK


@handles(ASK, title="Ask a Prometheus about health checks", lane=Lane.OUTSIDE)
def ask_and_react(payload: Mapping[str, str], now: datetime) -> None:
    """Ask about what is due over one connection; what an earlier attempt has not acted on is acted on now."""
    project_id, connection = UUID(payload["project_id"]), payload["connection"]
    ask_due(project_id, connection, now=now)
    for check in health.breached(project_id, connection):
        react_to_health(check, now=now)
