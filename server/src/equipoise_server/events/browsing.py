"""The quarantine as people look through it: refused events, and those in conflict with what was stored."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from equipoise_server.events.models import ConflictingEvent
from equipoise_server.events.quarantine import Sieve, fault_key, joined
from equipoise_server.events.replaying import place_of, quarantine_of
from equipoise_server.events.values import Fault, QuarantinedDetail, Sender
from equipoise_server.foundation.refusals import NotFound, Problem

CONFLICT = ("id: stored before with other content",)
_CONFLICT_KEY = fault_key(CONFLICT)
_PREFIX = "conflict"
_MOST_CONFLICTS = 5_000


def quarantine_faults(environment_id: UUID, *, sender: Sender | None = None) -> tuple[Fault, ...]:
    """Why events are in quarantine, the most frequent reason first."""
    refused = quarantine_of(environment_id).faults(Sieve(sender=sender))
    found = [*refused, *_conflict_fault(environment_id, sender)]
    return tuple(sorted(found, key=lambda fault: (-fault.events, fault.key)))


def quarantined_events(
    environment_id: UUID, *, fault: str | None = None, sender: Sender | None = None, most: int = 50
) -> tuple[QuarantinedDetail, ...]:
    """The newest events in quarantine of one reason and one sender, or of all."""
    refused = quarantine_of(environment_id).newest(Sieve(fault, sender), most=most)
    conflicts = _conflicts(environment_id, sender, most) if fault in (None, _CONFLICT_KEY) else []
    both = [*refused, *map(_conflicting, conflicts)]
    return tuple(sorted(both, key=lambda event: event.received_at, reverse=True)[:most])


def quarantined_event(environment_id: UUID, key: str) -> QuarantinedDetail:
    """One event in quarantine. Raises NotFound."""
    inbox, place = place_of(key)
    if inbox == _PREFIX:
        row = ConflictingEvent.objects.filter(environment_id=environment_id, pk=place).first()
        found = None if row is None else _conflicting(row)
    else:
        found = quarantine_of(environment_id).one(inbox, place)
    if found is None:
        told = "This event is not in quarantine: it was replayed, its time there ran out, or it was erased."
        raise NotFound(Problem("event", told))
    return found


def _conflict_fault(environment_id: UUID, sender: Sender | None) -> Iterable[Fault]:
    """The conflicts that are kept, as one reason; no repair makes them good, so none can be replayed."""
    found: Fault | None = None
    for row in _conflicts(environment_id, sender, _MOST_CONFLICTS):
        one = Fault(
            _CONFLICT_KEY, CONFLICT, 1, 0, row.received_at, row.received_at,
            (Sender(row.sender_key, row.program),), row.event,
        )  # fmt: skip
        found = one if found is None else joined(found, one)
    return () if found is None else (found,)


def _conflicts(environment_id: UUID, sender: Sender | None, most: int) -> list[ConflictingEvent]:
    rows = ConflictingEvent.objects.filter(environment_id=environment_id)
    if sender is not None:
        rows = rows.filter(sender_key=sender.key, program=sender.program)
    return list(rows.order_by("-received_at")[:most])


def _conflicting(row: ConflictingEvent) -> QuarantinedDetail:
    return QuarantinedDetail(
        f"{_PREFIX}.{row.pk}", row.received_at, None, Sender(row.sender_key, row.program), CONFLICT,
        row.event, is_kept=False,
    )  # fmt: skip
