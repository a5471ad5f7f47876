"""Due work of events: compaction and the deletion of files that nobody reads any more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from equipoise_server.events.actions import compact, delete_retired
from equipoise_server.events.asking import WORK
from equipoise_server.events.counts import forget_told
from equipoise_server.events.erasing import work_off
from equipoise_server.events.holding import AWAIT_KIND, announce, refuse_without_key
from equipoise_server.events.replaying import REPLAY_KIND, do_replay
from equipoise_server.events.retention import drop_old_days
from equipoise_server.foundation.due_kinds import Lane, handles


@handles("events.compact", title="Move events into the store", lane=Lane.INTAKE)
def compact_events(_payload: Mapping[str, str], now: datetime) -> None:
    """Move what waits in the inboxes into the store."""
    compact(now=now)
    announce(now=now)


@handles(AWAIT_KIND, title="Store events that wait for their project's key", lane=Lane.INTAKE)
def store_what_waits_for_a_key(payload: Mapping[str, str], now: datetime) -> None:
    """Fail loudly while the key is missing; store them once it is back."""
    refuse_without_key(UUID(payload["project_id"]))
    compact(now=now)


@handles("events.delete_retired", title="Delete files that nobody reads any more", lane=Lane.NIGHTLY)
def delete_retired_files(_payload: Mapping[str, str], now: datetime) -> None:
    """Delete files past their grace period."""
    delete_retired(now=now)
    forget_told(now=now)


@handles(REPLAY_KIND, title="Replay quarantined events", lane=Lane.INTAKE)
def replay_events(payload: Mapping[str, str], now: datetime) -> None:
    """Judge quarantined events again and take the good ones."""
    do_replay(UUID(payload["replay_id"]), now=now)


@handles(WORK, title="Erase units")
def erase_units(_payload: Mapping[str, str], now: datetime) -> None:
    """Bring erasures as far as they go now."""
    work_off(now=now)


@handles("events.drop_old", title="Drop events past their time", lane=Lane.NIGHTLY)
def drop_events_past_their_time(_payload: Mapping[str, str], now: datetime) -> None:
    """Drop what environments no longer keep."""
    drop_old_days(now=now)
