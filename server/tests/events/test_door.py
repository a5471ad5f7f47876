"""POST /v1/events: 200 only after the fsync, 401 before anything is read, and each fault its own answer."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from people import NOW
from scenes import Shop, a_shop, environment_of
from starlette.routing import Route
from wire import NOON, a_body, a_track, an_exposure

from equipoise_server.access.actions import IssueSdkKey, issue_sdk_key, revoke_sdk_key
from equipoise_server.access.values import IssuedKey, KeyKind
from equipoise_server.edge.app import build
from equipoise_server.edge.events import EventsDoor, Upkeep
from equipoise_server.edge.polling import refresh
from equipoise_server.edge.state import EdgeState
from equipoise_server.events import actions, reads
from equipoise_server.events.inbox import Inbox
from equipoise_server.events.values import DataQuality

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Shop:
    return a_shop()


@pytest.fixture
def inbox(own_disk: Path) -> Iterator[Inbox]:
    inbox = actions.open_inbox()
    yield inbox
    inbox.close()


def a_key(shop: Shop, kind: KeyKind = KeyKind.SERVER) -> IssuedKey:
    return issue_sdk_key(shop.owner, IssueSdkKey(environment_of(shop).id, kind, "shop"), now=NOW)


def post(
    inbox: Inbox, secret: str, body: bytes, *, allows_backfill: bool = False, **headers: str
) -> httpx.Response:
    state = EdgeState()
    refresh(state)
    door = EventsDoor(state, inbox, clock=lambda: NOON, allows_backfill=allows_backfill)
    app = build(state, [Route("/v1/events", door, methods=["POST"])])
    sent = {"authorization": f"Bearer {secret}", **{k.replace("_", "-"): v for k, v in headers.items()}}

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edge") as client:
            return await client.post("/v1/events", content=body, headers=sent)

    return asyncio.run(send())


@pytest.mark.parametrize("kind", list(KeyKind))
def test_events_of_both_kinds_of_keys_are_stored_in_their_environment(
    shop: Shop, inbox: Inbox, kind: KeyKind
) -> None:
    answer = post(inbox, a_key(shop, kind).secret, a_body(an_exposure(), a_track(), {"kind": "click"}))
    assert answer.status_code == 200
    assert answer.json() == {
        "accepted": 2,
        "quarantined": [
            {"index": 2, "id": None, "problems": ["kind: invalid value 'click'"]},
        ],
    }
    actions.compact(now=NOON)
    quality = reads.data_quality(environment_of(shop).id)
    assert (quality.stored, quality.quarantined) == (2, 1)
    assert reads.data_quality(environment_of(shop, "development").id) == DataQuality(0, 0, 0, 0, 0, 0, 0, 0)


def test_an_unknown_or_revoked_key_is_refused_before_the_body_is_read(shop: Shop, inbox: Inbox) -> None:
    issued = a_key(shop)
    revoke_sdk_key(shop.owner, issued.key.id, now=NOW)
    for secret in ("", "eq_server_nonsense", issued.secret):
        assert post(inbox, secret, b"\xff not JSON").status_code == 401


def test_a_management_token_in_place_of_an_sdk_key_is_recognised(inbox: Inbox) -> None:
    refused = post(inbox, "eq_api_000000000000_" + "0" * 64, b"{}")
    assert refused.status_code == 401
    assert "eq_server_" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"x" * 1_000_001, {}, 413),
        (gzip.compress(b"x" * 10_000_000), {"content_encoding": "gzip"}, 413),
        (b"no gzip", {"content_encoding": "gzip"}, 400),
        (gzip.compress(a_body(a_track()))[:-9], {"content_encoding": "gzip"}, 400),
        (a_body(a_track()), {"content_encoding": "br"}, 415),
    ],
)
def test_what_cannot_be_read_has_its_own_status(
    shop: Shop, inbox: Inbox, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = post(inbox, a_key(shop).secret, body, **headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_a_gzipped_batch_is_taken(shop: Shop, inbox: Inbox) -> None:
    answer = post(inbox, a_key(shop).secret, gzip.compress(a_body(a_track())), content_encoding="gzip")
    assert answer.json()["accepted"] == 1


@pytest.mark.parametrize(
    ("limits", "status"), [({"largest_queue_bytes": 10}, 503), ({"largest_file_bytes": 12 * 4096}, 507)]
)
def test_a_full_queue_or_disk_says_when_to_come_back(
    shop: Shop, own_disk: Path, limits: dict[str, Any], status: int
) -> None:
    inbox = Inbox(own_disk / "small.sqlite3", os.open(os.devnull, os.O_RDONLY), **limits)
    inbox.start()
    answer = post(inbox, a_key(shop).secret, a_body(*[a_track() for _ in range(900)]))
    inbox.close()
    assert answer.status_code == status
    assert int(answer.headers["retry-after"]) > 0
    assert not json.loads(answer.content).get("accepted")


def test_a_closed_inbox_is_busy_and_never_acknowledges(shop: Shop, own_disk: Path) -> None:
    inbox = actions.open_inbox()
    inbox.close()
    assert post(inbox, a_key(shop).secret, a_body(a_track())).status_code == 503


def test_backfill_needs_the_setting_and_a_server_key(shop: Shop, inbox: Inbox) -> None:
    long_ago = a_track(at=(NOON - timedelta(days=100)).isoformat())
    server, client = a_key(shop).secret, a_key(shop, KeyKind.CLIENT).secret
    for secret, allows in ((server, False), (client, True)):
        answer = post(inbox, secret, a_body(long_ago), allows_backfill=allows, equipoise_backfill="1")
        assert answer.status_code == 403
    taken = post(inbox, server, a_body(long_ago), allows_backfill=True, equipoise_backfill="1")
    assert taken.json()["accepted"] == 1
    actions.compact(now=NOON)
    assert reads.data_quality(environment_of(shop).id).late == 0


def test_the_inbox_is_tidied_once_the_store_holds_its_batches(shop: Shop, inbox: Inbox) -> None:
    post(inbox, a_key(shop).secret, a_body(a_track()))
    actions.compact(now=NOON)
    Upkeep(inbox, clock=lambda: NOON).tick()
    post(inbox, a_key(shop).secret, a_body(a_track()))
    quality = reads.data_quality(environment_of(shop).id)
    assert (quality.received, quality.stored, quality.waiting) == (2, 1, 1)
