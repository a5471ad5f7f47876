"""Compacts until nothing waits; of two that compact at once, the one that loses begins again."""

from __future__ import annotations

from datetime import datetime

from equipoise_server.events import places
from equipoise_server.events.collecting import collect
from equipoise_server.events.compaction import LostRace, Places, compact_once
from equipoise_server.events.values import Compacted
from equipoise_server.foundation.scratch import scratch_directory

_MOST_RACES = 5


def compact(*, now: datetime) -> Compacted:
    """Move everything that waits in the inboxes, and in the stream that is shared, into the store."""
    collect(now=now)
    where = Places(places.inbox_directory(), places.store_directory(), scratch_directory())
    batches = stored = duplicates = conflicting = lost = 0
    while True:
        try:
            done = compact_once(where, now=now)
        except LostRace:
            lost += 1
            if lost > _MOST_RACES:
                raise
            continue
        if done is None:
            return Compacted(batches, stored, duplicates, conflicting)
        batches, stored = batches + done.batches, stored + done.stored
        duplicates, conflicting = duplicates + done.duplicates, conflicting + done.conflicting
