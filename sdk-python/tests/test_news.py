"""Whoever subscribes hears which flags changed, and when the server cannot be asked."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from connecting import Connect
from flag_server import FlagServer, Json, document, kill_event
from hypothesis import given, settings
from hypothesis import strategies as st
from test_streams import until

from equipoise_engine import compile_snapshot
from equipoise_sdk import Event, Source, Turn
from equipoise_sdk.changes import flags_changed


def test_a_change_names_its_flags(server: FlagServer, connect: Connect) -> None:
    heard: list[Event] = []
    client = connect()
    leave = client.subscribe(heard.append)
    server.content = document(revision=2, value="blue")
    until(lambda: heard == [Event(Turn.CHANGED, ("colour",))])
    server.content = document(revision=3, value="blue")
    until(lambda: client.status.revision == 3)
    assert len(heard) == 1
    leave()
    server.content = document(revision=4, value="red")
    until(lambda: client.status.revision == 4)
    assert len(heard) == 1


def test_a_kill_in_the_stream_is_a_change(server: FlagServer, connect: Connect) -> None:
    server.stream = server.follow
    heard: list[Event] = []
    client = connect(streaming=True, poll_interval_seconds=3600)
    client.subscribe(heard.append)
    until(lambda: client.status.source is Source.STREAM)
    server.fault = lambda handler: handler.answer(503)
    server.tell(kill_event("experiment", "trial", 2))
    until(lambda: Event(Turn.CHANGED, ("button",)) in heard)


def test_a_server_that_cannot_be_asked_is_told_once_and_its_return_too(
    server: FlagServer, connect: Connect
) -> None:
    heard: list[Event] = []
    client = connect()
    client.subscribe(heard.append)
    server.fault = lambda handler: handler.answer(503)
    server.wait_for(4)
    server.fault = None
    server.wait_for(3)
    assert [event.turn for event in heard] == [Turn.STALE, Turn.FRESH]
    assert "503" in (heard[0].message or "")


def test_a_listener_that_fails_harms_nobody(
    server: FlagServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Event] = []
    client = connect()
    client.subscribe(lambda _event: 1 / 0)  # type: ignore[arg-type, return-value]
    client.subscribe(heard.append)
    server.content = document(revision=2, value="blue")
    until(lambda: bool(heard))
    assert client.string("colour", "code", {}) == "blue"
    assert "a listener failed" in caplog.text


WORLD: Json = {
    **document(),
    "segments": {"near": {"segment": "far"}, "far": {"attribute": "x", "operator": "is_set"}},
    "groups": {"payments": {}},
    "holdouts": {"winter": {"season": 1, "salt": "s", "unit_type": "user", "parts_per_million": 1}},
}
WORLD["flags"] = {
    **WORLD["flags"],
    "ruled": {"rules": [{"eligibility": {"segment": "near"}}]},
    "grouped": {"groups": ["payments"]},
    "held": {"holdouts": [{"holdout": "winter"}]},
    "waiting": {"prerequisites": [{"flag": "held", "variants": ["on"]}]},
}
CHANGES: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "a segment behind another": (("segments", "far", "attribute"), {"ruled"}),
    "a group": (("groups", "payments", "killed"), {"grouped"}),
    "a holdout": (("holdouts", "winter", "salt"), {"held", "waiting"}),
    "a layer": (("layers", "own", "salt"), {"button"}),
    "an experiment": (("experiments", "trial", "state"), {"button"}),
    "a flag": (("flags", "colour", "off"), {"colour"}),
    "the environment": (("killed",), set(WORLD["flags"])),
    "a restored backup": (("epoch",), set(WORLD["flags"])),
    "the revision alone": (("revision",), set()),
}


@pytest.mark.parametrize(("path", "expected"), CHANGES.values(), ids=CHANGES)
def test_a_change_reaches_every_flag_that_depends_on_it(path: tuple[str, ...], expected: set[str]) -> None:
    after: Any = copy.deepcopy(WORLD)
    node = after
    for member in path[:-1]:
        node = node[member]
    node[path[-1]] = "other"
    assert set(flags_changed(WORLD, after)) == expected


def test_flags_that_come_and_go_have_changed() -> None:
    after = {**WORLD, "flags": {key: flag for key, flag in WORLD["flags"].items() if key != "colour"}}
    assert flags_changed(WORLD, after) == flags_changed(after, WORLD) == ("colour",)
    assert set(flags_changed({}, WORLD)) == set(WORLD["flags"])


@settings(deadline=None)  # a machine may have other work
@given(parts=st.integers(0, 10_000), weight=st.integers(0, 3), on=st.sampled_from(["on", "off"]))
def test_a_flag_that_answers_otherwise_is_named(parts: int, weight: int, on: str) -> None:
    before, after = document(), copy.deepcopy(document())
    after["experiments"]["trial"]["slots"] = [[0, parts]]
    after["experiments"]["trial"]["variants"][0]["weight"] = weight
    after["flags"]["button"]["default"] = on
    del after["hash"]
    old, new = compile_snapshot(before), compile_snapshot(after)
    named = flags_changed(before, after)
    for number in range(20):
        context = {"units": {"user": f"u{number}"}}
        for key in old.flag_keys:
            if old.evaluate(key, context, None).value != new.evaluate(key, context, None).value:
                assert key in named
