"""Locks that a fork waits for: a library with locks of its own, such as SQLite, must be idle then."""

from __future__ import annotations

import os
import threading
from typing import Self
from weakref import WeakSet

LONGEST_WAIT_SECONDS = 2.0
"""How long a fork waits at most; beyond that a thread of the child may hang, and nothing else."""


class IdleLock:
    """Held while a thread is inside such a library."""

    __slots__ = ("__weakref__", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        _locks.add(self)

    def __enter__(self) -> Self:
        self._lock.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def _hold(self) -> bool:
        return self._lock.acquire(timeout=LONGEST_WAIT_SECONDS)

    def _renew(self) -> None:
        self._lock = threading.Lock()


_locks: WeakSet[IdleLock] = WeakSet()
_held: list[IdleLock] = []


def _before() -> None:
    _held.extend([lock for lock in list(_locks) if lock._hold()])  # noqa: SLF001 - one module


def _in_parent() -> None:
    while _held:
        _held.pop().__exit__()


def _in_child() -> None:
    _held.clear()
    for lock in list(_locks):
        lock._renew()  # noqa: SLF001 - as above


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
