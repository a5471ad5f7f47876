"""Answers remembered for a day under the key that a client chose, so that a repeated request acts once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from equipoise_server.foundation.models import RememberedAnswer

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


def remember(request: Repeatable, *, status: int, body: str | None, etag: str = "") -> None:
    """Keep the answer under a claimed key; it commits together with what was done."""
    claimed = RememberedAnswer.objects.filter(owner=request.owner, key=request.key)
    claimed.update(status=status, body=body, etag=etag)
