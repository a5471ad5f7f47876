"""What goes wrong in the background: remembered for `status`, said once per kind in the log."""

from __future__ import annotations

import logging

LOG = logging.getLogger("equipoise")


class Troubles:
    """The last thing that went wrong, said once per kind in the log."""

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
