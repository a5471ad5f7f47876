"""Batches beyond what can be taken in: refused before they are read, and nobody waits in vain."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from starlette.types import Message, Receive, Scope, Send

from equipoise_server.edge.admission import LEAST_HELD_BYTES, REST, Admitted, Line, busy
from equipoise_server.edge.answers import Refused, answer, answer_refused
from equipoise_server.edge.newest_keys import NewestKeys
from equipoise_server.edge.state import EdgeState, View

PREFIX = "eq_server_abcdefgh"


@dataclass(slots=True)
class Clock:
    """A clock that stands still until told."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class Sender:
    """A client that sends a body in pieces, and what it was answered."""

    pieces: list[bytes]
    scope: dict[str, object] = field(default_factory=lambda: {"type": "http", "headers": []})
    answered: list[Message] = field(default_factory=list)

    async def receive(self) -> Message:
        piece = self.pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(self.pieces)}

    async def send(self, message: Message) -> None:
        self.answered.append(message)

    def ask(self, door: object) -> int:
        assert callable(door)
        asyncio.run(door(self.scope, self.receive, self.send))
        status: int = self.answered[0]["status"]
        return status


async def reading(scope: Scope, receive: Receive, send: Send) -> None:
    """A door that reads all of the body, and refuses as the doors for events do."""
    try:
        while (await receive())["more_body"]:
            pass
    except Refused as refused:
        await answer_refused(send, refused)
    else:
        await answer(send, 200, b"", {})


def test_while_much_waits_the_next_is_refused_unread_and_later_taken() -> None:
    line = Line(most_waiting=10_000)
    with line.place() as waiting:
        waiting.hold(9_000)
        waiting.is_whole()
        refused = Sender([b"unread"])
        assert refused.ask(Admitted(reading, line)) == 503
        assert refused.pieces == [b"unread"]
        assert dict(refused.answered[0]["headers"])[b"retry-after"] == b"1"
    assert Sender([b"x"]).ask(Admitted(reading, line)) == 200


def test_bodies_that_are_still_coming_hold_up_nobody() -> None:
    line = Line(most_waiting=10_000)
    with line.place() as coming:
        coming.hold(900_000)
        assert Sender([b"x"]).ask(Admitted(reading, line)) == 200


def test_when_the_oldest_waits_for_long_nobody_joins() -> None:
    clock = Clock()
    line = Line(clock=clock)
    with line.place() as waiting:
        waiting.is_whole()
        clock.now += 0.9
        assert Sender([b"x"]).ask(Admitted(reading, line)) == 200
        clock.now += 0.2
        assert Sender([b"x"]).ask(Admitted(reading, line)) == 503
    assert Sender([b"x"]).ask(Admitted(reading, line)) == 200


def test_a_body_that_outgrows_the_memory_is_refused_amid_and_frees_what_it_held() -> None:
    line = Line(room=LEAST_HELD_BYTES + 10)
    for _ in range(3):
        sender = Sender([b"x" * 8, b"x" * 8, b"x"])
        assert sender.ask(Admitted(reading, line)) == 503
        assert sender.pieces == [b"x"]
    assert Sender([b"x" * 8]).ask(Admitted(reading, line)) == 200


def test_who_is_refused_for_want_of_room_rests_and_nobody_else() -> None:
    async def full(scope: Scope, receive: Receive, send: Send) -> None:
        await answer_refused(send, busy())

    refused, taken = Sender([b"x"]), Sender([b"x"])
    refused.ask(Admitted(full, Line()))
    taken.ask(Admitted(reading, Line()))
    assert refused.scope["state"] == {REST: 0.25}
    assert "state" not in taken.scope


def _asking(secret: str) -> Sender:
    headers = [(b"authorization", f"Bearer {secret}".encode())]
    return Sender([b"x"], {"type": "http", "headers": headers})


@pytest.mark.parametrize(("step", "status"), [(0.0, 200), (5.0, 503)])
def test_an_unknown_key_waits_until_the_database_was_asked_or_comes_again(step: float, status: int) -> None:
    clock = Clock()
    state = EdgeState(clock=clock)
    state.swap(View({}, {}, clock.now - 1))
    woken: list[str] = []

    def wake() -> None:
        woken.append("woken")
        clock.now += step
        if not step:  # the database was heard
            state.swap(View({}, {}, clock.now))

    assert _asking(PREFIX + "secret").ask(NewestKeys(reading, state, wake)) == status
    assert woken == ["woken"]


def test_without_a_key_or_a_view_the_door_itself_says_so() -> None:
    woken: list[str] = []
    door = NewestKeys(reading, EdgeState(), lambda: woken.append("woken"))
    assert _asking(PREFIX).ask(door) == 200
    assert Sender([b"x"]).ask(door) == 200
    assert woken == []
