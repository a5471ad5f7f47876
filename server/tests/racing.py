"""Two people at the same moment: what one does falls between two statements of the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Any

from django.db import connection


@contextmanager
def just_before(statement: str, act: Callable[[], object]) -> Iterator[None]:
    """Do something once, just before the first statement that begins so; it must come to that."""
    waiting = [act]

    def watch(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if waiting and sql.startswith(statement):
            Context().run(waiting.pop())  # somebody else's action: it joins no open change
        return execute(sql, *rest)

    with connection.execute_wrapper(watch):
        yield
    assert not waiting, f"no statement began with {statement}"
