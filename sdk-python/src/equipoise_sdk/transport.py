"""Speaks HTTP to the server: one request, one answer. Knows neither flags nor retries."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import urllib3

from equipoise_sdk.settings import Outside, Settings

LARGEST_SNAPSHOT_BYTES = 20 * 2**20
LONGEST_RETRY_AFTER_SECONDS = 600.0
LONGEST_ANSWER_IN_TIMEOUTS = 6
CHUNK_BYTES = 2**16
OK = 200
SIGNATURE = "Equipoise-Signature"


class _Excess(Exception):
    """An answer is too large or too slow."""


class _Limit(NamedTuple):
    """How many bytes an answer may have, and until when (monotonic) it must be there."""

    largest: int
    deadline: float

    def refuse_excess(self, size: int) -> None:
        if size > self.largest:
            raise _Excess(f"answer larger than {self.largest} bytes")
        if time.monotonic() > self.deadline:
            raise _Excess("answer came too slowly")


class Unreachable(Exception):
    """There was no complete answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; `retry_after_seconds` is None when the server did not ask for patience."""

    status: int
    body: bytes
    etag: str | None
    retry_after_seconds: float | None
    signature: str | None = None


class OpenStream:
    """The bytes of a stream as they come."""

    def __init__(self, answer: urllib3.BaseHTTPResponse) -> None:
        self._answer = answer

    def read(self) -> bytes:
        """Wait for more; b"" when the stream ended.

        Raises:
            Unreachable: when it was silent for too long, or broke.
        """
        try:
            return self._answer.read1(CHUNK_BYTES)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as cause:
            raise Unreachable(f"the stream broke: {type(cause).__name__}") from cause

    def interrupt(self) -> None:
        """Let a thread that waits in `read` come back; for any thread."""
        with suppress(OSError, ValueError, RuntimeError):
            self._answer.shutdown()

    def close(self) -> None:
        """Lose the connection; for the thread that reads."""
        self._answer.close()


class HttpTransport:
    """Requests to one server with one key, over kept connections."""

    def __init__(self, settings: Settings) -> None:
        self._address = settings.server_url.rstrip("/")
        own = {"Authorization": f"Bearer {settings.key}", "User-Agent": "equipoise-python"}
        self._headers = {**settings.headers, **own}
        self._timeout = settings.request_timeout_seconds
        self._outside: Outside = settings.outside
        self._pool = self._connections()

    def reconnect(self) -> None:
        """Forget all connections: after a fork they belong to the parent."""
        self._pool = self._connections()

    def close(self) -> None:
        """Close idle connections."""
        self._pool.clear()

    def snapshot(self, etag: str | None) -> Answer:
        """Ask for the snapshot, unless it still has this ETag."""
        headers = {} if etag is None else {"If-None-Match": etag}
        return self._request("GET", "/v1/snapshot", headers, None)

    def members(self, address: str, *, largest: int, deadline: float) -> Answer:
        """Ask for a list of members, of so many bytes at most, until a time of the monotonic clock."""
        limit = _Limit(largest, min(deadline, self._deadline()))
        return self._request("GET", f"/v1/members/{address}", {}, None, limit=limit)

    def stream(self, last_seen: str | None, silence_seconds: float) -> OpenStream | Answer:
        """Ask for the stream; an answer that is no stream is given back, without its body.

        Raises:
            Unreachable: when there is no answer.
        """
        headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
        headers |= {} if last_seen is None else {"Last-Event-ID": last_seen}
        try:
            answer = self._pool.request(
                "GET",
                self._address + "/v1/stream",
                headers={**self._headers, **headers},
                preload_content=False,
                redirect=False,
                timeout=urllib3.Timeout(connect=self._timeout, read=silence_seconds),
            )
        except (urllib3.exceptions.HTTPError, OSError) as cause:
            raise Unreachable(f"GET /v1/stream: {type(cause).__name__}") from cause
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if answer.status == OK and kind == "text/event-stream":
            return OpenStream(answer)
        answer.close()
        return Answer(answer.status, b"", None, self._patience(answer))

    def send(self, body: bytes) -> Answer:
        """Send a batch of events."""
        return self._request("POST", "/v1/events", {"Content-Type": "application/json"}, body)

    def _connections(self) -> urllib3.PoolManager:
        return urllib3.PoolManager(num_pools=1, maxsize=2, retries=False, timeout=self._timeout)

    def _deadline(self) -> float:
        return time.monotonic() + self._timeout * LONGEST_ANSWER_IN_TIMEOUTS

    def _request(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes | None,
        *,
        limit: _Limit | None = None,
    ) -> Answer:
        limit = limit or _Limit(LARGEST_SNAPSHOT_BYTES, self._deadline())
        try:
            answer = self._pool.request(
                method,
                self._address + path,
                headers={**self._headers, **headers},
                body=body,
                preload_content=False,
                redirect=False,
            )
            content = _content(answer, limit)
        except (urllib3.exceptions.HTTPError, OSError) as cause:
            raise Unreachable(f"{method} {path}: {type(cause).__name__}") from cause
        except _Excess as cause:
            raise Unreachable(f"{method} {path}: {cause}") from cause
        told = answer.headers.get
        return Answer(answer.status, content, told("ETag"), self._patience(answer), told(SIGNATURE))

    def _patience(self, answer: urllib3.BaseHTTPResponse) -> float | None:
        """Read Retry-After: seconds, or a date (RFC 9110, section 10.2.3)."""
        text = answer.headers.get("Retry-After", "").strip()
        if text.isdecimal():
            return min(float(text[:9]), LONGEST_RETRY_AFTER_SECONDS)
        try:
            seconds = (parsedate_to_datetime(text) - self._outside.now()).total_seconds()
        except (ValueError, TypeError):
            return None
        return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)


def _content(answer: urllib3.BaseHTTPResponse, limit: _Limit) -> bytes:
    """Read the whole body: a whole answer gives its connection back, any other loses it.

    The timeout of a socket begins anew with each byte, so a trickle needs a limit of its own.
    """
    content = bytearray()
    try:
        while chunk := answer.read1(CHUNK_BYTES):
            content += chunk
            limit.refuse_excess(len(content))
    except BaseException:
        answer.close()
        raise
    answer.release_conn()
    return bytes(content)
