"""Due work that follows a kill."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from equipoise_server.automation.actions import stop_after_kill
from equipoise_server.foundation.due_kinds import Lane, handles


@handles("flag.killed", title="Stop what ran on a killed flag", lane=Lane.PROMPT)
def stop_what_ran(payload: Mapping[str, str], now: datetime) -> None:
    """Stop the running experiments that set the killed flag in its environment."""
    stop_after_kill(UUID(payload["flag_id"]), UUID(payload["environment_id"]), now=now)
