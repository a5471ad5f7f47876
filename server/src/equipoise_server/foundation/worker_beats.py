"""Which workers live. Without one no event is stored, no report renewed and no ramp raised."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from equipoise_server.foundation.models import WorkerBeat

BEAT = timedelta(seconds=10)
DOWN_AFTER = timedelta(seconds=60)
FORGOTTEN_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Workers:
    """How many workers live, and when the last of them was heard; None when none ever was."""

    alive: int
    last_seen_at: datetime | None

    @property
    def is_down(self) -> bool:
        """Whether nothing that falls due is done."""
        return self.alive == 0


def beat(owner: str, *, started_at: datetime, now: datetime) -> None:
    """Say that a worker lives."""
    WorkerBeat.objects.update_or_create(
        owner=owner, defaults={"seen_at": now}, create_defaults={"seen_at": now, "started_at": started_at}
    )
    WorkerBeat.objects.filter(seen_at__lt=now - FORGOTTEN_AFTER).delete()


def rest(owner: str, *, now: datetime) -> None:
    """Say that a worker has ended, as it should: from now on it counts no more."""
    WorkerBeat.objects.filter(owner=owner).update(seen_at=now - DOWN_AFTER)


def workers(now: datetime) -> Workers:
    """Who lives now. A beat from far ahead comes from a clock that jumped back since; it counts."""
    seen = tuple(WorkerBeat.objects.order_by("seen_at").values_list("seen_at", flat=True))
    alive = sum(1 for at in seen if now - at < DOWN_AFTER)
    return Workers(alive, seen[-1] if seen else None)
