"""How long to wait before the next attempt: full jitter from one second to a minute."""

from __future__ import annotations

from collections.abc import Callable

LONGEST_SECONDS = 60.0


class BackOff:
    """Counts failures in a row. Not shared between threads."""

    __slots__ = ("_failures", "_jitter", "_longest_seconds")

    def __init__(self, jitter: Callable[[], float], *, longest_seconds: float = LONGEST_SECONDS) -> None:
        self._jitter = jitter
        self._longest_seconds = longest_seconds
        self._failures = 0

    def succeeded(self) -> None:
        """Begin again at one second."""
        self._failures = 0

    def failed(self, retry_after_seconds: float | None) -> float:
        """Return the seconds to wait; what the server asked for is a lower bound."""
        ceiling = min(self._longest_seconds, 2.0 ** min(self._failures, 10))
        self._failures += 1
        return (retry_after_seconds or 0.0) + self._jitter() * ceiling
