"""Each limit of the door holds over HTTP, and what breaks one is not half taken."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from people import NOW
from scenes import Shop, a_shop, environment_of
from starlette.routing import Route
from wire import NOON, a_body, a_track

from equipoise_server.access.actions import IssueSdkKey, issue_sdk_key
from equipoise_server.access.values import KeyKind
from equipoise_server.edge.app import build
from equipoise_server.edge.events import EventsDoor
from equipoise_server.edge.polling import refresh
from equipoise_server.edge.state import EdgeState
from equipoise_server.events import actions, reads
from equipoise_server.events.inbox import Inbox
from equipoise_server.events.validation import DEEPEST, MOST_EVENTS
from equipoise_server.events.values import LARGEST_BODY, DataQuality

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Shop:
    return a_shop()


@pytest.fixture
def inbox(own_disk: Path) -> Iterator[Inbox]:
    inbox = actions.open_inbox()
    yield inbox
    inbox.close()


def post(shop: Shop, inbox: Inbox, body: bytes, **headers: str) -> httpx.Response:
    key = issue_sdk_key(shop.owner, IssueSdkKey(environment_of(shop).id, KeyKind.CLIENT, "web"), now=NOW)
    state = EdgeState()
    refresh(state)
    app = build(state, [Route("/v1/events", EventsDoor(state, inbox, clock=lambda: NOON), methods=["POST"])])
    sent = {"authorization": f"Bearer {key.secret}", **headers}

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edge") as client:
            return await client.post("/v1/events", content=body, headers=sent)

    return asyncio.run(send())


def stored(shop: Shop) -> DataQuality:
    actions.compact(now=NOON)
    return reads.data_quality(environment_of(shop).id)


def of_size(size: int) -> bytes:
    body = a_body(a_track(), a_track(properties={"text": ""}))
    return body.replace(b'"text": ""', b'"text": "' + b"x" * (size - len(body)) + b'"')


def nested(levels: int) -> dict[str, object]:
    """An event of so many levels, itself and the innermost value included."""
    inner: object = 1
    for _ in range(levels - 2):
        inner = {"a": inner}
    return a_track(properties=inner)


def test_a_body_of_a_million_bytes_is_taken_and_one_more_is_not(shop: Shop, inbox: Inbox) -> None:
    assert post(shop, inbox, of_size(LARGEST_BODY + 1)).status_code == 413
    assert stored(shop).received == 0
    assert post(shop, inbox, of_size(LARGEST_BODY)).json()["accepted"] == 2
    assert stored(shop).stored == 2


@pytest.mark.parametrize("extra", [1, 50_000_000])
def test_a_bomb_of_gzip_is_refused_whole(shop: Shop, inbox: Inbox, extra: int) -> None:
    bomb = gzip.compress(a_body(a_track())[:-1] + b" " * (LARGEST_BODY + extra) + b"}")
    assert len(bomb) < LARGEST_BODY
    assert post(shop, inbox, bomb, **{"content-encoding": "gzip"}).status_code == 413
    assert stored(shop).received == 0


def test_a_thousand_events_are_taken_and_one_more_is_not(shop: Shop, inbox: Inbox) -> None:
    many = [a_track(f"u{number}") for number in range(MOST_EVENTS + 1)]
    assert post(shop, inbox, a_body(*many)).status_code == 400
    assert stored(shop).received == 0
    assert post(shop, inbox, a_body(*many[:-1])).json()["accepted"] == MOST_EVENTS
    assert stored(shop).stored == MOST_EVENTS


def test_an_event_nested_too_deeply_is_refused_alone(shop: Shop, inbox: Inbox) -> None:
    answer = post(shop, inbox, a_body(a_track(), nested(DEEPEST), nested(DEEPEST + 1))).json()
    assert (answer["accepted"], [event["index"] for event in answer["quarantined"]]) == (2, [2])
    assert (stored(shop).stored, stored(shop).quarantined) == (2, 1)


def test_a_body_nested_without_end_is_refused_whole(shop: Shop, inbox: Inbox) -> None:
    for body in (
        b"[" * 500_000,
        json.dumps({"sent_at": NOON.isoformat(), "events": []}).encode()[:-2] + b"[" * 500_000,
        b'{"sent_at":"2026-03-02T12:00:00Z","batch":' + b"[" * 400_000,
    ):
        assert post(shop, inbox, body).status_code == 400
    assert stored(shop).received == 0


def test_a_member_nested_without_end_beside_good_events_refuses_all_of_them(shop: Shop, inbox: Inbox) -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    body = a_body(a_track())[:-1] + b',"dropped":' + deep + b"}"
    answer = post(shop, inbox, body)
    assert (answer.status_code, stored(shop).received) == (400, 0)
