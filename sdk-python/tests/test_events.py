"""Exposures and tracks arrive, once, in batches, and never at the caller's cost."""

from __future__ import annotations

import json
import os
import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from connecting import Connect
from flag_server import FlagServer, Handler, Json, document
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from equipoise_sdk import Drop, Outside, in_memory
from equipoise_sdk.exposing import Exposed
from equipoise_sdk.outbox import BATCH_SIZE, LARGEST_BATCH_BYTES, Outbox

USER = {"units": {"user": "u1"}, "attributes": {"country": "DE", "email": "ann@example.org", "age": 30}}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def user(name: object) -> Json:
    return {"units": {"user": name}}


def test_a_use_of_a_flag_is_exposed_once(server: FlagServer, connect: Connect) -> None:
    client = connect()
    values = {client.boolean("button", False, USER) for _ in range(3)}
    assert client.flush()
    (event,) = server.events
    arm = "treatment" if values == {True} else "control"
    assert event.pop("id")
    assert event.pop("at").endswith("Z")
    assert event == {
        "kind": "exposure",
        "experiment": "trial",
        "iteration": 1,
        "flag": "button",
        "variant": arm,
        "unit_type": "user",
        "unit": "u1",
        "revision": 1,
    }


def test_every_kind_of_flag_has_its_call(connect: Connect) -> None:
    client = connect()
    assert client.string("colour", "", {}) == "grey"
    assert client.number("number", 0, {}) == 2.5
    assert client.object("theme", {"x": []}, {}) == {"x": [1]}
    assert client.boolean("colour", True, {}) is True


def test_peek_does_not_expose_and_expose_does_later(server: FlagServer, connect: Connect) -> None:
    client = connect(exposure_attributes=("country",))
    decision = client.peek("button", False, USER)
    assert client.flush()
    assert server.events == []
    client.expose(decision, differs=False, attributes=USER["attributes"], at=NOON)
    client.expose(client.peek("colour", "x", USER))
    assert client.flush()
    (event,) = server.events
    assert (event["differs"], event["attributes"], event["at"]) == (
        False,
        {"country": "DE"},
        "2026-03-01T12:00:00.000Z",
    )


def test_only_named_attributes_leave_the_application(server: FlagServer, connect: Connect) -> None:
    client = connect(exposure_attributes=("country", "age", "absent"))
    client.boolean("button", False, USER)
    assert client.flush()
    assert server.events[0]["attributes"] == {"country": "DE", "age": 30}


def test_a_track_carries_its_units_canonically(server: FlagServer, connect: Connect) -> None:
    client = connect()
    berlin = timezone(timedelta(hours=2))
    context = {"units": {"user": 7, "account": "a", "device": 1.5}, "attributes": {"email": "x"}}
    client.track("purchase", context, value=12.5, properties={"items": [1, 2]}, at=NOON.astimezone(berlin))
    assert client.flush()
    (event,) = server.events
    assert event.pop("id")
    assert event == {
        "kind": "track",
        "at": "2026-03-01T12:00:00.000Z",
        "name": "purchase",
        "units": {"user": "7", "account": "a"},
        "value": 12.5,
        "properties": {"items": [1, 2]},
    }
    assert server.batches[0]["sent_at"].endswith("Z")


BAD_TRACKS: list[tuple[tuple[Any, Any], Json]] = [
    (("", USER), {}),
    ((7, USER), {}),
    (([], USER), {}),
    (("x" * 257, USER), {}),
    (("x", {}), {}),
    (("x", None), {}),
    (("x", {"units": ["u1"]}), {}),
    (("x", USER), {"value": float("nan")}),
    (("x", USER), {"value": True}),
    (("x", USER), {"value": "12"}),
    (("x", USER), {"properties": {"a": object()}}),
    (("x", USER), {"properties": {"a": float("inf")}}),
    (("x", USER), {"properties": [1]}),
    (("x", USER), {"at": datetime(2026, 3, 1)}),  # noqa: DTZ001 - the point of the case
    (("x", USER), {"at": "2026-03-01"}),
]


@pytest.mark.parametrize(("arguments", "keywords"), BAD_TRACKS)
def test_a_bad_track_is_dropped_counted_and_told(
    arguments: tuple[Any, Any], keywords: Json, caplog: pytest.LogCaptureFixture
) -> None:
    client = in_memory(document())
    client.track(*arguments, **keywords)
    client.track(*arguments, **keywords)
    assert client.recorded == ()
    assert client.status.dropped == 2
    assert caplog.text.count("dropped") == 1


BAD_TIMES: list[Any] = [
    datetime(2026, 3, 1),  # noqa: DTZ001 - the point of the case
    datetime.max.replace(tzinfo=timezone(timedelta(hours=-2))),
    "2026-03-01",
]


@pytest.mark.parametrize("at", BAD_TIMES)
def test_an_exposure_at_no_time_is_dropped(at: Any) -> None:
    client = in_memory(document())
    client.details("button", False, USER, at=at)
    client.track("x", USER, at=at)
    assert (client.recorded, client.status.dropped) == ((), 2)
    client.details("button", False, USER)
    assert len(client.recorded) == 1


def test_an_earlier_exposure_is_sent_again_a_later_one_is_not() -> None:
    client = in_memory(document())
    for hours in (2, 3, 1, 2):
        client.details("button", False, USER, at=NOON + timedelta(hours=hours))
    assert [event["at"][11:13] for event in client.recorded] == ["14", "13"]


def test_a_client_in_memory_takes_time_and_ids_from_outside() -> None:
    outside = Outside(now=lambda: NOON, new_id=lambda: "id-1", jitter=lambda: 0.5)
    client = in_memory(document(), outside=outside)
    client.track("x", USER)
    assert client.recorded == (
        {
            "kind": "track",
            "id": "id-1",
            "at": "2026-03-01T12:00:00.000Z",
            "name": "x",
            "units": {"user": "u1"},
        },
    )
    assert client.flush()
    client.close()
    assert client.status.snapshot_age_seconds == 0


def test_batches_hold_500_events_at_most_and_exposures_go_first(server: FlagServer, connect: Connect) -> None:
    client = connect()
    for number in range(700):
        client.track("x", USER, value=number)
        client.boolean("button", False, user(f"u{number}"))
    assert client.flush(5)
    assert max(len(batch["events"]) for batch in server.batches) <= BATCH_SIZE
    assert len(server.events) == 1_400
    assert len({event["id"] for event in server.events}) == 1_400
    tracked = [event["value"] for event in server.events if event["kind"] == "track"]
    assert tracked == list(range(700))


def test_events_leave_without_a_flush(server: FlagServer, connect: Connect) -> None:
    client = connect()
    client.track("x", USER)
    server.wait_for(1, "POST")
    assert client.flush()


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 503])
def test_a_server_that_takes_nothing_now_gets_the_same_batch_later(
    server: FlagServer, connect: Connect, status: int
) -> None:
    client = connect()
    server.fault = lambda handler: handler.answer(status, Retry_After="0")
    client.track("x", USER)
    assert not client.flush(0.05)
    server.wait_for(1, "POST")
    assert client.status.queued == 1
    assert client.status.last_error is not None
    server.fault = None
    assert client.flush(5)
    assert len({event["id"] for event in server.events}) == 1
    assert (client.status.dropped, client.status.queued) == (0, 0)


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_batch_refused_for_good_is_dropped_and_counted(
    server: FlagServer, connect: Connect, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(poll_interval_seconds=60)
    server.fault = lambda handler: handler.answer(status)
    client.track("x", USER)
    assert client.flush(5)
    assert client.status.drops == {Drop.REFUSED: 1}
    assert f"the server answered {status}" in caplog.text


def test_a_batch_that_is_too_large_is_halved_until_it_fits(server: FlagServer, connect: Connect) -> None:
    client = connect(poll_interval_seconds=60)

    def refuse_large(handler: Handler) -> None:
        body = json.loads(server.requests[-1][3])
        taken = len(body["events"]) <= 3
        handler.answer(200 if taken else 413, b'{"quarantined":[]}')

    server.fault = refuse_large
    for number in range(20):
        client.track("x", USER, value=number)
    assert client.flush(5)
    taken = [
        event["value"] for batch in server.batches if len(batch["events"]) <= 3 for event in batch["events"]
    ]
    assert taken == list(range(20))
    assert client.status.dropped == 0


def test_a_batch_is_no_larger_than_the_server_takes(server: FlagServer, connect: Connect) -> None:
    client = connect()
    for _ in range(30):
        client.track("x", USER, properties={"text": "x" * 60_000})
    client.track("x", USER, properties={"text": "x" * 100_000})
    assert client.flush(5)
    sizes = [len(body) for method, _, _, body in server.requests if method == "POST"]
    assert max(sizes) <= LARGEST_BATCH_BYTES + 100
    assert len(server.events) == 30
    assert client.status.drops == {Drop.INVALID: 1}


def test_quarantined_events_are_told(
    server: FlagServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(poll_interval_seconds=60)
    body = b'{"accepted":0,"quarantined":[{"index":0,"id":"x","problems":["unknown unit type"]}]}'
    server.fault = lambda handler: handler.answer(200, body)
    client.track("x", USER)
    assert client.flush(5)
    assert "unknown unit type" in caplog.text


def test_an_answer_to_events_that_makes_no_sense_is_no_trouble(server: FlagServer, connect: Connect) -> None:
    client = connect(poll_interval_seconds=60)
    for body in (b"", b"[]", b'{"quarantined":7}', b'{"quarantined":[7]}'):
        server.fault = lambda handler, body=body: handler.answer(200, body)
        client.track("x", USER)
        assert client.flush(5)
    assert client.status.dropped == 0


def test_tracks_are_dropped_before_exposures() -> None:
    outbox = Outbox(3)
    assert all(outbox.put_track(b"%d" % number) for number in range(3))
    assert not outbox.put_track(b"late")
    assert outbox.put_exposure(b"first")
    assert outbox.put_exposure(b"second")
    assert outbox.put_exposure(b"third")
    assert not outbox.put_exposure(b"fourth")
    assert (outbox.dropped, outbox.queued) == (5, 3)
    outbox.close()
    assert outbox.next_batch(0) == [b"first", b"second", b"third"]


def test_an_exposure_that_found_no_room_may_come_again(server: FlagServer, connect: Connect) -> None:
    server.fault = None
    client = connect(queue_size=1)
    server.fault = Handler.hang
    client.boolean("button", False, user("u1"))
    client.boolean("button", False, user("u2"))
    assert client.status.dropped == 1
    server.fault = None
    server.release.set()
    assert client.flush(5)
    client.boolean("button", False, user("u2"))
    assert client.flush(5)
    assert {event["unit"] for event in server.events} == {"u1", "u2"}


def test_only_so_many_exposures_are_remembered() -> None:
    exposed = Exposed(size=2)
    assert [exposed.is_news((key,), 0) for key in "aab"] == [True, False, True]
    assert exposed.is_news(("c",), 0)
    assert exposed.is_news(("a",), 0)


def test_many_threads_lose_nothing(server: FlagServer, connect: Connect) -> None:
    client = connect()

    def work(first: int) -> None:
        for number in range(first, first + 200):
            client.boolean("button", False, user(f"u{number % 300}"))
            client.track("x", USER)

    threads = [threading.Thread(target=work, args=(first,)) for first in (0, 200, 400)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.flush(5)
    kinds = [event["kind"] for event in server.events]
    assert (kinds.count("exposure"), kinds.count("track")) == (300, 600)


@pytest.mark.parametrize("fault", [Handler.hang, lambda handler: handler.answer(503, Retry_After="60")])
def test_closing_takes_a_second_at_most_and_counts_what_was_lost(
    server: FlagServer, connect: Connect, fault: Any
) -> None:
    client = connect(request_timeout_seconds=10)
    server.fault = fault
    client.track("x", USER)
    began = time.monotonic()
    client.close()
    client.close()
    assert time.monotonic() - began < 1.2
    assert (client.status.queued, client.status.dropped) == (0, 1)
    client.track("x", USER)
    assert client.status.dropped == 2
    assert client.string("colour", "code", {}) == "grey"


def test_closing_sends_what_is_queued(server: FlagServer, connect: Connect) -> None:
    client = connect()
    client.track("x", USER)
    client.close()
    assert len(server.events) == 1


def test_a_forked_child_works_on_its_own(server: FlagServer, connect: Connect) -> None:
    client = connect()
    client.track("parent", USER)
    child = os.fork()
    if child == 0:
        client.track("child", USER)
        server.content = document()
        os._exit(0 if client.flush(5) and client.string("colour", "", {}) == "grey" else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert client.flush(5)
    assert sorted(event["name"] for event in server.events) == ["child", "parent"]


def test_events_fit_their_schemas(server: FlagServer, connect: Connect) -> None:
    schemas = Path(__file__).parents[2] / "spec" / "schemas"
    found = [json.loads(path.read_text()) for path in schemas.glob("*.json")]
    registry: Any = Registry().with_resources((one["$id"], Resource.from_contents(one)) for one in found)
    (events,) = (one for one in found if one["$id"].endswith("events.schema.json"))
    client = connect(exposure_attributes=("country",))
    client.boolean("button", False, USER)
    client.expose(client.peek("button", False, USER), differs=True, at=NOON)
    client.track("purchase", USER, value=1, properties={"a": [1]})
    assert client.flush(5)
    assert len(server.events) == 3
    for batch in server.batches:
        Draft202012Validator(events, registry=registry).validate(batch)
