"""Events on their way to the process that takes them in: bounded, refused early, never taken in vain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from people import NOW
from scenes import a_shop, environment_of

from equipoise_server.access.actions import IssueSdkKey, issue_sdk_key
from equipoise_server.access.values import KeyKind
from equipoise_server.edge.admission import Line
from equipoise_server.edge.app import build
from equipoise_server.edge.forwarding import Crossing, routes
from equipoise_server.edge.polling import refresh
from equipoise_server.edge.state import EdgeState

pytestmark = pytest.mark.django_db
TAKEN = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n{"accepted":1}'
UNKNOWN = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"
Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def state() -> EdgeState:
    return EdgeState()


@pytest.fixture
def secret(state: EdgeState) -> str:
    shop = a_shop()
    key = issue_sdk_key(shop.owner, IssueSdkKey(environment_of(shop).id, KeyKind.SERVER, "shop"), now=NOW)
    refresh(state)
    return key.secret


def answering(answer: bytes, seen: list[bytes]) -> Peer:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        seen.append(head + await reader.readexactly(length))
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    return peer


def post(
    state: EdgeState, body: bytes, *, secret: str, peer: Peer | None, place: Path, room: int = 10**6
) -> tuple[httpx.Response, list[str]]:
    """Post through the door to a peer on a socket; the answer, and how often the peer was woken."""
    woken: list[str] = []

    async def go() -> httpx.Response:
        crossing, line = Crossing(place / "peer"), Line(room=room)
        app = build(state, routes(state, crossing, line, wake=lambda: woken.append("woken")))
        server = None if peer is None else await asyncio.start_unix_server(peer, str(place / "peer"))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edge") as client:
            headers = {"authorization": f"Bearer {secret}", "equipoise-backfill": "1"}
            answer = await client.post("/v1/events", content=body, headers=headers)
        await crossing.close()
        if server is not None:
            server.close()
            await server.wait_closed()
        await asyncio.sleep(0.05)  # connections are closed in the loop's next rounds
        assert line._room == room, "what the body held is free again"
        return answer

    return asyncio.run(go()), woken


def test_a_body_goes_on_as_it_came_and_its_answer_comes_back(
    state: EdgeState, secret: str, tmp_path: Path
) -> None:
    seen: list[bytes] = []
    answer, _ = post(state, b'{"x": 1}', secret=secret, peer=answering(TAKEN, seen), place=tmp_path)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert seen[0].endswith(b'\r\n\r\n{"x": 1}')
    assert b"equipoise-backfill: 1" in seen[0]


def test_who_has_no_key_is_refused_before_anything_goes_on(
    state: EdgeState, secret: str, tmp_path: Path
) -> None:
    seen: list[bytes] = []
    answer, _ = post(state, b"{}", secret="eq_server_wrong", peer=answering(TAKEN, seen), place=tmp_path)
    assert (answer.status_code, seen) == (401, [])


def test_a_key_that_only_this_process_knows_yet_is_asked_to_come_again(
    state: EdgeState, secret: str, tmp_path: Path
) -> None:
    answer, woken = post(state, b"{}", secret=secret, peer=answering(UNKNOWN, []), place=tmp_path)
    assert (answer.status_code, answer.headers["retry-after"], woken) == (503, "1", ["woken"])


@pytest.mark.parametrize(
    "answer", [None, b"", b"HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{", b"no\r\n\r\n"]
)
def test_an_answer_that_does_not_come_whole_acknowledges_nothing(
    state: EdgeState, secret: str, tmp_path: Path, answer: bytes | None
) -> None:
    peer = None if answer is None else answering(answer, [])
    got, _ = post(state, b"{}", secret=secret, peer=peer, place=tmp_path)
    assert (got.status_code, got.headers["retry-after"]) == (503, "1")


def test_bodies_hold_no_more_than_there_is_room_for(state: EdgeState, secret: str, tmp_path: Path) -> None:
    seen: list[bytes] = []
    given = {"secret": secret, "peer": answering(TAKEN, seen), "place": tmp_path}
    answer, _ = post(state, b"x" * 5000, room=9000, **given)
    assert (answer.status_code, answer.headers["retry-after"], seen) == (503, "1", [])
    answer, _ = post(state, b"x" * 4000, room=9000, **given)
    assert answer.status_code == 200
    answer, _ = post(state, b"x" * 1_000_001, room=10**7, **given)
    assert answer.status_code == 413
