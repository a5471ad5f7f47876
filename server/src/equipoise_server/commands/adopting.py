"""Writes kills by break-glass down in the database once it can be used: as audited changes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from django.db import close_old_connections, connection

from equipoise_server.access import reads as access
from equipoise_server.access.values import Actor, Environment, Project
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Author, Subject
from equipoise_server.experiments.actions import Stop, stop
from equipoise_server.experiments.reads import experiment_by_key
from equipoise_server.experiments.values import StopCause
from equipoise_server.flags import actions as flags
from equipoise_server.flags import reads as flag_reads
from equipoise_server.foundation import break_glass, reserve, revisions
from equipoise_server.foundation.break_glass import Kill, Level, Target
from equipoise_server.foundation.refusals import NotFound, Problem, Refusal

LOOK_SECONDS = 1.0
KEPT = timedelta(days=7)

_log = logging.getLogger(__name__)


def adopt(kill: Kill, *, serial: int, now: datetime) -> Kill:
    """Let the database say what a kill says; what became of it.

    The environment's next revision is greater than any that was served with the kill laid over.
    """
    actor = access.operator_actor("break-glass")
    try:
        project, environment = _place(actor, kill.target)
    except NotFound as refusal:
        return replace(kill, trouble=str(refusal))
    target, trouble = kill.target, ""
    action = "break_glass.lift" if kill.is_lifted else "break_glass.kill"
    subject = Subject("environment", environment.id, environment.key, project.id, environment.id)
    author = Author("machine", "break-glass", f"{kill.lifted_by or kill.by} (break-glass)")
    with change(author, action, subject, now=now, reason=kill.reason) as entry:
        entry.before = {"level": str(target.level), "key": target.key, "killed": kill.is_lifted}
        entry.after = entry.before | {
            "killed": not kill.is_lifted, "at": kill.lifted_at or kill.at, "number": kill.number,
        }  # fmt: skip
        revisions.skip(environment.id, serial)
        entry.kills(environment.id)
        try:
            if not kill.is_lifted:
                _kill(actor, project, environment, kill, now=now)
        except Refusal as refusal:  # such as an unknown key; refused before anything was written
            trouble = str(refusal)
            entry.after |= {"killed": False, "refused": trouble}
    reached = revisions.current(environment.id)
    assert reached is not None, "the change has advanced it"
    return replace(kill, adopted=(reached.epoch, reached.number), trouble=trouble)


def _place(actor: Actor, target: Target) -> tuple[Project, Environment]:
    project = access.project_by_key(actor, target.project)
    environment = project.environment(target.environment)
    if environment is None:
        raise NotFound(Problem("environment", f"There is no environment “{target.environment}”."))
    return project, environment


def _kill(actor: Actor, project: Project, environment: Environment, kill: Kill, *, now: datetime) -> None:
    """Kill as of the instant at which it was served: what came after it is no evidence."""
    key, reason, at = kill.target.key, kill.reason, min(datetime.fromisoformat(kill.at), now)
    match kill.target.level:
        case Level.ENVIRONMENT:
            flags.kill_environment(actor, flags.KillEnvironment(environment.id, reason), now=at)
        case Level.GROUP:
            group = flag_reads.group_by_key(project.id, key)
            flags.kill_group(actor, flags.KillGroup(group.id, environment.id, reason), now=at)
        case Level.FLAG:
            flag = flag_reads.flag_by_key(project.id, key)
            flags.kill_flag(actor, flags.KillFlag(flag.id, environment.id, reason), now=at)
        case Level.EXPERIMENT:
            held = experiment_by_key(project.id, key)
            if held.iteration is None or held.iteration.environment_id != environment.id:
                told = f"The experiment “{key}” does not run in {environment.name}."
                raise NotFound(Problem("experiment", told))
            stop(actor, Stop(held.id, reason, StopCause.KILL, at), now=now)


class Adopter:
    """The thread that looks for kills to take over, and keeps room on the disk for the next."""

    def __init__(self, directory: Path, *, clock: Callable[[], datetime]) -> None:
        self._directory, self._clock = directory, clock
        self._stop = threading.Event()
        self._is_in_trouble = False
        self._thread = threading.Thread(target=self._run, name="break-glass-adopter", daemon=True)

    def start(self) -> None:
        """Keep room back before anybody can ask for any, and begin."""
        with suppress(OSError):  # each round tries again, and says so
            reserve.take(self._directory)
        self._thread.start()

    def stop(self) -> None:
        """Stop; a round that a stalled database holds up is left alone."""
        self._stop.set()
        self._thread.join(timeout=2)

    def tick(self) -> None:
        """One round; never raises."""
        try:
            reserve.take(self._directory)
            if break_glass.read(self._directory).kills:
                self._adopt_all()
        except Exception as trouble:  # noqa: BLE001  # the loop must go on
            if not self._is_in_trouble:
                _log.error("kills by break-glass wait for the database", exc_info=trouble)
            self._is_in_trouble = True
            connection.close()
        else:
            self._is_in_trouble = False

    def _adopt_all(self) -> None:
        with break_glass.adopting(self._directory) as is_ours:
            if not is_ours:
                return
            with connection.cursor() as cursor:  # may wait long; what is open by then counts
                cursor.execute("SELECT 1")
            known = break_glass.read(self._directory)
            for kill in known.open:
                settled = adopt(kill, serial=known.serial, now=self._clock())
                break_glass.settle(self._directory, settled)
            long_ago = (self._clock() - KEPT).isoformat()
            old = frozenset(k.number for k in known.kills if not k.is_open and k.at < long_ago)
            if old:
                break_glass.forget(self._directory, old)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            close_old_connections()
            self.tick()
        connection.close()
