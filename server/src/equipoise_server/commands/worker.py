"""The worker: claims due work, keeps its lease alive, and puts periodic slots on the table.

Several may run; each piece of work has one runner at a time. Prompt work (kills, ramp steps) has a thread
of its own in every worker, so that a long refresh holds up none of it; so has work that waits for other
people's machines (health checks), so that it holds up nothing.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import TypeVar
from uuid import uuid4

from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections, connection

from equipoise_server.commands import due, priority  # noqa: F401  # `due` registers its work
from equipoise_server.foundation import due_kinds, due_work, running, worker_beats
from equipoise_server.foundation.database_troubles import log_trouble
from equipoise_server.foundation.due_kinds import Lane
from equipoise_server.foundation.due_work import Work
from equipoise_server.foundation.refusals import Problem, Refusal
from equipoise_server.foundation.running import Running
from equipoise_server.foundation.texts import in_short

IDLE_SECONDS = 0.25
OUTSIDE_IDLE_SECONDS = 1.0
LISTEN_SECONDS = 1.0
"""How soon a running piece of work hears that somebody wants it to stop."""
HEART_BEAT = timedelta(seconds=10)
BUSY_PAUSES = (0.02, 0.02, 0.05, 0.1, 0.5)
"""Seconds between attempts to tell an outcome; the last one may fail."""
NICENESS = 10
"""How far work that is not prompt steps back for whoever answers requests on the same machine."""
PERIODS: Mapping[str, timedelta] = {
    "events.compact": timedelta(seconds=2),
    "analysis.refresh_all": timedelta(minutes=1),
    "analysis.renew_outdated": timedelta(days=1),  # at the start, too: what an upgrade leaves behind
    "analysis.audit_rollups": timedelta(days=1),
    "events.delete_retired": timedelta(minutes=5),
    "events.erase": timedelta(seconds=5),
    "events.drop_old": timedelta(days=1),
    "analysis.measure_holdouts": timedelta(days=1),
    "due_work.forget": timedelta(hours=1),
    "audit.verify": timedelta(days=1),
    "health.watch": timedelta(seconds=5),
}

Told = TypeVar("Told")

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
    dice: Callable[[], float] = random.random
    listen_seconds: float = LISTEN_SECONDS
    niceness: int = 0
    _scheduled: dict[str, datetime] = field(default_factory=dict)

    def run(self) -> None:
        """Work until stopped; outlives the database's troubles."""
        prompt, outside = due_kinds.of_lane(Lane.PROMPT), due_kinds.of_lane(Lane.OUTSIDE)
        beside = (
            threading.Thread(target=self._loop, args=(lambda: self.step(prompt),), name="prompt"),
            threading.Thread(
                target=self._loop, args=(lambda: self.step(outside), OUTSIDE_IDLE_SECONDS), name="outside"
            ),
            threading.Thread(target=self._beat, name="beat"),
        )
        for thread in beside:
            thread.start()
        if self.niceness:
            # Of this thread and of those that it starts, where the system tells threads apart.
            os.nice(self.niceness)
        self._loop(self._round)
        for thread in beside:
            thread.join()

    def step(self, kinds: frozenset[str] | None = None) -> bool:
        """Put due slots on the table and do one piece of work; False when nothing was due."""
        if kinds is None:
            self._schedule_periodic()
        work = due_work.claim(self.owner, now=self.clock(), kinds=kinds or due_kinds.known())
        if work is None:
            return False
        self._do(work)
        return True

    def _round(self) -> bool:
        self._schedule_periodic()
        return self.step(due_kinds.known() - due_kinds.of_lane(Lane.OUTSIDE))

    def _loop(self, step: Callable[[], bool], idle_seconds: float = IDLE_SECONDS) -> None:
        is_in_trouble = False
        while not self.stop.is_set():
            try:
                close_old_connections()
                worked = step()
                is_in_trouble = False
            except DatabaseError as trouble:
                if not is_in_trouble:
                    log_trouble(_log, logging.ERROR, "the database cannot be used; trying again", trouble)
                is_in_trouble, worked = True, False
                connection.close()
            if not worked:
                self.stop.wait(idle_seconds)
        connection.close()

    def _beat(self) -> None:
        """Tell that this worker lives; what it does may take as long as it likes."""
        started_at = self.clock()
        while True:
            try:
                worker_beats.beat(self.owner, started_at=started_at, now=self.clock())
            except DatabaseError as trouble:
                told = "the heart beat of this worker could not be told"
                log_trouble(_log, logging.WARNING, told, trouble)
            connection.close()
            if self.stop.wait(worker_beats.BEAT.total_seconds()):
                break
        with suppress(DatabaseError):
            insist(lambda: worker_beats.rest(self.owner, now=self.clock()))
        connection.close()

    def _schedule_periodic(self) -> None:
        now = self.clock()
        for kind, period in self.periods.items():
            next_at = self._scheduled.get(kind)
            has_jumped_back = next_at is not None and next_at - now > period
            if next_at is None or now >= next_at or has_jumped_back:
                due_work.schedule(kind, "periodic", due_at=now)
                self._scheduled[kind] = now + period

    def _do(self, work: Work) -> None:
        with running.doing(work) as now_running, self._heart_beat(now_running):
            try:
                due_work.run(work, now=self.clock())
            except (OperationalError, InterfaceError):
                raise
            except Exception as fault:  # noqa: BLE001  # the worker's loop: recorded on the slot, and tried again
                self._record(now_running, fault)
                return
            cost = asdict(now_running.cost)
        if not insist(lambda: due_work.finish(work, now=self.clock(), cost=cost)):
            _log.warning("%s %s was done, but its lease was lost meanwhile", work.kind, work.key)

    def _record(self, now_running: Running, fault: Exception) -> None:
        """Keep why the work ended early. A query that was cut short fails in its own words."""
        work, why = now_running.work, now_running.stop
        if why is running.LeaseLost or isinstance(fault, running.LeaseLost):
            _log.warning("%s %s was taken over by another worker", work.kind, work.key)
        elif why is running.Cancelled:
            insist(lambda: due_work.cancelled(work, now=self.clock()))
        else:
            _log.error("%s %s has failed (attempt %s)", work.kind, work.key, work.attempts, exc_info=fault)
            jitter, problems = self.dice(), _problems(fault)
            insist(
                lambda: due_work.give_back(
                    work, error=repr(fault), problems=problems, now=self.clock(), jitter=jitter
                )
            )

    @contextmanager
    def _heart_beat(self, now_running: Running) -> Iterator[None]:
        """Extend the lease and tell the progress while the work goes on; listen whether it must stop."""
        done = threading.Event()

        def listen() -> None:
            beat_at = self.clock()
            while not done.wait(self.listen_seconds):
                try:
                    beat_at = self._listen(now_running, beat_at)
                except DatabaseError:
                    work = now_running.work
                    _log.warning("the lease of %s %s was not extended", work.kind, work.key, exc_info=True)
            connection.close()

        thread = threading.Thread(target=listen, name="heart-beat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _listen(self, now_running: Running, beat_at: datetime) -> datetime:
        """Write when the lease needs it or there is news to tell; when that was."""
        work, now = now_running.work, self.clock()
        if due_work.is_cancel_asked(work):
            now_running.ask_to_stop(running.Cancelled)
        told = now_running.progress
        is_quiet = told == now_running.told and abs(now - beat_at) < HEART_BEAT
        if is_quiet:
            return beat_at
        if not due_work.heart_beat(work, now=now, progress=told):
            now_running.ask_to_stop(running.LeaseLost)
        now_running.told = told
        return now


def insist(tell: Callable[[], Told]) -> Told:
    """Tell how work ended though the database is busy for a moment; untold, it would be done again."""
    for pause in BUSY_PAUSES:
        try:
            return tell()
        except OperationalError:
            time.sleep(pause)
    return tell()


def _problems(fault: Exception) -> tuple[Problem, ...]:
    """What a person can do something about; of the unexpected, its kind and its words."""
    if isinstance(fault, Refusal | running.Failed):
        return tuple(fault.problems)
    told = (
        f"Something unexpected went wrong: {type(fault).__name__}: {in_short(fault)}. The log has the rest."
    )
    return (Problem("", told),)


def run_worker() -> None:
    """Run until SIGTERM or Ctrl-C, then finish the work in hand."""
    priority.spare_the_collector()
    worker = Worker(f"{socket.gethostname()[:40]}:{os.getpid()}:{uuid4().hex[:8]}", niceness=NICENESS)

    def end(_number: int, _frame: FrameType | None) -> None:
        worker.stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    worker.run()
