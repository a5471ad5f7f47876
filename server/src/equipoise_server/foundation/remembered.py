"""Answers remembered for a day under the key that a client chose, so that a repeated request acts once."""

from __future__ import annotations

import json
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from equipoise_server.foundation.models import RememberedAnswer
from equipoise_server.foundation.named_units import without_units

MEMORY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A request as it may be repeated: who asks, the key they chose, and a digest of what they ask."""

    owner: str
    key: str
    request_sha256: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """What was answered; `body` is None when the answer was shown once and not kept."""

    request_sha256: str
    status: int
    body: str | None
    etag: str


def begin(request: Repeatable, *, now: datetime) -> Remembered | None:
    """Claim the key within the caller's transaction, or return what was answered under it before.

    A second request under the key waits until the first has committed.
    """
    RememberedAnswer.objects.filter(created_at__lt=now - MEMORY).delete()
    try:
        with transaction.atomic():
            RememberedAnswer.objects.create(
                owner=request.owner, key=request.key, request_sha256=request.request_sha256, created_at=now
            )
    except IntegrityError:
        row = RememberedAnswer.objects.get(owner=request.owner, key=request.key)
        return Remembered(row.request_sha256, row.status, row.body, row.etag)
    return None


def forget_units(unit_type: str, units: AbstractSet[str]) -> int:
    """Keep no answer that names one of these units; a repeated request still acts once. How many did."""
    rows = RememberedAnswer.objects.exclude(body=None).values_list("pk", "body")
    naming = [pk for pk, body in rows.iterator() if _names(body or "", unit_type, units)]
    return RememberedAnswer.objects.filter(pk__in=naming).update(body=None)


def _names(body: str, unit_type: str, units: AbstractSet[str]) -> bool:
    try:
        return without_units(json.loads(body), unit_type, units).removed > 0
    except ValueError:
        return False


def remember(request: Repeatable, *, status: int, body: str | None, etag: str = "") -> None:
    """Keep the answer under a claimed key; it commits together with what was done."""
    claimed = RememberedAnswer.objects.filter(owner=request.owner, key=request.key)
    claimed.update(status=status, body=body, etag=etag)
