"""Asks a Prometheus: one query, one answer, or a named fault with the way out. Judges no number.

No redirects, no proxies, one machine that was looked at, and limits of time and size.
"""

from __future__ import annotations

import base64
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlencode

import urllib3
from django.conf import settings

from equipoise_server.sources.connection_rules import connection_problems, password_of
from equipoise_server.sources.prometheus_addresses import (
    Endpoint,
    LookUp,
    NotAllowed,
    endpoint_of,
    looked_up,
    machine_of,
)
from equipoise_server.sources.prometheus_answers import Series, series_of, told_by
from equipoise_server.sources.values import Connection, ConnectionKind, SourceUnusable

LARGEST_ANSWER = 1_000_000
POINTS = 30
"""How many points of a window are asked for."""
LEAST_STEP_SECONDS = 5
_CHUNK_BYTES = 65_536
_GOOD, _BAD_REQUEST, _UNPROCESSABLE = 200, 400, 422
_UNAUTHORIZED, _FORBIDDEN, _UNAVAILABLE = 401, 403, 503


class AskFault(StrEnum):
    """Why there is no answer."""

    NOT_ALLOWED = "not_allowed"
    """The connection is archived, no Prometheus', or leads where it may not."""
    NO_CREDENTIAL = "no_credential"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    REFUSED = "refused"
    """The secret is not accepted."""
    BAD_QUERY = "bad_query"
    TOO_LARGE = "too_large"
    NOT_PROMETHEUS = "not_prometheus"


OUTAGES = frozenset({AskFault.UNREACHABLE, AskFault.TIMED_OUT})
"""Faults that every other query would meet now, too."""


class NotAnswered(Exception):
    """There is no answer; the sentence says why and what to do."""

    def __init__(self, fault: AskFault, told: str) -> None:
        super().__init__(told)
        self.fault, self.told = fault, told


@dataclass(frozen=True, slots=True)
class Asked:
    """One PromQL query at an instant, or over the window before it."""

    query: str
    at: datetime
    window: timedelta | None = None


def ask(connection: Connection, asked: Asked, *, look_up: LookUp = looked_up) -> tuple[Series, ...]:
    """The series of the answer, with their values in order of time; or `NotAnswered`."""
    _refuse_unless_usable(connection)
    endpoint = endpoint_of(connection.location)
    try:
        machine = machine_of(endpoint, look_up)
    except NotAllowed as refused:
        raise NotAnswered(AskFault.NOT_ALLOWED, f"{refused}; name another host.") from refused
    except (OSError, UnicodeError) as unknown:
        told = f"The host “{endpoint.host}” is not known by that name where the server runs."
        raise NotAnswered(AskFault.UNREACHABLE, told) from unknown
    status, body = _exchange(endpoint, machine, _headers(connection, endpoint), _target(endpoint, asked))
    return _understood(status, body)


def _refuse_unless_usable(connection: Connection) -> None:
    """What was allowed when it was saved may have been taken back since."""
    if connection.kind is not ConnectionKind.PROMETHEUS:
        told = f"The connection “{connection.key}” is no Prometheus; name another in the check."
        raise NotAnswered(AskFault.NOT_ALLOWED, told)
    if connection.archived_at is not None:
        told = f"The connection “{connection.key}” is archived; name another in the check."
        raise NotAnswered(AskFault.NOT_ALLOWED, told)
    problems = connection_problems(connection.kind, connection.location, connection.password_from)
    if problems:
        raise NotAnswered(AskFault.NOT_ALLOWED, problems[0].message)


def _headers(connection: Connection, endpoint: Endpoint) -> dict[str, str]:
    said = {
        "host": endpoint.authority,
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": "equipoise",
    }
    try:
        secret = password_of(connection)
    except SourceUnusable as missing:
        raise NotAnswered(AskFault.NO_CREDENTIAL, missing.problems[0].message) from missing
    if secret is None:
        return said
    if not (secret.isascii() and secret.isprintable()):
        told = "The secret holds characters that no header may have; write it again, in ASCII."
        raise NotAnswered(AskFault.NO_CREDENTIAL, told)
    pair = base64.b64encode(f"{endpoint.user}:{secret}".encode()).decode()
    said["authorization"] = f"Basic {pair}" if endpoint.user else f"Bearer {secret}"
    return said


def _target(endpoint: Endpoint, asked: Asked) -> str:
    at = asked.at.timestamp()
    said: dict[str, str] = {"query": asked.query, "timeout": f"{settings.PROMETHEUS_SECONDS:g}s"}
    if asked.window is None:
        return f"{endpoint.prefix}/api/v1/query?{urlencode({**said, 'time': f'{at:.3f}'})}"
    seconds = asked.window.total_seconds()
    step = max(LEAST_STEP_SECONDS, seconds / POINTS)
    said |= {"start": f"{at - seconds:.3f}", "end": f"{at:.3f}", "step": f"{step:.3f}"}
    return f"{endpoint.prefix}/api/v1/query_range?{urlencode(said)}"


def _pool(endpoint: Endpoint, machine: str) -> urllib3.HTTPConnectionPool:
    """A way to one machine, which must prove to be the host that was named."""
    if endpoint.scheme == "http":
        return urllib3.HTTPConnectionPool(machine, endpoint.port, maxsize=1)
    return urllib3.HTTPSConnectionPool(
        machine, endpoint.port, maxsize=1, server_hostname=endpoint.host, assert_hostname=endpoint.host,
        ssl_context=ssl.create_default_context(),
    )  # fmt: skip


def _exchange(endpoint: Endpoint, machine: str, headers: Mapping[str, str], target: str) -> tuple[int, bytes]:
    seconds = settings.PROMETHEUS_SECONDS
    deadline = time.monotonic() + seconds
    pool = _pool(endpoint, machine)
    try:
        answer = pool.request(
            "GET", target, headers=dict(headers), redirect=False, retries=False, preload_content=False,
            decode_content=False, timeout=urllib3.Timeout(total=seconds),
        )  # fmt: skip
        return answer.status, _whole(answer, deadline)
    except (urllib3.exceptions.HTTPError, OSError) as away:
        # urllib3 counts a connection that was refused among those that came too late.
        is_refused = isinstance(away, urllib3.exceptions.NewConnectionError)
        if not is_refused and isinstance(away, urllib3.exceptions.TimeoutError | TimeoutError):
            raise _too_late() from away
        told = f"“{endpoint.authority}” cannot be reached ({_kind_of(away)}); see whether it runs."
        raise NotAnswered(AskFault.UNREACHABLE, told) from away
    finally:
        pool.close()


def _whole(answer: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    content = bytearray()
    try:
        while chunk := answer.read1(_CHUNK_BYTES):
            content += chunk
            if len(content) > LARGEST_ANSWER:
                told = f"The answer has more than {LARGEST_ANSWER:,} bytes; aggregate in the query."
                raise NotAnswered(AskFault.TOO_LARGE, told)
            if time.monotonic() > deadline:
                raise _too_late()
    finally:
        answer.close()
    return bytes(content)


def _too_late() -> NotAnswered:
    told = (
        f"There was no whole answer within {settings.PROMETHEUS_SECONDS:g} seconds; write a lighter query, or"
        " let the operator raise EQUIPOISE_PROMETHEUS_SECONDS."
    )
    return NotAnswered(AskFault.TIMED_OUT, told)


def _understood(status: int, body: bytes) -> tuple[Series, ...]:
    if status in {_UNAUTHORIZED, _FORBIDDEN}:
        told = f"Prometheus refuses the secret ({status}); look at the connection's “password_from”."
        raise NotAnswered(AskFault.REFUSED, told)
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if status in {_BAD_REQUEST, _UNPROCESSABLE}:
        raise NotAnswered(AskFault.BAD_QUERY, f"Prometheus does not take the query: {told_by(content)}")
    if status == _UNAVAILABLE and isinstance(content, dict):
        raise NotAnswered(AskFault.TIMED_OUT, f"Prometheus gave up on the query: {told_by(content)}")
    if status != _GOOD:
        told = f"The answer is {status} where a Prometheus says 200; the connection may lead to a proxy."
        raise NotAnswered(AskFault.NOT_PROMETHEUS, told)
    series = series_of(content)
    if series is None:
        told = "The answer is none of Prometheus' API; let the connection lead to where /api/v1 is."
        raise NotAnswered(AskFault.NOT_PROMETHEUS, told)
    return series


def _kind_of(away: Exception) -> str:
    cause = away.__cause__ or away.__context__ or away
    return type(cause).__name__
