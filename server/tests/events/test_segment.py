"""Segment's tracking API: messages become events and exposures, each judged, and each counted once."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from people import NOW
from scenes import Shop, a_running_experiment, a_shop, environment_of
from wire import NOON

from equipoise_server.access.actions import IssueSdkKey, issue_sdk_key
from equipoise_server.access.values import KeyKind
from equipoise_server.edge import segment as door
from equipoise_server.edge.app import build
from equipoise_server.edge.polling import refresh
from equipoise_server.edge.state import EdgeState
from equipoise_server.events import actions, reads
from equipoise_server.events.inbox import Inbox
from equipoise_server.events.segment import Translated
from equipoise_server.events.segment import translate as translate_body
from equipoise_server.events.validation import MOST_EVENTS, decode_good
from equipoise_server.events.values import (
    Arm,
    EventKind,
    Exposure,
    MalformedBody,
    SegmentBody,
    Served,
    Track,
    Vocabulary,
)

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "segment.md").read_text()
AT = "2026-03-02T11:59:00.000Z"
BUTTON = Served(
    3, "user", "running", [Arm("control", {"button": "grey"}), Arm("treatment", {"button": "green"})]
)
SHOP = Vocabulary(
    ["user", "visitor", "account"],
    {
        "button": BUTTON,
        "over": Served(1, "user", "stopped", BUTTON.variants),
        "offices": Served(1, "user", "running", BUTTON.variants, "account"),
    },
)


def translate(content: bytes, call: str = "batch") -> Translated:
    return translate_body(SegmentBody(call, content, SHOP), received_at=NOON)


def a_message(**given: object) -> dict[str, object]:
    return {
        "type": "track", "event": "Order Completed", "messageId": "ajs-1", "userId": "u1", "timestamp": AT,
        **given,
    }  # fmt: skip


def viewed(experiment: str = "button", variant: str = "treatment", **given: object) -> dict[str, object]:
    properties = {"experiment_id": experiment, "variation_id": variant}
    return a_message(event="Experiment Viewed", properties=properties, **given)


def read(*messages: object, **around: object) -> tuple[list[Any], dict[int, tuple[str, ...]]]:
    """The events that messages become, and the problems by the places of the others."""
    body = json.dumps({"batch": messages, **around}).encode()
    judged = translate(body, "batch").judged
    refused = {found.verdict.index: found.verdict.problems for found in judged.refused}
    return decode_good(judged.good), refused


def test_a_tracked_event_keeps_its_name_units_properties_and_worth() -> None:
    properties = {"revenue": 12.5, "value": 3, "currency": "EUR"}
    (event,), refused = read(a_message(properties=properties, anonymousId="a1", context={"groupId": "acme"}))
    assert not refused
    assert isinstance(event, Track)
    assert (event.name, event.value, event.properties) == ("Order Completed", 12.5, properties)
    assert event.units == {"user": "u1", "visitor": "a1", "account": "acme"}


def test_a_view_of_an_experiment_is_an_exposure_of_the_running_iteration() -> None:
    (event,), refused = read(viewed())
    assert not refused
    assert isinstance(event, Exposure)
    assert (event.experiment, event.iteration, event.flag, event.variant) == (
        "button",
        3,
        "button",
        "treatment",
    )
    assert (event.unit_type, event.unit) == ("user", "u1")


def test_an_experiment_and_its_variant_may_be_known_by_their_names() -> None:
    properties = {"experiment_id": 17, "experiment_name": "button", "variation_name": "control"}
    (event,), _ = read(a_message(event="Experiment Viewed", properties=properties))
    assert (event.experiment, event.variant) == ("button", "control")


def test_a_view_carries_the_cluster_that_was_randomised() -> None:
    (event,), refused = read(viewed("offices", context={"units": {"account": 7}}), viewed("offices"))
    assert (event.cluster_type, event.cluster) == ("account", 7)
    assert refused == {
        1: ("userId: the experiment needs the id of a account; send it in context.units.account",)
    }


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("text", "the message"),
        (a_message(type="click"), "type: "),
        (a_message(event=""), "event: "),
        (a_message(userId=None), "userId: "),
        (a_message(userId=1.5), "userId: "),
        (a_message(context={"units": {"device": "d"}}), "context.units.device: "),
        (a_message(timestamp="yesterday"), "timestamp: "),
        (a_message(timestamp="2026-03-02T11:59:00"), "timestamp: "),
        (a_message(timestamp="1970-01-01T00:00:00Z"), "at: "),
        (a_message(messageId=7), "messageId: "),
        (a_message(properties=[1]), "properties: "),
        (a_message(properties={"name": "\ud800"}), "the message has text"),
        (a_message(userId="u" * 300), "units.user: "),
        (viewed("unknown"), "properties.experiment_id: "),
        (viewed("over"), "properties.experiment_id: "),
        (viewed("button", "blue"), "properties.variation_id: "),
        (viewed(userId="", anonymousId="a1"), "userId: "),
    ],
)
def test_a_message_that_cannot_be_an_event_spoils_itself_alone(message: object, field: str) -> None:
    events, refused = read(a_message(), message, a_message(messageId="ajs-2"))
    assert len(events) == 2
    assert list(refused) == [1]
    assert refused[1][0].startswith(field)


def test_every_fault_of_a_message_is_told_at_once() -> None:
    _, refused = read(viewed("button", "blue", userId=None, timestamp="yesterday", messageId=7))
    assert [problem.partition(":")[0] for problem in refused[0]] == [
        "timestamp", "messageId", "properties.variation_id", "userId",
    ]  # fmt: skip


def test_a_refused_message_is_kept_without_its_values() -> None:
    body = json.dumps({"batch": [a_message(event="", userId="secret", properties={"mail": "secret"})]})
    (refused,) = translate(body.encode(), "batch").judged.refused
    assert refused.verdict.id == "ajs-1"
    assert "secret" not in refused.redacted


def test_pages_and_screens_are_events_and_traits_are_not_kept() -> None:
    calls = ("page", "screen", "identify", "group", "alias")
    messages = [a_message(type=call, name="Home", properties={"path": "/"}) for call in calls]
    translated = translate(json.dumps({"batch": messages}).encode(), "batch")
    events = decode_good(translated.judged.good)
    assert [event.name for event in events if isinstance(event, Track)] == ["Page Viewed", "Screen Viewed"]
    assert translated.ignored == 3
    assert {json.dumps(event.properties) for event in events if isinstance(event, Track)} == {
        '{"name": "Home", "path": "/"}'
    }


def test_the_address_says_what_a_single_message_is() -> None:
    body = json.dumps(a_message(type="identify")).encode()
    assert translate(body, "track").judged.good_count == 1
    assert translate(body, "identify").ignored == 1


def test_the_clock_of_a_sender_is_set_right_unless_somebody_did_before() -> None:
    sent_at = "2026-03-02T11:59:30+00:00"
    for around, messages, expected in (
        ({"sentAt": sent_at}, [a_message()], sent_at),
        ({}, [a_message(sentAt=sent_at)], sent_at),
        ({}, [a_message()], NOON.isoformat()),
        ({"sentAt": sent_at}, [a_message(originalTimestamp="2026-03-02T09:00:00Z")], NOON.isoformat()),
    ):
        body = json.dumps({"batch": messages, **around}).encode()
        assert translate(body, "batch").judged.sent_at.isoformat() == expected


def test_an_event_without_any_time_happened_on_arrival() -> None:
    (event,), _ = read(a_message(timestamp=None))
    assert event.at == NOON


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_message_id_is_always_the_same_identity_and_its_own(one: str, other: str) -> None:
    events, _ = read(
        a_message(messageId=one), a_message(messageId=other), a_message(messageId=one, sentAt=AT)
    )
    assert events[0].id == events[2].id
    assert (events[0].id == events[1].id) == (one == other)


def test_a_message_without_an_id_is_known_by_what_it_says() -> None:
    events, _ = read(
        a_message(messageId=None),
        a_message(messageId=None, sentAt=AT),
        a_message(messageId=None, userId="u2"),
    )
    assert events[0].id == events[1].id != events[2].id


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"{}", b'{"batch": [NaN]}', b'{"batch":' + b"[" * 100_000, b"\xff",
             json.dumps({"batch": [{}] * (MOST_EVENTS + 1)}).encode()]
)  # fmt: skip
def test_what_is_no_batch_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        translate(body, "batch")


@pytest.fixture
def inbox(own_disk: Path) -> Iterator[Inbox]:
    inbox = actions.open_inbox()
    yield inbox
    inbox.close()


def post(inbox: Inbox, call: str, content: object, authorization: str) -> httpx.Response:
    state = EdgeState()
    refresh(state)
    app = build(state, door.routes(state, inbox, clock=lambda: NOON))

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edge") as client:
            headers = {"authorization": authorization}
            return await client.post(f"/v1/segment/v1/{call}", json=content, headers=headers)

    return asyncio.run(send())


def basic(secret: str) -> str:
    return "Basic " + base64.b64encode(f"{secret}:".encode()).decode()


def a_secret(shop: Shop, kind: KeyKind = KeyKind.CLIENT) -> str:
    return issue_sdk_key(shop.owner, IssueSdkKey(environment_of(shop).id, kind, "s"), now=NOW).secret


@pytest.mark.django_db
def test_a_view_sent_twice_is_one_stored_exposure(inbox: Inbox) -> None:
    shop = a_shop()
    a_running_experiment(shop)
    sent = {"batch": [viewed("checkout-button"), a_message(messageId="ajs-2"), a_message(type="click")]}
    for kind in KeyKind:
        answer = post(inbox, "batch", sent, basic(a_secret(shop, kind)))
        assert answer.status_code == 200
        told = answer.json()
        assert (told["success"], told["accepted"], told["ignored"]) == (True, 2, 0)
        assert [(event["index"], event["id"]) for event in told["quarantined"]] == [(2, "ajs-1")]
    actions.compact(now=NOON)
    quality = reads.data_quality(environment_of(shop).id)
    assert (quality.received, quality.stored, quality.duplicates, quality.quarantined) == (6, 2, 2, 2)
    files = reads.arrived_files(environment_of(shop).id, EventKind.EXPOSURE).files
    query = "SELECT experiment, iteration, variant FROM read_parquet(?)"
    stored = duckdb.connect().execute(query, [[str(file.path) for file in files]]).fetchall()
    assert stored == [("checkout-button", 1, "treatment")]


@pytest.mark.django_db
def test_only_a_working_key_opens_the_door(inbox: Inbox) -> None:
    secret = a_secret(a_shop())
    assert post(inbox, "track", a_message(), f"Bearer {secret}").json()["accepted"] == 1
    for refused in ("", "Basic", "Basic ?", "Basic /w==", basic(""), basic(secret + "x")):
        assert post(inbox, "track", a_message(), refused).status_code == 401
    assert post(inbox, "batch", [], basic(secret)).status_code == 400


def test_the_example_of_the_reference_is_taken_as_it_says() -> None:
    found = re.search(r"\n(\{\n.*?\n\})\n```", PAGE, flags=re.DOTALL)
    assert found is not None
    events, refused = read(*json.loads(found[1])["batch"])
    assert not refused
    assert [type(event) for event in events] == [Exposure, Track]
