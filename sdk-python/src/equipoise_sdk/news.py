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


class _Listener:
    """Somebody who listens, and what they were told last of the server."""

    def __init__(self, hear: Hear) -> None:
        self._hear = hear
        self.is_worried = False

    def tell(self, event: Event) -> None:
        try:
            self._hear(event)
        except Exception:
            LOG.exception("a listener failed")


class News:
    """Who listens. Told in background threads; anybody may subscribe at any time."""

    def __init__(self) -> None:
        self._listeners: tuple[_Listener, ...] = ()

    @property
    def is_heard(self) -> bool:
        """Tell whether anybody listens."""
        return bool(self._listeners)

    def subscribe(self, hear: Hear) -> Callable[[], None]:
        """Let somebody hear of all that happens from now on; return what ends it."""
        listener = _Listener(hear)
        self._listeners = (*self._listeners, listener)

        def leave() -> None:
            self._listeners = tuple(one for one in self._listeners if one is not listener)

        return leave

    def tell(self, event: Event) -> None:
        """Tell everybody."""
        for listener in self._listeners:
            listener.tell(event)

    def stale(self, message: str) -> None:
        """Tell that the server cannot be asked; everybody once, until it can."""
        for listener in self._listeners:
            if not listener.is_worried:
                listener.is_worried = True
                listener.tell(Event(Turn.STALE, message=message))

    def fresh(self) -> None:
        """Tell everybody who was told otherwise that the server answers."""
        for listener in self._listeners:
            if listener.is_worried:
                listener.is_worried = False
                listener.tell(Event(Turn.FRESH))
