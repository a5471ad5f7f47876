"""Whether due work is done, as every page tells it when it is not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from equipoise_server.jobs import reads as jobs

_UNTOUCHED = frozenset({"metrics", "layers", "activity"})
"""Sections whose pages show nothing that a worker makes."""


@dataclass(frozen=True, slots=True)
class WorkerTrouble:
    """No worker lives; None when none ever did."""

    last_seen_at: datetime | None


def worker_trouble(section: str, now: datetime) -> WorkerTrouble | None:
    """What a section's pages must say about the workers, if anything."""
    if section in _UNTOUCHED:
        return None
    found = jobs.workers(now)
    return WorkerTrouble(found.last_seen_at) if found.is_down else None
