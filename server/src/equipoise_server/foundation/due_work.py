"""Due work: a lease table on the configuration store. At least once, one runner at a time, with back-off.

Handlers are registered by the room that owns the noun; the worker process claims, runs and finishes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q

from equipoise_server.foundation.models import DueWork

LEASE = timedelta(seconds=30)
FIRST_BACK_OFF = timedelta(seconds=2)
LONGEST_BACK_OFF = timedelta(minutes=10)

Handler = Callable[[Mapping[str, str], datetime], None]
_handlers: dict[str, Handler] = {}


@dataclass(frozen=True, slots=True)
class Work:
    """One claimed piece of work; `owner` fences it against a worker that lost its lease."""

    id: int
    kind: str
    key: str
    payload: Mapping[str, str]
    attempts: int
    owner: str


def handles(kind: str) -> Callable[[Handler], Handler]:
    """Register the function that does work of this kind. It must be idempotent."""

    def register(handler: Handler) -> Handler:
        _handlers[kind] = handler
        return handler

    return register


def schedule(kind: str, key: str, *, due_at: datetime, payload: Mapping[str, str] | None = None) -> bool:
    """Put a slot on the table; False when the same slot is already open (its earlier due time wins)."""
    with transaction.atomic():
        row, made = DueWork.objects.select_for_update().get_or_create(
            kind=kind,
            key=key,
            finished_at=None,
            defaults={"due_at": due_at, "payload": dict(payload or {})},
        )
        if not made and row.due_at > due_at and row.leased_until is None:
            row.due_at = due_at
            row.save(update_fields=["due_at"])
        return made


def claim(owner: str, *, now: datetime, kinds: frozenset[str] | None = None) -> Work | None:
    """Lease the most overdue open slot whose lease, if any, has run out."""
    free = Q(leased_until=None) | Q(leased_until__lt=now)
    with transaction.atomic():
        rows = DueWork.objects.filter(free, finished_at=None, due_at__lte=now).order_by("due_at", "id")
        if kinds is not None:
            rows = rows.filter(kind__in=kinds)
        skip_locked = connection.features.has_select_for_update_skip_locked
        row = rows.select_for_update(skip_locked=skip_locked).first()
        if row is None:
            return None
        row.leased_until, row.leased_by, row.attempts = now + LEASE, owner, row.attempts + 1
        row.save(update_fields=["leased_until", "leased_by", "attempts"])
        return Work(row.pk, row.kind, row.key, row.payload, row.attempts, owner)


def heart_beat(work: Work, *, now: datetime) -> bool:
    """Extend the lease; False when it was lost to another worker."""
    held = DueWork.objects.filter(pk=work.id, leased_by=work.owner, finished_at=None)
    return held.update(leased_until=now + LEASE) == 1


def finish(work: Work, *, now: datetime) -> None:
    """Close the slot, if this worker still holds it."""
    held = DueWork.objects.filter(pk=work.id, leased_by=work.owner, finished_at=None)
    held.update(finished_at=now, leased_until=None, last_error="")


def give_back(work: Work, *, error: str, now: datetime) -> None:
    """Return failed work to the table with exponential back-off."""
    delay = min(FIRST_BACK_OFF * 2 ** (work.attempts - 1), LONGEST_BACK_OFF)
    held = DueWork.objects.filter(pk=work.id, leased_by=work.owner, finished_at=None)
    held.update(due_at=now + delay, leased_until=None, leased_by="", last_error=error[:2000])


def forget_finished(*, before: datetime) -> int:
    """Delete slots that were finished long ago; how many there were."""
    deleted, _ = DueWork.objects.filter(finished_at__lt=before).delete()
    return deleted


def run(work: Work, *, now: datetime) -> None:
    """Call the handler; what it raises is the worker's to record."""
    _handlers[work.kind](work.payload, now)
