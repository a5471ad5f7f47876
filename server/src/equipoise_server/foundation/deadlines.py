"""A kill is done or refused within two seconds, whatever the database does; it never waits in silence.

When the time is up the connection is cut: what was not committed by then is rolled back.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest, HttpResponse, JsonResponse

from equipoise_server.foundation import reserve

KILL_SECONDS = 2.0
LATE_SHARE = 0.9
UNAVAILABLE = 503
FIRST_SERVER_FAULT = 500
REFUSED = (
    "The database did not confirm the kill within two seconds, so it was given up. "
    "Without the database, “equipoise-server break-glass kill” on the server works at once."
)

_log = logging.getLogger(__name__)


class KillDeadline:
    """Middleware: requests that kill get room on a full disk, and an end."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer one request."""
        if request.method != "POST" or not request.path.endswith("/kill"):
            return self._get_response(request)
        with suppress(OSError):
            reserve.release_if_scarce(settings.DATA_DIRECTORY)
        began = time.monotonic()
        with cut_after(KILL_SECONDS):
            response = self._get_response(request)
        is_late = time.monotonic() - began >= KILL_SECONDS * LATE_SHARE
        if is_late and response.status_code >= FIRST_SERVER_FAULT:
            _log.error("%s: the database did not confirm a kill in time", request.path)
            return _refusal(request)
        return response


@contextmanager
def cut_after(seconds: float) -> Iterator[None]:
    """Cut this thread's database connection when the block takes longer; its statements then fail."""
    wrapper = connections[DEFAULT_DB_ALIAS]

    def cut() -> None:
        link = wrapper.connection
        if isinstance(link, psycopg.Connection):
            _cut(link)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        with _waiting_less_for_locks(wrapper, seconds * LATE_SHARE):
            yield
    finally:
        timer.cancel()


def _cut(link: psycopg.Connection) -> None:
    """Let whoever waits for an answer fail now, and ask the server to stop as well."""
    with suppress(OSError, psycopg.Error):
        held = socket.socket(fileno=os.dup(link.fileno()))
        try:
            held.shutdown(socket.SHUT_RDWR)
        finally:
            held.close()
    with suppress(OSError, psycopg.Error):
        link.cancel_safe(timeout=1.0)


@contextmanager
def _waiting_less_for_locks(wrapper: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    """On SQLite nobody can be cut off: who waits for another writer gives up in time by itself."""
    if wrapper.vendor != "sqlite":
        yield
        return
    wrapper.ensure_connection()
    (before,) = wrapper.connection.execute("PRAGMA busy_timeout").fetchone()
    wrapper.connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
    try:
        yield
    finally:
        if wrapper.connection is not None:
            wrapper.connection.execute(f"PRAGMA busy_timeout = {before}")


def _refusal(request: HttpRequest) -> HttpResponse:
    """The refusal as the door's readers expect it."""
    if not request.path.startswith("/api/"):
        return HttpResponse(REFUSED, status=UNAVAILABLE, content_type="text/plain; charset=utf-8")
    content = {
        "type": "urn:equipoise:problem:unavailable",
        "title": "Not killed",
        "status": UNAVAILABLE,
        "detail": REFUSED,
        "code": "unavailable",
        "problems": [{"field": "", "message": REFUSED}],
    }
    return JsonResponse(content, status=UNAVAILABLE, content_type="application/problem+json")
