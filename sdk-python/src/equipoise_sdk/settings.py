"""What `connect` was asked for, checked as a whole."""

from __future__ import annotations

import os
import random
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from equipoise_sdk.signatures import Verifier

Bootstrap = Path | Mapping[str, object] | None
"""A snapshot that comes with the application: a file or a document."""
PER_USER = "per-user"
LONGEST_SECONDS = 86_400.0


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class Outside:
    """What the client takes from the world: time, ids and randomness; tests pass their own.

    Attributes:
        now: returns an aware time.
        new_id: returns a fresh event id.
        jitter: returns a number in [0, 1), to spread retries.
    """

    now: Callable[[], datetime] = _now
    new_id: Callable[[], str] = _new_id
    jitter: Callable[[], float] = field(default=random.random)


@dataclass(frozen=True, slots=True)
class Settings:
    """The checked arguments of `connect`.

    Attributes:
        server_url: such as "https://flags.example.org".
        key: a server key of one environment.
        poll_interval_seconds: between two questions for a newer snapshot, while no stream tells of changes.
        start_timeout_seconds: how long to wait for the first answer; 0.3 seconds at most while something
            serves already, from disk or bootstrap.
        request_timeout_seconds: for one request.
        cache_directory: where the last good snapshot is kept; None keeps none.
        exposure_attributes: names of the attributes that exposures may carry.
        queue_size: how many events may wait in memory.
        outside: time, ids and randomness, for tests.
        headers: sent with every request, for a proxy, or to back-fill past events.
        streaming: whether to hear of changes at once over a stream that is held open.
        stream_silence_seconds: how long a stream may be silent; the server lets it beat every 10 seconds.
        bootstrap: a snapshot that comes with the application, file or document; it serves until the server
            or the disk has one, and is trusted.
        verify_keys: raw Ed25519 public keys in base64; nothing serves then that none of them signed.
        spool_file: where events wait on disk; several processes may share it. None: they wait in memory.
        spool_size: how many events may wait there.

    `connect` also takes a `sticky_store`, which keeps units with the cluster in which they were first met;
    without one they follow.
    """

    server_url: str
    key: str
    poll_interval_seconds: float
    start_timeout_seconds: float
    request_timeout_seconds: float
    cache_directory: Path | None
    exposure_attributes: tuple[str, ...]
    queue_size: int
    outside: Outside
    headers: Mapping[str, str] = field(default_factory=dict)
    streaming: bool = True
    stream_silence_seconds: float = 25.0
    bootstrap: Bootstrap = None
    verify_keys: tuple[str, ...] = ()
    spool_file: Path | None = None
    spool_size: int = 100_000

    def __post_init__(self) -> None:
        """Refuse bad arguments, all at once."""
        problems = [*self._address_problems(), *self._number_problems(), *self._trust_problems()]
        if problems:
            raise ValueError("; ".join(problems))

    def _address_problems(self) -> list[str]:
        problems = []
        if not _is_address(self.server_url):
            problems.append("server_url must be an http:// or https:// address")
        if not _is_header_text(self.key):
            problems.append("key must be a key of the environment: printable ASCII, not empty")
        if not _are_names(self.exposure_attributes):
            problems.append("exposure_attributes must be a tuple of attribute names")
        if not all(isinstance(text, str) for header in self.headers.items() for text in header):
            problems.append("headers must be texts by name")
        return problems

    def _trust_problems(self) -> list[str]:
        bootstrap: object = self.bootstrap
        verify_keys: object = self.verify_keys
        problems = []
        if not (bootstrap is None or isinstance(bootstrap, Path | Mapping)):
            problems.append("bootstrap must be the path of a snapshot or a document")
        if not isinstance(verify_keys, tuple | list):
            return [*problems, "verify_keys must be a tuple of public keys"]
        try:
            Verifier(tuple(verify_keys))
        except ValueError as cause:
            problems.append(str(cause))
        return problems

    def _number_problems(self) -> list[str]:
        bounds: dict[str, tuple[object, float, float]] = {
            "poll_interval_seconds": (self.poll_interval_seconds, 0.01, LONGEST_SECONDS),
            "start_timeout_seconds": (self.start_timeout_seconds, 0, LONGEST_SECONDS),
            "request_timeout_seconds": (self.request_timeout_seconds, 0.01, LONGEST_SECONDS),
            "stream_silence_seconds": (self.stream_silence_seconds, 0.01, LONGEST_SECONDS),
            "queue_size": (self.queue_size, 1, 10_000_000),
            "spool_size": (self.spool_size, 1, 10_000_000),
        }
        return [
            f"{name} must be a number from {low:g} to {high:g}"
            for name, (value, low, high) in bounds.items()
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high
        ]


def _is_address(address: object) -> bool:
    if not isinstance(address, str):
        return False
    try:
        parts = urlsplit(address)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_header_text(key: object) -> bool:
    return isinstance(key, str) and key.isascii() and key.isprintable() and key.strip() == key != ""


def _are_names(names: object) -> bool:
    return isinstance(names, tuple | list) and all(isinstance(name, str) and name for name in names)


def chosen_directory(directory: Path | str | None) -> Path | None:
    """Return where snapshots are kept: PER_USER means the user's cache folder, None nowhere."""
    if directory != PER_USER:
        return None if directory is None else Path(directory)
    try:
        home = Path.home()
    except RuntimeError:  # an account without a home, as in some containers
        return None
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "equipoise"
    cache = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME") or home / ".cache"
    return Path(cache) / "equipoise"
