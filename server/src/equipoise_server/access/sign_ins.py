"""How often people may guess passwords. Only failures are kept, for a minute, and never whose in clear."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256

from equipoise_server.access.models import FailedSignIn

WITHIN = timedelta(minutes=1)
MOST_FOR_ACCOUNT = 10
"""Wrong passwords a minute for one account from one address."""
MOST_FROM_ADDRESS = 60
"""Wrong passwords a minute from one address: an office, or the proxy in front of this server."""


def sign_in_wait(email: str, address: str, *, now: datetime) -> timedelta | None:
    """How long an account must wait at an address until it may try again; None: not at all."""
    failures = FailedSignIn.objects.filter(address=address, at__gt=now - WITHIN).order_by("-at")
    here = list(failures.values_list("at", flat=True)[:MOST_FROM_ADDRESS])
    mine = list(failures.filter(account=_account(email)).values_list("at", flat=True)[:MOST_FOR_ACCOUNT])
    full = [
        tries[-1]
        for tries, most in ((here, MOST_FROM_ADDRESS), (mine, MOST_FOR_ACCOUNT))
        if len(tries) == most
    ]
    return max(full) + WITHIN - now if full else None


def note_failed_sign_in(email: str, address: str, *, now: datetime) -> None:
    """Count a wrong password, and forget those that count no more."""
    FailedSignIn.objects.filter(at__lte=now - WITHIN).delete()
    FailedSignIn.objects.create(account=_account(email), address=address, at=now)


def _account(email: str) -> str:
    return sha256(email.strip().lower().encode()).hexdigest()
