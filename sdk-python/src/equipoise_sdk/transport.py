"""Speaks HTTP to the server: one request, one answer. Knows neither flags nor retries."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import urllib3

from equipoise_sdk.settings import Outside, Settings

LARGEST_SNAPSHOT_BYTES = 20 * 2**20
LONGEST_RETRY_AFTER_SECONDS = 600.0


class Unreachable(Exception):
    """There was no complete answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; `retry_after_seconds` is None when the server did not ask for patience."""

    status: int
    body: bytes
    etag: str | None
    retry_after_seconds: float | None


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

    def send(self, body: bytes) -> Answer:
        """Send a batch of events."""
        return self._request("POST", "/v1/events", {"Content-Type": "application/json"}, body)

    def _connections(self) -> urllib3.PoolManager:
        return urllib3.PoolManager(num_pools=1, maxsize=2, retries=False, timeout=self._timeout)

    def _request(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> Answer:
        try:
            answer = self._pool.request(
                method,
                self._address + path,
                headers={**self._headers, **headers},
                body=body,
                preload_content=False,
                redirect=False,
            )
            try:
                content = answer.read(LARGEST_SNAPSHOT_BYTES + 1)
            finally:
                answer.close()
        except (urllib3.exceptions.HTTPError, OSError) as cause:
            raise Unreachable(f"{method} {path}: {type(cause).__name__}") from cause
        if len(content) > LARGEST_SNAPSHOT_BYTES:
            raise Unreachable(f"{method} {path}: answer larger than {LARGEST_SNAPSHOT_BYTES} bytes")
        return Answer(answer.status, content, answer.headers.get("ETag"), self._patience(answer))

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
