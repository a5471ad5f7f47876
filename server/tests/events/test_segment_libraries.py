"""What sends to Segment's tracking API sends here: the real library, and a key in the body."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from people import NOW
from scenes import Shop, a_running_experiment, a_shop, environment_of
from segment.analytics.client import Client

from equipoise_server.access.actions import IssueSdkKey, issue_sdk_key
from equipoise_server.access.values import KeyKind
from equipoise_server.edge import segment as door
from equipoise_server.edge.app import build
from equipoise_server.edge.polling import refresh
from equipoise_server.edge.state import EdgeState
from equipoise_server.events import actions, reads
from equipoise_server.events.inbox import Inbox
from equipoise_server.events.values import Sender

pytestmark = pytest.mark.django_db
UNIT = {"context": {"units": {"user": "u1"}}}


@pytest.fixture
def shop() -> Shop:
    shop = a_shop()
    a_running_experiment(shop)
    return shop


@pytest.fixture
def inbox(own_disk: Path) -> Iterator[Inbox]:
    inbox = actions.open_inbox()
    yield inbox
    inbox.close()


def an_app(inbox: Inbox) -> object:
    state = EdgeState()
    refresh(state)
    return build(state, door.routes(state, inbox, clock=lambda: NOW))


@pytest.fixture
def secret(shop: Shop) -> str:
    key = IssueSdkKey(environment_of(shop).id, KeyKind.CLIENT, "website")
    return issue_sdk_key(shop.owner, key, now=NOW).secret


def post(inbox: Inbox, body: object, **headers: str) -> httpx.Response:
    app = an_app(inbox)

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # Starlette's app
        async with httpx.AsyncClient(transport=transport, base_url="http://edge") as client:
            return await client.post("/v1/segment/v1/batch", json=body, headers=headers)

    return asyncio.run(send())


@pytest.fixture
def address(secret: str, inbox: Inbox) -> Iterator[str]:
    """The door on a port of this machine."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(an_app(inbox), log_level="error", lifespan="off"))  # type: ignore[arg-type]  # an ASGI app
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1/segment"
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("gzip", [False, True])
def test_the_python_library_of_segment_sends_events_and_exposures(
    shop: Shop, secret: str, inbox: Inbox, address: str, gzip: bool
) -> None:
    failures: list[object] = []
    library = Client(
        secret, host=address, gzip=gzip, max_retries=0,
        on_error=lambda error, _: failures.append(error),
    )  # fmt: skip
    library.track("u1", "Order Completed", {"revenue": 12.5})
    viewed = {"experiment_id": "checkout-button", "variation_id": "treatment"}
    library.track("u1", "Experiment Viewed", viewed)
    library.identify("u1", {"plan": "free"})
    library.track("u1", "Experiment Viewed", {"experiment_id": "nothing"})
    library.join()
    assert not failures
    actions.compact(now=NOW)
    quality = reads.data_quality(environment_of(shop).id)
    assert (quality.stored, quality.quarantined) == (2, 1)
    (line,) = reads.quality_of(environment_of(shop).id, since=NOW.date(), until=NOW.date(), now=NOW).senders
    assert line.sender.key == "website"
    assert line.sender.program.startswith("analytics-python/")


def test_a_key_in_the_body_opens_the_door_when_no_header_has_one(secret: str, inbox: Inbox) -> None:
    message = {"type": "track", "event": "x", "userId": "u1"}
    body = {"batch": [message], "writeKey": secret}
    assert post(inbox, body).json()["accepted"] == 1
    assert post(inbox, {**body, "writeKey": "eq_client_nonsense"}).status_code == 401
    assert post(inbox, {**body, "writeKey": 7}).status_code == 401
    assert post(inbox, [1]).status_code == 401
    assert post(inbox, body, authorization="Bearer eq_client_nonsense").status_code == 401


def test_a_message_may_say_who_it_is_about_and_the_browser_is_named(
    shop: Shop, secret: str, inbox: Inbox
) -> None:
    body = {"batch": [{"type": "track", "event": "x", **UNIT}], "writeKey": secret}
    answer = post(inbox, body, **{"user-agent": "Mozilla/5.0 (X11; Linux)"})
    assert json.loads(answer.text)["accepted"] == 1
    actions.compact(now=NOW)
    quality = reads.quality_of(environment_of(shop).id, since=NOW.date(), until=NOW.date(), now=NOW)
    assert [line.sender for line in quality.senders] == [Sender("website", "browser")]
