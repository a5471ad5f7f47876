"""The piece of due work that this thread does now: how far it is, what it has read, and whether it must stop.

Outside due work everything here does nothing: the same functions serve imports and tests.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field

from equipoise_server.foundation import due_work
from equipoise_server.foundation.costs import Cost
from equipoise_server.foundation.due_work import Work
from equipoise_server.foundation.refusals import Problem


class Stopped(Exception):
    """The work must end here; nothing of it is kept from now on."""


class Cancelled(Stopped):
    """Somebody asked for it."""


class LeaseLost(Stopped):
    """Another worker has the work now."""


class Failed(Exception):
    """Work that failed for reasons that a person can read: each with its field and the way out."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


@dataclass(slots=True)
class Running:
    """One piece of work under way. The thread that does it writes; the one of its heart beat reads."""

    work: Work
    phase: str = ""
    done: int = 0
    of: int = 0
    rows: int = 0
    size: int = 0
    stop: type[Stopped] | None = None
    told: dict[str, object] = field(default_factory=dict)
    """The progress that was kept last."""
    _began: float = field(default_factory=time.thread_time)
    _interrupts: list[Callable[[], None]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask_to_stop(self, why: type[Stopped]) -> None:
        """Let the work end at its next step, and cut short the query that it waits for."""
        with self._lock:
            self.stop = self.stop or why
            for interrupt in self._interrupts:
                with suppress(Exception):
                    interrupt()

    @property
    def progress(self) -> dict[str, object]:
        """How far it is, as it is kept and shown."""
        return {
            "phase": self.phase, "done": self.done, "of": self.of, "rows_read": self.rows,
            "bytes_read": self.size,
        }  # fmt: skip

    @property
    def cost(self) -> Cost:
        """What it took so far; asked by the thread that does it."""
        return Cost(self.rows, self.size, time.thread_time() - self._began)

    @contextmanager
    def interruptible(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Call this when the work must stop meanwhile."""
        with self._lock:
            self._interrupts.append(interrupt)
        try:
            yield
        finally:
            with self._lock:
                self._interrupts.remove(interrupt)


_running: ContextVar[Running | None] = ContextVar("running_due_work", default=None)


@contextmanager
def doing(work: Work) -> Iterator[Running]:
    """What is called inside belongs to this piece of work."""
    running = Running(work)
    token = _running.set(running)
    try:
        yield running
    finally:
        _running.reset(token)


def current() -> Running | None:
    """The work under way in this thread."""
    return _running.get()


def step(phase: str, done: int = 0, of: int = 0) -> None:
    """Say what comes next and how much of it is done. Raises Stopped when the work must end here."""
    running = _running.get()
    if running is not None:
        running.phase, running.done, running.of = phase, done, of
        _end_if_stopped(running)


def end_if_stopped() -> None:
    """Raise Stopped when the work must end here."""
    running = _running.get()
    if running is not None:
        _end_if_stopped(running)


def _end_if_stopped(running: Running) -> None:
    if running.stop is not None:
        raise running.stop(f"{running.work.kind} {running.work.key}")


def note_read(*, rows: int, size: int) -> None:
    """Add to what was read."""
    running = _running.get()
    if running is not None:
        running.rows, running.size = running.rows + rows, running.size + size


def is_counting() -> bool:
    """Whether anybody wants to know what is read."""
    return _running.get() is not None


def cost_so_far() -> Cost | None:
    """What the work under way took until now; None outside due work."""
    running = _running.get()
    return None if running is None else running.cost


@contextmanager
def interruptible(interrupt: Callable[[], None]) -> Iterator[None]:
    """While this lasts, who stops the work calls `interrupt`, from another thread."""
    running = _running.get()
    if running is None:
        yield
        return
    with running.interruptible(interrupt):
        yield


def fence() -> None:
    """Inside a transaction: hold the lease until the commit. Raises LeaseLost when another worker has it."""
    running = _running.get()
    if running is not None and not due_work.is_held(running.work):
        running.stop = LeaseLost
        raise LeaseLost(f"{running.work.kind} {running.work.key}")
