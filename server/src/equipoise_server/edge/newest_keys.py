"""Waits with an unknown key until the database was asked once more: it may have been made a moment ago."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from equipoise_server.access.values import key_prefix
from equipoise_server.edge.admission import busy
from equipoise_server.edge.answers import answer_refused
from equipoise_server.edge.keys import basic_user, bearer
from equipoise_server.edge.state import EdgeState

LONGEST_WAIT_SECONDS = 1.0
LOOK_EVERY_SECONDS = 0.02


class NewestKeys:
    """A door in a process that hears of keys a moment after the one that shows them to people.

    So a 401 is never said of a key that works: who cannot be known in time is asked to come again.
    """

    def __init__(self, door: ASGIApp, state: EdgeState, wake: Callable[[], None]) -> None:
        self._door, self._state, self._wake = door, state, wake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        presented = basic_user(scope) or bearer(scope)
        if presented and not self._knows(presented) and not await self._has_heard(presented):
            await answer_refused(send, busy())
            return
        await self._door(scope, receive, send)

    def _knows(self, presented: str) -> bool:
        view = self._state.view
        return view is None or key_prefix(presented) in view.keys  # without a view the door refuses itself

    async def _has_heard(self, presented: str) -> bool:
        """Whether the key became known, or the database was asked since now."""
        asked_at = self._state.clock()
        self._wake()
        while not self._knows(presented):
            view = self._state.view
            if view is not None and view.heard_at >= asked_at:
                return True
            if self._state.clock() - asked_at >= LONGEST_WAIT_SECONDS:
                return False
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        return True
