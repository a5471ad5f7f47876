"""Due work of events: compaction and the deletion of files that nobody reads any more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from equipoise_server.events.actions import compact, delete_retired
from equipoise_server.foundation.due_kinds import Lane, handles


@handles("events.compact", title="Move events into the store", lane=Lane.INTAKE)
def compact_events(_payload: Mapping[str, str], now: datetime) -> None:
    """Move what waits in the inboxes into the store."""
    compact(now=now)


@handles("events.delete_retired", title="Delete files that nobody reads any more", lane=Lane.NIGHTLY)
def delete_retired_files(_payload: Mapping[str, str], now: datetime) -> None:
    """Delete files past their grace period."""
    delete_retired(now=now)
