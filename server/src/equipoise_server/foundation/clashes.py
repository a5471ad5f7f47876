"""What a second author is told when the store refuses a key that both found free."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError

from equipoise_server.foundation.refusals import Conflict, Problem


@contextmanager
def refused_if_taken(problem: Problem) -> Iterator[None]:
    """Refuse with this problem what breaks a constraint. Put it around a change: its transaction is lost."""
    try:
        yield
    except IntegrityError as clash:
        raise Conflict(problem) from clash
