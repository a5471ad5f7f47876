"""The worker: claims due work, keeps its lease alive, and puts periodic slots on the table.

Several may run; each piece of work has one runner at a time.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import FrameType

from django.db import DatabaseError, close_old_connections, connection

from equipoise_server.commands import due  # noqa: F401  # registers its due work
from equipoise_server.foundation import due_work
from equipoise_server.foundation.due_work import Work

IDLE_SECONDS = 0.25
HEART_BEAT_SECONDS = 10.0
PERIODS: Mapping[str, timedelta] = {
    "events.compact": timedelta(seconds=2),
    "analysis.refresh_all": timedelta(minutes=1),
    "analysis.renew_outdated": timedelta(days=1),  # at the start, too: what an upgrade leaves behind
    "analysis.audit_rollups": timedelta(days=1),
    "events.delete_retired": timedelta(minutes=5),
    "due_work.forget": timedelta(hours=1),
    "audit.verify": timedelta(days=1),
}

_log = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Worker:
    """One worker process. `stop` ends it after the work in hand."""

    owner: str
    clock: Callable[[], datetime] = _now
    periods: Mapping[str, timedelta] = field(default_factory=lambda: PERIODS)
    stop: threading.Event = field(default_factory=threading.Event)
    _scheduled: dict[str, datetime] = field(default_factory=dict)

    def run(self) -> None:
        """Work until stopped; outlives the database's troubles."""
        is_in_trouble = False
        while not self.stop.is_set():
            try:
                close_old_connections()
                worked = self.step()
                is_in_trouble = False
            except DatabaseError as trouble:
                if not is_in_trouble:
                    _log.error("the database cannot be used; trying again", exc_info=trouble)
                is_in_trouble, worked = True, False
                connection.close()
            if not worked:
                self.stop.wait(IDLE_SECONDS)

    def step(self) -> bool:
        """Put due slots on the table and do one piece of work; False when nothing was due."""
        self._schedule_periodic()
        work = due_work.claim(self.owner, now=self.clock())
        if work is None:
            return False
        self._do(work)
        return True

    def _schedule_periodic(self) -> None:
        now = self.clock()
        for kind, period in self.periods.items():
            next_at = self._scheduled.get(kind)
            if next_at is None or now >= next_at:
                due_work.schedule(kind, "periodic", due_at=now)
                self._scheduled[kind] = now + period

    def _do(self, work: Work) -> None:
        with _heart_beat(work, self.clock):
            try:
                due_work.run(work, now=self.clock())
            except DatabaseError:
                raise
            except Exception as fault:  # noqa: BLE001  # the worker's loop: recorded on the slot, and tried again
                _log.exception("%s %s has failed (attempt %s)", work.kind, work.key, work.attempts)
                due_work.give_back(work, error=repr(fault), now=self.clock())
                return
        due_work.finish(work, now=self.clock())


@contextmanager
def _heart_beat(work: Work, clock: Callable[[], datetime]) -> Iterator[None]:
    """Extend the lease while the work goes on."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEART_BEAT_SECONDS):
            try:
                due_work.heart_beat(work, now=clock())
            except DatabaseError:
                _log.warning("the lease of %s %s could not be extended", work.kind, work.key, exc_info=True)
        connection.close()

    thread = threading.Thread(target=beat, name="heart-beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def run_worker() -> None:
    """Run until SIGTERM or Ctrl-C, then finish the work in hand."""
    worker = Worker(f"{socket.gethostname()}:{os.getpid()}")

    def end(_number: int, _frame: FrameType | None) -> None:
        worker.stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    worker.run()
