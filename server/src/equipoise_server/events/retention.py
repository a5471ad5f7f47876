"""How long raw events are kept: days past their time are dropped, unless an experiment still needs them.

Reports stay. Who needs what is told through a port by the room that knows experiments' windows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, Max, QuerySet, Sum

from equipoise_server.access import reads as access
from equipoise_server.access.values import Actor, Permission
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Author, Subject
from equipoise_server.events import models
from equipoise_server.events.values import Retention
from equipoise_server.foundation.refusals import Conflict, Invalid, Problem, refuse_all

LONGEST_DAYS = 3_650
LONGEST_QUARANTINE_DAYS = 365
AUTHOR = Author("automation", "retention", "retention")


@dataclass(frozen=True, slots=True)
class Need:
    """An experiment that is not done with the events since an instant."""

    experiment: str
    since: datetime


Needs = Callable[[UUID], Sequence[Need]]
Dropped = Callable[[UUID], None]
_ports: list[tuple[Needs, Dropped]] = []


def fill_retention_port(needs: Needs, dropped: Dropped) -> None:
    """Let a room say what an environment's experiments need, and hear when days were dropped. At start-up."""
    _ports[:] = [(needs, dropped)]


@dataclass(frozen=True, slots=True)
class SetRetention:
    """How many days an environment keeps raw events (None: for ever) and refused ones."""

    environment_id: UUID
    expected_version: int
    event_days: int | None
    quarantine_days: int
    reason: str = ""


def retention_of(environment_id: UUID) -> Retention:
    """What holds in an environment."""
    row = models.Retention.objects.filter(pk=environment_id).first()
    if row is None:
        return Retention(environment_id)
    return Retention(
        row.pk, row.event_days, row.quarantine_days, row.version, row.dropped_through, row.waits_for
    )


def set_retention(actor: Actor, command: SetRetention, *, now: datetime) -> Retention:
    """Set it; the next night drops what is past its time."""
    environment = access.environment(command.environment_id)
    actor.require(Permission.RETENTION_EDIT, environment.project_id)
    problems = []
    if command.event_days is not None and not 1 <= command.event_days <= LONGEST_DAYS:
        told = f"Keep raw events for 1 to {LONGEST_DAYS:,} days, or leave it out to keep them for ever."
        problems.append(Problem("event_days", told))
    if not 1 <= command.quarantine_days <= LONGEST_QUARANTINE_DAYS:
        told = f"Keep refused events for 1 to {LONGEST_QUARANTINE_DAYS} days."
        problems.append(Problem("quarantine_days", told))
    refuse_all(Invalid, problems)
    subject = Subject("environment", environment.id, environment.key, environment.project_id, environment.id)
    with change(actor.author, "retention.set", subject, now=now, reason=command.reason) as entry:
        held = retention_of(environment.id)
        if held.version != command.expected_version:
            told = "Somebody changed it meanwhile. Load it again, then repeat your change."
            raise Conflict(Problem("expected_version", told))
        models.Retention.objects.update_or_create(
            environment_id=environment.id,
            defaults={
                "event_days": command.event_days, "quarantine_days": command.quarantine_days,
                "version": held.version + 1, "waits_for": "",
            },
        )  # fmt: skip
        entry.before = {"event_days": held.event_days, "quarantine_days": held.quarantine_days}
        entry.after = {"event_days": command.event_days, "quarantine_days": command.quarantine_days}
    return retention_of(environment.id)


def drop_old_days(*, now: datetime) -> int:
    """Drop what is past its time in every environment; how many files went out of use."""
    rows = models.Retention.objects.exclude(event_days=None)
    return sum(_drop_in(row, now) for row in rows)


def _drop_in(row: models.Retention, now: datetime) -> int:
    assert row.event_days is not None
    horizon = datetime.combine((now - timedelta(days=row.event_days)).date(), datetime.min.time(), UTC)
    needed = [need for port, _ in _ports for need in port(row.environment_id) if need.since < horizon]
    waits_for = _waits_for(needed) if _past_time(row.environment_id, horizon).exists() else ""
    models.Retention.objects.filter(pk=row.pk).update(waits_for=waits_for)
    return _drop(row.environment_id, min([horizon, *(need.since for need in needed)]), now)


def _past_time(environment_id: UUID, before: datetime) -> QuerySet[models.StoreFile]:
    """Files of whole days before an instant, none of whose events happened later by the server's clock."""
    return models.StoreFile.objects.filter(
        environment_id=environment_id, retired_at=None, day__lt=before.date(), latest__lt=before
    )


def _drop(environment_id: UUID, before: datetime, now: datetime) -> int:
    """Retire the files and say so in one transaction; they are deleted once nobody reads them."""
    environment = access.environment(environment_id)
    subject = Subject("environment", environment.id, environment.key, environment.project_id, environment.id)
    if not _past_time(environment_id, before).exists():
        return 0
    with change(AUTHOR, "retention.drop", subject, now=now) as entry, transaction.atomic():
        files = _past_time(environment_id, before)
        told = files.aggregate(rows=Sum("rows"), through=Max("day"))
        through: date = told["through"]
        count = files.update(retired_at=now)
        # Whoever compacts from these files at this moment loses the race, and begins again.
        models.StoreHead.objects.filter(pk=1).update(version=F("version") + 1)
        models.Retention.objects.filter(pk=environment_id).update(dropped_through=through)
        entry.after = {"through": through.isoformat(), "files": count, "events": told["rows"]}
    for _, dropped in _ports:
        dropped(environment_id)
    return count


def _waits_for(needed: Iterable[Need]) -> str:
    named = ", ".join(f"“{need.experiment}” (since {need.since:%Y-%m-%d})" for need in needed)
    return f"These experiments still need older events: {named}." if named else ""
