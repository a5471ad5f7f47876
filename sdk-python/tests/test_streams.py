"""Stream, polling, disk, defaults, and back: changes and kills arrive as soon as the network lets them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from connecting import Connect
from faulty_proxy import FaultyProxy
from flag_server import FlagServer, Handler, document, kill_event, revision_event
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise_sdk import Client, Reason, Source
from equipoise_sdk.frames import BadFrame, Frames, Kill, Revision

HOUR = 3600.0
USER = {"units": {"user": "u1"}}


def until(holds: Callable[[], bool], within: float = 5.0) -> None:
    """Wait until something holds that another thread brings about."""
    deadline, pause = time.monotonic() + within, threading.Event()
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        pause.wait(0.005)


@pytest.fixture
def proxy(server: FlagServer) -> Iterator[FaultyProxy]:
    with FaultyProxy(int(server.url.rpartition(":")[2])) as running:
        yield running


@pytest.fixture
def streamed(server: FlagServer, connect: Connect) -> Callable[..., Client]:
    """Connect with a stream and no polling beside it, and wait until the stream is there."""
    server.stream = server.follow

    def opened(**settings: object) -> Client:
        client = connect(**{"streaming": True, "poll_interval_seconds": HOUR, **settings})
        until(lambda: client.status.source is Source.STREAM)
        return client

    return opened


def test_a_change_arrives_over_the_stream(server: FlagServer, streamed: Callable[..., Client]) -> None:
    client = streamed()
    server.content = document(revision=2, value="blue")
    server.tell(revision_event(2))
    until(lambda: client.string("colour", "code", {}) == "blue")
    assert (client.status.source, client.status.revision) == (Source.STREAM, 2)


def test_heartbeats_keep_the_snapshot_young(streamed: Callable[..., Client]) -> None:
    client = streamed()
    time.sleep(0.3)
    age = client.status.snapshot_age_seconds
    assert age is not None
    assert age < 0.25


KILLS = [("flag", "button"), ("group", "payments"), ("environment", "")]


@pytest.mark.parametrize(("level", "key"), KILLS)
def test_a_kill_holds_before_any_snapshot_and_until_it_is_taken_back(
    server: FlagServer, streamed: Callable[..., Client], level: str, key: str
) -> None:
    flags = document()["flags"]
    flags["button"] |= {"groups": ["payments"], "default": "on", "experiments": []}
    members = {"flags": flags, "groups": {"payments": {}}}
    server.content = document(revision=1, **members)
    client = streamed()
    assert client.boolean("button", False, USER) is True
    server.fault = lambda handler: handler.answer(503)
    server.tell(kill_event(level, key, 2), revision_event(2))
    until(lambda: client.boolean("button", True, USER) is False)
    assert client.details("button", True, USER).reason is Reason.DISABLED
    server.content, server.fault = document(revision=3, **members), None
    server.tell(revision_event(3))
    until(lambda: client.boolean("button", False, USER) is True)
    assert client.status.revision == 3


def test_a_killed_experiment_gives_control_without_an_exposure(
    server: FlagServer, streamed: Callable[..., Client]
) -> None:
    client = streamed()
    assert client.peek("button", False, USER).enrolment is not None
    server.tell(kill_event("experiment", "trial", 2))
    until(lambda: client.peek("button", False, USER).enrolment is None)
    assert client.boolean("button", True, USER) is False


def test_a_kill_outlives_a_snapshot_of_before_it(server: FlagServer, streamed: Callable[..., Client]) -> None:
    client = streamed()
    server.tell(kill_event("flag", "button", 3))
    until(lambda: client.peek("button", True, USER).reason is Reason.DISABLED)
    server.content = document(revision=2)
    server.tell(revision_event(2))
    until(lambda: client.status.revision == 2)
    assert client.peek("button", True, USER).reason is Reason.DISABLED


def test_a_kill_of_the_past_or_of_the_unknown_changes_nothing(
    server: FlagServer, streamed: Callable[..., Client]
) -> None:
    client = streamed()
    server.content = document(revision=2, value="blue")
    server.tell(kill_event("flag", "colour", 1), kill_event("flag", "nothing", 2), revision_event(2))
    until(lambda: client.string("colour", "code", {}) == "blue")


@pytest.mark.parametrize("fault", ["freeze", "cut"])
def test_a_lost_stream_is_noticed_polled_for_and_found_again(
    server: FlagServer, streamed: Callable[..., Client], proxy: FaultyProxy, fault: str
) -> None:
    client = streamed(server_url=proxy.url, poll_interval_seconds=0.02, stream_silence_seconds=0.2)
    if fault == "cut":
        proxy.cut()
    proxy.mode = fault
    until(lambda: client.status.source is Source.POLL)
    assert "stream" in (client.status.last_error or "")
    server.content = document(revision=2, value="blue")
    until(lambda: client.string("colour", "code", {}) == "blue")
    proxy.mode = "pass"
    until(lambda: client.status.source is Source.STREAM)
    assert client.status.last_error is None


def test_a_proxy_that_buffers_leaves_polling(
    server: FlagServer, connect: Connect, proxy: FaultyProxy
) -> None:
    server.stream, proxy.mode = server.follow, "freeze"
    client = connect(streaming=True, server_url=proxy.url, stream_silence_seconds=0.1)
    until(lambda: server.streams_opened >= 2)
    server.content = document(revision=2, value="blue")
    until(lambda: client.string("colour", "code", {}) == "blue")
    assert client.status.source is Source.POLL


def _says(text: bytes) -> Callable[[Handler], None]:
    def say(handler: Handler) -> None:
        handler.owner.streams_opened += 1
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        handler.wfile.write(text)
        handler.close_connection = True

    return say


HOSTILE = {
    "no JSON": b"event: revision\ndata: {\n\n",
    "a list": b"event: revision\ndata: []\n\n",
    "no number": b'event: revision\ndata: {"epoch":1}\n\n',
    "a number that is true": b'event: revision\ndata: {"epoch":1,"revision":true}\n\n',
    "a kill of nothing": b'event: kill\ndata: {"level":"flag","epoch":1,"revision":2}\n\n',
    "not UTF-8": b"event: \xff\n\n",
    "deep nesting": b"event: revision\ndata: " + b"[" * 60_000 + b"\n\n",
    "an endless line": b"data: " + b"x" * 200_000,
    "an endless event": b"data: xxxxxxxxxxxxxxxx\n" * 10_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_stream_is_left_and_changes_nothing(
    server: FlagServer, connect: Connect, text: bytes
) -> None:
    server.stream = _says(text)
    client = connect(streaming=True)
    until(lambda: server.streams_opened >= 2)
    assert client.string("colour", "code", {}) == "grey"
    server.content = document(revision=2, value="blue")
    until(lambda: client.string("colour", "code", {}) == "blue")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_is_malformed_is_a_bad_frame(text: bytes) -> None:
    with pytest.raises(BadFrame):
        list(Frames().feed(text))


def test_events_of_later_servers_are_ignored() -> None:
    text = b'event: news\ndata: {\n\nevent: kill\ndata: {"level":"planet","epoch":1,"revision":2}\n\n'
    assert list(Frames().feed(text)) == []


@settings(deadline=None)
@given(st.lists(st.integers(0, 200), max_size=8), st.sampled_from(["\n", "\r\n", "\r"]))
def test_events_are_the_same_however_their_bytes_are_cut(cuts: list[int], line_end: str) -> None:
    text = revision_event(7) + ": beat\n\nretry: 1500\n\n" + kill_event("flag", "a", 8) + ": beat\n\n"
    content = text.replace("\n", line_end).encode() + b"x"
    frames, found = Frames(), []
    edges = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    for start, end in pairwise(edges):
        found += list(frames.feed(content[start:end]))
    assert found == [Revision((1, 7)), Kill("flag", "a", (1, 8))]
    assert frames.retry_seconds == 1.5


@pytest.mark.parametrize("mode", ["pass", "freeze"])
def test_closing_leaves_no_thread_behind(
    streamed: Callable[..., Client], proxy: FaultyProxy, mode: str
) -> None:
    before = set(threading.enumerate())
    client = streamed(server_url=proxy.url)
    own = [t for t in set(threading.enumerate()) - before if t.name.startswith("equipoise-")]
    assert len(own) == 3
    proxy.mode = mode
    began = time.monotonic()
    client.close()
    assert time.monotonic() - began < 1.0
    assert not any(thread.is_alive() for thread in own)


def test_a_forked_child_has_a_stream_of_its_own(server: FlagServer, streamed: Callable[..., Client]) -> None:
    client = streamed()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            until(lambda: client.status.source is Source.STREAM)
            os.write(writing, b"up")
            until(lambda: client.string("colour", "code", {}) == "blue")
            os.write(writing, b"ok")
        finally:
            os._exit(0)
    os.close(writing)
    assert os.read(reading, 2) == b"up"
    server.content = document(revision=2, value="blue")
    server.tell(revision_event(2))
    assert os.read(reading, 2) == b"ok"
    os.waitpid(child, 0)
    os.close(reading)
    until(lambda: client.string("colour", "code", {}) == "blue")
    assert client.status.source is Source.STREAM
    assert server.streams_opened == 2
