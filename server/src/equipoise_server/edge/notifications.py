"""Hears of other processes' commits at once, where the database can tell (PostgreSQL's LISTEN).

A thread with a connection of its own. It only wakes the poller, which goes on without it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import psycopg
from django.db import DatabaseError, InterfaceError, connection, connections

from equipoise_server.foundation.revisions import CHANNEL

LOOK_UP_SECONDS = 0.5
PING_SECONDS = 10.0
FIRST_WAIT_SECONDS = 0.25
LONGEST_WAIT_SECONDS = 10.0

_log = logging.getLogger(__name__)


def can_notify() -> bool:
    """Whether the configuration store tells its readers of commits."""
    return connection.vendor == "postgresql"


class Notifications:
    """The thread. `wake` is called after each commit, and once whenever listening begins anew."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._stop = threading.Event()
        self._failures = 0
        self.is_listening = threading.Event()
        """Set while the database can tell us."""
        self._thread = threading.Thread(target=self._run, name="edge-notifications", daemon=True)

    def start(self) -> None:
        """Begin listening."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and wait for the thread."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._listen()
            except (DatabaseError, InterfaceError, psycopg.Error) as trouble:
                self._note(trouble)
            self.is_listening.clear()
            self._stop.wait(self._patience())

    def _listen(self) -> None:
        """Listen until told to stop, or until the connection is lost."""
        ours = connections.create_connection("default")
        ours.ensure_connection()
        link = ours.connection
        try:
            link.execute(f"LISTEN {CHANNEL}")
            self._failures = 0
            self.is_listening.set()
            self._wake()  # what was committed while nobody listened
            while not self._stop.is_set():
                self._hear(link)
        finally:
            ours.close()

    def _hear(self, link: psycopg.Connection) -> None:
        """Wait a while for news; a silent connection is tried out, lest it died unnoticed."""
        for _ in range(int(PING_SECONDS / LOOK_UP_SECONDS)):
            if self._stop.is_set():
                return
            if any(True for _ in link.notifies(timeout=LOOK_UP_SECONDS, stop_after=1)):
                self._wake()
                return
        link.execute("SELECT 1")

    def _note(self, trouble: Exception) -> None:
        """Log the first failure of a row."""
        if not self._failures:
            _log.warning("other processes' commits are polled for, not heard: %s", trouble)
        self._failures += 1

    def _patience(self) -> float:
        return min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(self._failures, 10))
