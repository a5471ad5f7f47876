"""Batches that wait for their project's key: others go past them, and nothing forgets them.

Without the key nobody can tell whether an event is about an erased unit, so it must not be stored.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Min, Sum

from equipoise_server.access import reads as access
from equipoise_server.access.values import KeyMissing
from equipoise_server.events.arrivals import StoredBatch
from equipoise_server.events.backlog import Held
from equipoise_server.events.models import HeldBatch
from equipoise_server.foundation.due_work import WorkDetails, schedule

AWAIT_KIND = "events.await_key"
_REST = timedelta(hours=1)
_AT_ONCE = 500

_log = logging.getLogger(__name__)


def held(environment_id: UUID | None = None) -> Held:
    """What waits for a key: of one environment, or of all."""
    rows = HeldBatch.objects.order_by("batch")
    if environment_id is not None:
        rows = rows.filter(environment_id=environment_id)
    found: dict[str, list[int]] = defaultdict(list)
    for inbox, batch in rows.values_list("inbox", "batch"):
        found[inbox].append(batch)
    return found


def released() -> Held:
    """What has waited for a key that is there again."""
    found: dict[str, list[int]] = defaultdict(list)
    for environment_id in HeldBatch.objects.values_list("environment_id", flat=True).distinct():
        if not lacks_key(environment_id):
            for inbox, batches in held(environment_id).items():
                found[inbox] += batches
    return found


def lacks_key(environment_id: UUID) -> bool:
    """Whether the key of an environment's project is missing."""
    try:
        access.project_key(access.environment(environment_id).project_id)
    except KeyMissing:
        return True
    return False


def hold(batches: Iterable[StoredBatch], *, now: datetime) -> None:
    """Let batches wait. Within the transaction that moves the watermarks past them."""
    rows = [
        HeldBatch(
            inbox=one.inbox, batch=one.id, environment_id=one.environment_id, events=one.good, held_at=now
        )
        for one in batches
    ]
    HeldBatch.objects.bulk_create(rows, ignore_conflicts=True, batch_size=_AT_ONCE)
    for environment_id in {row.environment_id for row in rows}:
        _log.error("events of environment %s wait: the key of its project is missing", environment_id)


def let_go(batches: Iterable[StoredBatch]) -> None:
    """These wait no longer. Within the transaction that stores them."""
    by_inbox: dict[str, list[int]] = defaultdict(list)
    for one in batches:
        by_inbox[one.inbox].append(one.id)
    for inbox, numbers in by_inbox.items():
        for first in range(0, len(numbers), _AT_ONCE):
            HeldBatch.objects.filter(inbox=inbox, batch__in=numbers[first : first + _AT_ONCE]).delete()


def forgettable(watermarks: Mapping[str, int]) -> dict[str, int]:
    """Up to which batch each inbox may be forgotten as a whole: to the first that waits."""
    first = dict(HeldBatch.objects.values_list("inbox").annotate(Min("batch")))
    return {inbox: min(through, first.get(inbox, through + 1) - 1) for inbox, through in watermarks.items()}


def waiting_for_key(environment_id: UUID) -> str:
    """Why events of an environment wait or are refused, and the way out; "" when no key is missed."""
    waiting = HeldBatch.objects.filter(environment_id=environment_id).aggregate(sum=Sum("events"))["sum"]
    project_id = access.environment(environment_id).project_id
    if waiting:
        return _waiting(waiting, project_id)
    is_refusing = access.project(project_id).is_pseudonymised and lacks_key(environment_id)
    return _told("Events of", "are refused", project_id) if is_refusing else ""


def announce(*, now: datetime) -> None:
    """Let a job of each project that waits for its key fail, so that people hear of it."""
    environments = HeldBatch.objects.values_list("environment_id", flat=True).distinct()
    for project_id in {access.environment(one).project_id for one in environments}:
        schedule(
            AWAIT_KIND, project_id.hex, due_at=now, payload={"project_id": project_id.hex},
            details=WorkDetails(project_id, access.project(project_id).key), rest=_REST,
        )  # fmt: skip


def refuse_without_key(project_id: UUID) -> None:
    """Raise KeyMissing while events of a project wait for its key."""
    environments = [one.id for one in access.project(project_id).environments]
    rows = HeldBatch.objects.filter(environment_id__in=environments)
    waiting = rows.aggregate(sum=Sum("events"))["sum"]
    if waiting and any(lacks_key(one) for one in environments):
        raise KeyMissing(_waiting(waiting, project_id))


def _waiting(events: int, project_id: UUID) -> str:
    return _told(f"{events:,} event{'' if events == 1 else 's'} of", "cannot be stored", project_id)


def _told(which: str, state: str, project_id: UUID) -> str:
    project = access.project(project_id).key
    return (
        f"{which} project “{project}” {state}, since its key is missing: without it nobody can tell whom "
        f"they are about. Bring keys/{project_id.hex}.key back into the data directory, from the backup of "
        "the keys; nothing is lost till then."
    )
