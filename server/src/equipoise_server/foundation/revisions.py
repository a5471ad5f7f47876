"""Revisions: the number that grows when a client's payload changes, and the port that vets the new payload.

The room that knows snapshots fills the port at start-up; it runs inside the action's transaction and
refuses by raising. Who serves clients may subscribe, and is called after each commit of this process;
on PostgreSQL every other process is told as well, by a notification on `CHANNEL`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F

from equipoise_server.foundation.models import EnvironmentRevision

EPOCHS_BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
CHANNEL = "equipoise_revisions"
"""The PostgreSQL channel on which commits of new revisions are announced."""


@dataclass(frozen=True, slots=True, order=True)
class Revision:
    """(epoch, number) of one environment; strictly growing."""

    epoch: int
    number: int


@dataclass(frozen=True, slots=True)
class PayloadChange:
    """What the port gets to vet: one environment at its new revision and the flags that changed."""

    environment_id: UUID
    revision: Revision
    changed_flags: frozenset[str]
    now: datetime
    growth_confirmed: bool
    is_vetted: bool
    """False for a kill alone: its form is fixed, so it is kept and served without a check."""


Publisher = Callable[[PayloadChange], None]
_publishers: list[Publisher] = []
Subscriber = Callable[[], None]
_subscribers: list[Subscriber] = []


def fill_publisher_port(publisher: Publisher) -> None:
    """Let the room that knows snapshots vet and keep each new payload. Called once, at start-up."""
    _publishers[:] = [publisher]


def subscribe(subscriber: Subscriber) -> Callable[[], None]:
    """Call this after each commit of a new revision or key by this process; returns what ends that.

    It runs in the thread that committed, so it must be quick, and only wake whoever does the work.
    """
    _subscribers.append(subscriber)
    return lambda: _subscribers.remove(subscriber)


def announce() -> None:
    """When the transaction commits, wake whoever serves clients: something changed, such as a key."""
    transaction.on_commit(_tell_subscribers, robust=True)
    _tell_other_processes()


def _tell_subscribers() -> None:
    for subscriber in tuple(_subscribers):
        subscriber()


def _tell_other_processes() -> None:
    """Notify when the transaction commits; SQLite's readers have to ask."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")


def advance(
    environment_id: UUID,
    changed_flags: frozenset[str],
    *,
    now: datetime,
    growth_confirmed: bool = False,
    is_vetted: bool = True,
) -> Revision:
    """Give the environment its next revision; its payload is vetted and kept, or refused by raising."""
    with transaction.atomic():
        row, _ = EnvironmentRevision.objects.select_for_update().get_or_create(
            environment_id=environment_id, defaults={"epoch": epoch_at(now), "changed_at": now}
        )
        row.number += 1
        row.changed_at = now
        row.save(update_fields=["number", "changed_at"])
        revision = Revision(row.epoch, row.number)
        for publish in _publishers:
            publish(PayloadChange(environment_id, revision, changed_flags, now, growth_confirmed, is_vetted))
        announce()
        return revision


def epoch_at(now: datetime) -> int:
    """The epoch of what is created now: what is made anew outranks what clients keep of before."""
    return max(1, int((now - EPOCHS_BEGIN).total_seconds()))


def begin_epoch(environment_id: UUID, *, now: datetime) -> None:
    """Within a change that advances, after a restore: number from one, above all that was served."""
    row = EnvironmentRevision.objects.select_for_update().get(environment_id=environment_id)
    row.epoch, row.number = max(row.epoch + 1, epoch_at(now)), 0
    row.save(update_fields=["epoch", "number"])


def skip(environment_id: UUID, count: int) -> None:
    """Leave out numbers, within a change that advances: they were served from outside the database."""
    held = EnvironmentRevision.objects.filter(environment_id=environment_id)
    held.update(number=F("number") + count)


def current(environment_id: UUID) -> Revision | None:
    """The environment's revision, or None before its first payload change."""
    row = EnvironmentRevision.objects.filter(environment_id=environment_id).first()
    return None if row is None else Revision(row.epoch, row.number)


def all_current() -> dict[UUID, Revision]:
    """Every environment's revision, in one query."""
    rows = EnvironmentRevision.objects.values_list("environment_id", "epoch", "number")
    return {environment_id: Revision(epoch, number) for environment_id, epoch, number in rows}
