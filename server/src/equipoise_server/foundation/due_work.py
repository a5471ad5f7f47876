"""Due work: a lease table on the configuration store. At least once, one runner at a time, with back-off.

Handlers are registered by the room that owns the noun; the worker process claims, runs and finishes.
Every lease has a token; who holds an older one changes nothing any more (`running.fence`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import Case, DateTimeField, Exists, F, OuterRef, Q, QuerySet, Value, When, Window
from django.db.models.functions import RowNumber

from equipoise_server.foundation import due_kinds
from equipoise_server.foundation.due_kinds import Lane, handles
from equipoise_server.foundation.models import DueWork
from equipoise_server.foundation.refusals import Problem

__all__ = [
    "LEASE", "Lane", "Work", "WorkDetails", "cancelled", "claim", "finish", "forget_finished", "give_back",
    "handles", "heart_beat", "run", "schedule",
]  # fmt: skip

LEASE = timedelta(seconds=30)
FIRST_BACK_OFF = timedelta(seconds=2)
LONGEST_BACK_OFF = timedelta(minutes=10)
LEAST_BACK_OFF = timedelta(seconds=1)
MOST_ATTEMPTS = 12
"""After so many failures it is given up until somebody, or the next period, asks again."""
IMPLAUSIBLE = 10 * LEASE
"""A lease or a failure so far ahead was written under a clock that has jumped back since."""
AHEAD: Mapping[Lane, timedelta] = {Lane.INTAKE: timedelta(minutes=10), Lane.NIGHTLY: timedelta(minutes=-10)}
"""How much earlier than due a lane counts in the order; nobody waits for ever behind another lane."""
KEPT_EACH = 20
_MOST_RACES = 5
GONE = "The worker that did this went away, or stood still for too long."

DONE, FAILED, CANCELLED = "done", "failed", "cancelled"


@dataclass(frozen=True, slots=True)
class WorkDetails:
    """Whose work it is (None: the installation's), what it is about, and what it alone may touch."""

    project_id: UUID | None = None
    label: str = ""
    holds: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """One claimed piece of work; `token` fences it against a worker that lost its lease."""

    id: int
    kind: str
    key: str
    payload: Mapping[str, str]
    attempts: int
    owner: str
    token: int


def schedule(
    kind: str,
    key: str,
    *,
    due_at: datetime,
    payload: Mapping[str, str] | None = None,
    details: WorkDetails | None = None,
    rest: timedelta | None = None,
    is_asked: bool = False,
) -> bool:
    """Put a slot on the table; False when the same slot is already open (its earlier due time wins).

    rest: not so soon after it was given up or cancelled. is_asked: somebody wants it now, failed or not.
    """
    about = details or WorkDetails()
    with transaction.atomic():
        if rest is not None and _rests(kind, key, since=due_at - rest):
            return False
        row, made = DueWork.objects.select_for_update().get_or_create(
            kind=kind,
            key=key,
            finished_at=None,
            defaults={
                "due_at": due_at, "payload": dict(payload or {}), "opened_at": due_at,
                "project_id": about.project_id, "label": about.label[:200], "holds": about.holds,
            },
        )  # fmt: skip
        if not made:
            _bring_forward(row, due_at, is_asked=is_asked)
        return made


def _rests(kind: str, key: str, *, since: datetime) -> bool:
    last = DueWork.objects.filter(kind=kind, key=key, finished_at__gt=since).order_by("-finished_at").first()
    return last is not None and last.outcome in {FAILED, CANCELLED}


def _bring_forward(row: DueWork, due_at: datetime, *, is_asked: bool) -> None:
    """An open slot becomes due earlier, unless it waits after a failure and nobody has asked."""
    if row.leased_by:
        # What it does may have read the state before this was scheduled: then it is done once more.
        if row.started_at is not None and due_at > row.started_at and _lane(row.kind) is Lane.PROMPT:
            DueWork.objects.filter(pk=row.pk).update(due_at=due_at)
        return
    if is_asked:
        DueWork.objects.filter(pk=row.pk).update(due_at=min(row.due_at, due_at), attempts=0)
    elif row.due_at > due_at and row.failed_at is None:
        DueWork.objects.filter(pk=row.pk).update(due_at=due_at)


def claim(owner: str, *, now: datetime, kinds: frozenset[str] | None = None) -> Work | None:
    """Lease what comes first of the open slots that are due and that nobody holds."""
    _take_back(now)
    for _ in range(_MOST_RACES):
        due = _due(now, kinds)
        if not due.exists():  # a question without a lock: most of the time there is nothing to do
            return None
        try:
            with transaction.atomic():
                return _leased(due, owner, now)
        except IntegrityError:
            continue  # another worker took what this work holds between question and answer
    return None


def _due(now: datetime, kinds: frozenset[str] | None) -> QuerySet[DueWork]:
    held = DueWork.objects.filter(holds=OuterRef("holds"), finished_at=None).exclude(leased_by="")
    rows = DueWork.objects.filter(finished_at=None, leased_by="", due_at__lte=now)
    rows = rows.exclude(~Q(holds="") & Exists(held))
    return rows if kinds is None else rows.filter(kind__in=kinds)


def _leased(due: QuerySet[DueWork], owner: str, now: datetime) -> Work | None:
    lanes = {lane: due_kinds.of_lane(lane) for lane in Lane}
    ordered = due.annotate(
        prompt=Case(When(kind__in=lanes[Lane.PROMPT], then=Value(0)), default=Value(1)),
        turn=Case(
            *(When(kind__in=lanes[lane], then=F("due_at") - ahead) for lane, ahead in AHEAD.items()),
            default=F("due_at"),
            output_field=DateTimeField(),
        ),
    ).order_by("prompt", "turn", "id")
    skip_locked = connection.features.has_select_for_update_skip_locked
    row = ordered.select_for_update(skip_locked=skip_locked, of=("self",) if skip_locked else ()).first()
    if row is None:
        return None
    row.leased_until, row.leased_by, row.started_at = now + LEASE, owner, now
    row.attempts, row.token, row.progress, row.cancel_asked_at = row.attempts + 1, row.token + 1, None, None
    row.save(
        update_fields=[
            "leased_until", "leased_by", "started_at", "attempts", "token", "progress", "cancel_asked_at",
        ]
    )  # fmt: skip
    return Work(row.pk, row.kind, row.key, row.payload, row.attempts, owner, row.token)


def _take_back(now: datetime) -> None:
    """Free what is leased to workers that are gone, and what a clock that jumped put far ahead."""
    lapsed = Q(leased_until__lt=now) | Q(leased_until__gt=now + IMPLAUSIBLE)
    ahead = Q(leased_until=None, failed_at__gt=now + IMPLAUSIBLE)
    found = DueWork.objects.filter(lapsed | ahead, finished_at=None)
    if not found.exists():
        return
    skip_locked = connection.features.has_select_for_update_skip_locked
    with transaction.atomic():
        for row in found.select_for_update(skip_locked=skip_locked):
            if row.leased_by and row.attempts >= MOST_ATTEMPTS:
                _close(row.pk, FAILED, now, last_error=GONE, last_problems=[["", GONE]], failed_at=now)
            elif row.leased_by and row.cancel_asked_at is not None:
                _close(row.pk, CANCELLED, now)
            else:
                failed_at = None if row.failed_at is None else min(row.failed_at, now)
                DueWork.objects.filter(pk=row.pk).update(
                    leased_until=None, leased_by="", due_at=min(row.due_at, now), failed_at=failed_at
                )


def _held(work: Work) -> QuerySet[DueWork]:
    return DueWork.objects.filter(pk=work.id, token=work.token, leased_by=work.owner, finished_at=None)


def heart_beat(work: Work, *, now: datetime, progress: Mapping[str, object] | None = None) -> bool:
    """Extend the lease and say how far the work is; False when it was lost to another worker."""
    told = {} if progress is None else {"progress": dict(progress)}
    return _held(work).update(leased_until=now + LEASE, **told) == 1


def is_held(work: Work) -> bool:
    """Whether the lease is still this worker's. Inside a transaction it stays so until the commit."""
    rows = _held(work)
    if connection.in_atomic_block:
        rows = rows.select_for_update()
    return rows.values_list("pk", flat=True).first() is not None


def is_cancel_asked(work: Work) -> bool:
    """Whether somebody wants the work to stop."""
    return _held(work).filter(cancel_asked_at__isnull=False).exists()


def run(work: Work, *, now: datetime) -> None:
    """Call the handler; what it raises is the worker's to record."""
    handler = due_kinds.kind_of(work.kind).handler
    if handler is None:
        raise LookupError(f"This release does no work of the kind “{work.kind}”.")
    handler(work.payload, now)


def finish(work: Work, *, now: datetime, cost: Mapping[str, object] | None = None) -> bool:
    """Close the slot, if this worker still holds it; open it again if it fell due anew meanwhile."""
    with transaction.atomic():
        row = _held(work).select_for_update().first()
        if row is None:
            return False
        if row.started_at is not None and row.due_at > row.started_at:
            _held(work).update(leased_until=None, leased_by="", attempts=0, failed_at=None, progress=None)
            return True
        _close(
            row.pk, DONE, now, last_error="", last_problems=[], failed_at=None,
            cost=None if cost is None else dict(cost),
        )  # fmt: skip
        return True


def cancelled(work: Work, *, now: datetime) -> None:
    """Close the slot of work that stopped because somebody asked."""
    if _held(work).exists():
        _close(work.id, CANCELLED, now)


def take_off(pk: int, *, now: datetime) -> None:
    """Close a slot that nobody works on."""
    _close(pk, CANCELLED, now)


def give_back(
    work: Work, *, error: str, now: datetime, problems: Sequence[Problem] = (), jitter: float = 1.0
) -> None:
    """Return failed work to the table with exponential back-off, or give it up after many attempts.

    jitter: a random share of the wait, in [0, 1], so that what failed together does not return together.
    """
    told = {
        "last_error": error[:2000],
        "last_problems": [[one.field, one.message[:1000]] for one in problems] or [["", error[:1000]]],
        "failed_at": now,
    }
    if work.attempts >= MOST_ATTEMPTS:
        if _held(work).exists():
            _close(work.id, FAILED, now, **told)
        return
    delay = max(LEAST_BACK_OFF, jitter * min(FIRST_BACK_OFF * 2 ** (work.attempts - 1), LONGEST_BACK_OFF))
    _held(work).update(due_at=now + delay, leased_until=None, leased_by="", **told)


def _close(pk: int, outcome: str, now: datetime, **columns: object) -> None:
    DueWork.objects.filter(pk=pk, finished_at=None).update(
        finished_at=now, outcome=outcome, leased_until=None, progress=None, **columns
    )


def forget_finished(*, before: datetime) -> int:
    """Delete all but the last few of what was done, and failures that are long over; how many there were."""
    newest = Window(RowNumber(), partition_by=[F("kind"), F("key")], order_by=F("finished_at").desc())
    numbered = DueWork.objects.filter(finished_at__isnull=False).annotate(place=newest)
    surplus = numbered.filter(place__gt=KEPT_EACH).values_list("pk", flat=True)
    deleted = 0
    while pks := list(surplus[:500]):
        deleted += DueWork.objects.filter(pk__in=pks).delete()[0]
    return deleted + DueWork.objects.filter(finished_at__lt=before).delete()[0]


def _lane(kind: str) -> Lane:
    return due_kinds.kind_of(kind).lane
