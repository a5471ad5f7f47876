"""Tells whoever listens what happens to the snapshot in use. Knows no flags; a listener may fail."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

LOG = logging.getLogger("equipoise")


class Turn(StrEnum):
    """What happened."""

    CHANGED = "changed"
    STALE = "stale"
    FRESH = "fresh"


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to what serves.

    Attributes:
        turn: `changed`: other values may be served · `stale`: the server cannot be asked, what is known
            serves on · `fresh`: it answers again.
        flags: the keys of the flags that may have changed.
        message: why it is stale.
    """

    turn: Turn
    flags: tuple[str, ...] = ()
    message: str | None = None


Hear = Callable[[Event], None]


class News:
    """Who listens. Told in background threads; for any thread."""

    def __init__(self) -> None:
        self._listeners: tuple[Hear, ...] = ()
        self._is_stale = False

    @property
    def is_heard(self) -> bool:
        """Tell whether anybody listens."""
        return bool(self._listeners)

    @property
    def is_stale(self) -> bool:
        """Tell whether the server could not be asked when it was tried last."""
        return self._is_stale

    def subscribe(self, hear: Hear) -> Callable[[], None]:
        """Let somebody hear of all that happens from now on; return what ends it."""
        self._listeners = (*self._listeners, hear)

        def leave() -> None:
            self._listeners = tuple(one for one in self._listeners if one is not hear)

        return leave

    def tell(self, event: Event) -> None:
        """Tell everybody."""
        for hear in self._listeners:
            try:
                hear(event)
            except Exception:
                LOG.exception("a listener failed")

    def stale(self, message: str) -> None:
        """Tell that the server cannot be asked; once until it can."""
        if not self._is_stale:
            self._is_stale = True
            self.tell(Event(Turn.STALE, message=message))

    def fresh(self) -> None:
        """Tell that the server answers again."""
        if self._is_stale:
            self._is_stale = False
            self.tell(Event(Turn.FRESH))
