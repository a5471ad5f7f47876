"""Which inbox files an erasure still wants scrubbed. Their writers do it, and the worker for the others."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime

from django.db.models import QuerySet

from equipoise_server.access.values import KeyMissing
from equipoise_server.events import inbox as inboxes
from equipoise_server.events import places
from equipoise_server.events.compaction import watermarks
from equipoise_server.events.holding import held
from equipoise_server.events.inbox import Inbox
from equipoise_server.events.models import Erasure, InboxScrub
from equipoise_server.events.pseudonyms import kept_ids
from equipoise_server.events.scrubbing import scrub, scrub_unheld

_log = logging.getLogger(__name__)


def want_scrubs(erasure: Erasure) -> None:
    """Want it of every inbox file there is; what arrives later is kept away by tombstones."""
    InboxScrub.objects.bulk_create(
        [InboxScrub(erasure=erasure, inbox=path.stem) for path in inboxes.files(places.inbox_directory())],
        ignore_conflicts=True,
    )


def scrub_wanted(inbox: Inbox, through: int, waiting: Sequence[int], *, now: datetime) -> None:
    """Do what is wanted of this process's own inbox. What cannot be done now is tried again."""
    for wanted in _wanted().filter(inbox=inbox.name):
        try:
            _done(wanted, scrub(inbox, through, waiting, _units(wanted.erasure)), now)
        except (sqlite3.Error, TimeoutError, KeyMissing) as fault:
            _log.warning("the inbox %s could not be scrubbed yet: %s", inbox.name, fault)


def scrub_unclaimed(erasure: Erasure, *, now: datetime) -> tuple[str, ...]:
    """Do what is wanted of files whose process is gone; the names of those that a process must still do."""
    return tuple(_left(erasure, now))


def _left(erasure: Erasure, now: datetime) -> Iterator[str]:
    stored, waiting = watermarks(), held()
    for wanted in _wanted().filter(erasure=erasure):
        path = places.inbox_directory() / f"{wanted.inbox}.sqlite3"
        through, left = stored.get(wanted.inbox, 0), waiting.get(wanted.inbox, ())
        try:
            found = scrub_unheld(path, through, left, _units(erasure)) if path.exists() else 0
        except (sqlite3.Error, TimeoutError) as fault:
            _log.warning("the inbox %s could not be scrubbed yet: %s", wanted.inbox, fault)
            found = None
        if found is None:
            yield wanted.inbox
        else:
            _done(wanted, found, now)


def _wanted() -> QuerySet[InboxScrub]:
    return InboxScrub.objects.filter(done_at=None).select_related("erasure")


def _units(erasure: Erasure) -> frozenset[str]:
    asked = frozenset(erasure.units.values_list("unit", flat=True))
    return asked | kept_ids(erasure.project_id, erasure.unit_type, asked)


def _done(wanted: InboxScrub, quarantined: int, now: datetime) -> None:
    InboxScrub.objects.filter(pk=wanted.pk, done_at=None).update(done_at=now, quarantined=quarantined)
