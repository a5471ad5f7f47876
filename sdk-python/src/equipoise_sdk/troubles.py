"""What goes wrong: remembered for `status`, said once per kind in the log."""

from __future__ import annotations

import logging

LOG = logging.getLogger("equipoise")
LARGEST_COUNT_OF_KINDS = 1_000


class Troubles:
    """The last thing that went wrong in the background, said once per kind in the log."""

    def __init__(self) -> None:
        self.last: str | None = None
        self._said: set[str] = set()

    def note(self, kind: str, text: str) -> None:
        """Remember a trouble; log it when it is the first of its kind since the last success."""
        self.last = text
        if kind not in self._said:
            self._said.add(kind)
            LOG.warning("%s", text)

    def over(self, kind: str) -> None:
        """Note that this kind of work succeeds again."""
        if kind in self._said:
            self._said.discard(kind)
            self.last = None


class Complaints:
    """What the application itself does wrong: said once per kind, and never again."""

    def __init__(self) -> None:
        self._said: set[tuple[object, ...]] = set()

    def say(self, kind: tuple[object, ...], text: str | None) -> None:
        """Log a complaint when it is the first of its kind, which ends with a name."""
        if kind not in self._said and len(self._said) < LARGEST_COUNT_OF_KINDS:
            self._said.add(kind)
            LOG.warning("%s: %s", kind[-1], text)
