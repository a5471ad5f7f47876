"""What a relay asks of its upstream, over HTTP with one key. Decides nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import urllib3

from equipoise_server.edge.signing import HEADER as SIGNATURE

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
SILENCE_SECONDS = 30.0
EVENTS_SECONDS = 12.0
LARGEST_SNAPSHOT_BYTES = 64 * 1024 * 1024
LARGEST_LIST_BYTES = 40_000_000
OK, NOT_MODIFIED, UNAUTHORIZED, FORBIDDEN = 200, 304, 401, 403
_CHUNK_BYTES = 2**16


class Away(Exception):
    """The upstream cannot be asked, or does not answer as one of ours."""


class KeyRefused(Exception):
    """The upstream says that the key is unknown, revoked or of the wrong kind."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A snapshot as it came."""

    body: bytes
    etag: str
    signature: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What the upstream said of its snapshot: another one or none, and how old its own knowledge is."""

    fetched: Fetched | None
    signature: str
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Facts:
    """What a relay has to know besides the snapshot: whose the key is, and how numbers were declared."""

    project: str
    environment: str
    kind: str
    revision: str
    decimal_flags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Passed:
    """An answer to pass on."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Upstream:
    """One server, one key. May be used by several threads."""

    def __init__(self, pool: urllib3.PoolManager, url: str, key: str) -> None:
        self._pool = pool
        self._url = url.rstrip("/")
        self._key = key

    def snapshot(self, etag: str) -> Heard:
        """The snapshot, unless it is still the one with this tag."""
        headers = {"accept-encoding": "gzip"} | ({"if-none-match": etag} if etag else {})
        answer = self._ask("/v1/snapshot", headers, largest=LARGEST_SNAPSHOT_BYTES)
        age = _seconds(answer.headers.get("equipoise-age", ""))
        signature = answer.headers.get(SIGNATURE, "")
        if answer.status == NOT_MODIFIED and etag:
            return Heard(None, signature, age)
        return Heard(Fetched(answer.body, answer.headers.get("etag", ""), signature), signature, age)

    def facts(self) -> Facts:
        """Whose the key is, and how the numbers of the current snapshot were declared."""
        return facts_of(_object(self._ask("/v1/relay", {}).body))

    def members(self, address: str) -> bytes:
        """A large list by its address."""
        return self._ask(f"/v1/members/{address}", {}, largest=LARGEST_LIST_BYTES).body

    def stream(self, last_seen: str) -> Iterator[bytes]:
        """What the stream says, as it comes, until it ends or is silent for too long."""
        headers = {"accept": "text/event-stream"} | ({"last-event-id": last_seen} if last_seen else {})
        answer = self._open("GET", "/v1/stream", headers, None, SILENCE_SECONDS)
        try:
            self._refuse_unless_good(answer)
            while chunk := answer.read1(_CHUNK_BYTES):
                yield chunk
        except (urllib3.exceptions.HTTPError, OSError) as cause:
            raise Away(f"the stream was lost: {type(cause).__name__}") from cause
        finally:
            answer.close()

    def events(self, path: str, body: bytes, headers: Mapping[str, str]) -> Passed:
        """Pass a batch of events on; whatever the upstream says is the answer."""
        answer = self._open("POST", path, headers, body, EVENTS_SECONDS)
        try:
            content = answer.read(decode_content=True)
        except (urllib3.exceptions.HTTPError, OSError) as cause:
            raise Away(f"{path}: {type(cause).__name__}") from cause
        return Passed(answer.status, {k.lower(): v for k, v in answer.headers.items()}, content)

    def _ask(self, path: str, headers: Mapping[str, str], *, largest: int = _CHUNK_BYTES * 32) -> Passed:
        answer = self._open("GET", path, headers, None, ANSWER_SECONDS)
        try:
            self._refuse_unless_good(answer)
            body = _whole(answer, largest)
        except (urllib3.exceptions.HTTPError, OSError) as cause:
            raise Away(f"{path}: {type(cause).__name__}") from cause
        finally:
            answer.release_conn()
        return Passed(answer.status, {k.lower(): v for k, v in answer.headers.items()}, body)

    def _open(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, silence: float
    ) -> urllib3.BaseHTTPResponse:
        sent = {"authorization": f"Bearer {self._key}", "user-agent": "equipoise-relay", **headers}
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=silence)
        try:
            return self._pool.request(
                method, self._url + path, headers=sent, body=body, preload_content=False,
                redirect=False, retries=False, timeout=timeout,
            )  # fmt: skip
        except (urllib3.exceptions.HTTPError, OSError) as cause:
            raise Away(f"{path}: {type(cause).__name__}") from cause

    def _refuse_unless_good(self, answer: urllib3.BaseHTTPResponse) -> None:
        if answer.status in {OK, NOT_MODIFIED}:
            return
        is_ours = answer.headers.get("content-type", "").startswith("application/problem+json")
        answer.drain_conn()
        if answer.status in {UNAUTHORIZED, FORBIDDEN} and is_ours:
            raise KeyRefused(f"the upstream answered {answer.status}")
        raise Away(f"the upstream answered {answer.status}")


def facts_of(told: Mapping[str, object]) -> Facts:
    """What `GET /v1/relay` says, as a value."""
    decimal = told.get("decimal_flags", [])
    return Facts(
        project=str(told.get("project", "")),
        environment=str(told.get("environment", "")),
        kind=str(told.get("kind", "")),
        revision=str(told.get("revision", "")),
        decimal_flags=frozenset(map(str, decimal)) if isinstance(decimal, list) else frozenset(),
    )


def _seconds(text: str) -> float:
    """A header's number of seconds; 0 when there is none."""
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0


def _whole(answer: urllib3.BaseHTTPResponse, largest: int) -> bytes:
    """The body, unless it is too large or trickles in for too long."""
    content = bytearray()
    deadline = time.monotonic() + 6 * ANSWER_SECONDS
    while chunk := answer.read1(_CHUNK_BYTES):
        content += chunk
        if len(content) > largest or time.monotonic() > deadline:
            answer.close()
            raise Away("the answer is too large or too slow")
    return bytes(content)


def _object(body: bytes) -> dict[str, object]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as cause:
        raise Away("the upstream's answer is not JSON") from cause
    if not isinstance(content, dict):
        raise Away("the upstream's answer is no object")
    return content
