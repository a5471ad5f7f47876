"""Events that wait on disk survive the process, are sent once, and never outgrow their file."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from connecting import Connect
from flag_server import FlagServer, Handler, Json
from forking import all_well, forked
from small_worlds import user
from test_streams import until

from equipoise_sdk import Client, Drop
from equipoise_sdk.spool import CLAIM_SECONDS, Spool

USER = user("u1")


def away(server: FlagServer) -> None:
    server.fault = lambda handler: handler.answer(503, Retry_After="0")


@pytest.fixture
def spooled(connect: Connect, tmp_path: Path) -> Callable[..., Client]:
    return lambda **settings: connect(spool_file=tmp_path / "shop" / "events", **settings)


def on_disk(tmp_path: Path) -> int:
    return Spool(tmp_path / "shop" / "events", size=1, now=lambda: 0.0).count()


def test_events_arrive_by_way_of_the_disk(
    server: FlagServer, spooled: Callable[..., Client], tmp_path: Path
) -> None:
    client = spooled()
    for number in range(700):
        client.track("x", USER, value=number)
        client.boolean("button", False, user(f"u{number}"))
    assert client.flush(10)
    assert len({event["id"] for event in server.events}) == len(server.events) == 1_400
    assert [event["value"] for event in server.events if event["kind"] == "track"] == list(range(700))
    assert (client.status.queued, client.status.dropped, on_disk(tmp_path)) == (0, 0, 0)


def test_what_was_not_sent_is_sent_by_the_next_process(
    server: FlagServer, spooled: Callable[..., Client]
) -> None:
    first = spooled()
    away(server)
    for number in range(20):
        first.track("x", USER, value=number)
    first.close()
    assert (first.status.queued, first.status.dropped) == (20, 0)
    server.requests.clear()
    server.fault = None
    later = spooled()
    assert later.flush(5)
    assert [event["value"] for event in server.events] == list(range(20))


CRASHES = """
import os, signal, sys, threading
import equipoise_sdk
from equipoise_sdk.spool import Spool
settings = {"cache_directory": None, "spool_file": sys.argv[2], "streaming": False}
client = equipoise_sdk.connect(sys.argv[1], "k", **settings)
for number in range(50):
    client.track("x", {"units": {"user": "u1"}}, value=number)
spool, pause = Spool(sys.argv[2], size=1, now=lambda: 0.0), threading.Event()
while spool.count() < 50:
    pause.wait(0.01)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_events_survive_a_killed_process(
    server: FlagServer, spooled: Callable[..., Client], tmp_path: Path
) -> None:
    server.fault = Handler.hang
    path = tmp_path / "shop" / "events"
    died = subprocess.run([sys.executable, "-c", CRASHES, server.url, str(path)], check=False, timeout=30)
    assert died.returncode == -signal.SIGKILL
    # The dead process may have been sending a batch: others take it over after a while.
    with sqlite3.connect(path) as file:
        file.execute("UPDATE events SET claimed_until = 0")
    file.close()
    server.fault = None
    server.release.set()
    client = spooled()
    assert client.flush(10)
    assert {event["value"] for event in server.events} == set(range(50))


def test_processes_of_one_file_send_each_event_once(
    server: FlagServer, spooled: Callable[..., Client], tmp_path: Path
) -> None:
    client = spooled()

    def work(child: int) -> bool:
        for number in range(100):
            client.track(f"child-{child}", USER, value=number)
        return client.flush(20)

    children = [forked(lambda child=child: work(child)) for child in range(3)]  # type: ignore[misc]
    for number in range(100):
        client.track("parent", USER, value=number)
    assert all_well(children)
    assert client.flush(10)
    assert len({event["id"] for event in server.events}) == len(server.events) == 400


def test_a_full_file_gives_up_its_oldest_tracks_first(
    server: FlagServer, spooled: Callable[..., Client]
) -> None:
    client = spooled(spool_size=10)
    away(server)
    for number in range(12):
        client.track("x", USER, value=number)
    until(lambda: client.status.drops == {Drop.QUEUE_FULL: 2})
    # While the sender holds a claim its tracks stay; it gives the claim up before each attempt.
    for number in range(5):
        client.boolean("button", False, user(f"u{number}"))
    until(lambda: client.status.dropped == 7)
    assert client.status.queued == 10


@pytest.fixture
def clock() -> list[float]:
    return [1_000.0]


@pytest.fixture
def spool(tmp_path: Path, clock: list[float]) -> Spool:
    return Spool(tmp_path / "events", size=5, now=lambda: clock[0])


def test_exposures_leave_before_tracks_and_are_dropped_last(spool: Spool) -> None:
    assert spool.store([(True, b"t1"), (False, b"e1"), (True, b"t2")]) == 0
    assert spool.store([(False, b"e2"), (False, b"e3"), (False, b"e4")]) == 1
    assert [event for _, event in spool.claim()] == [b"e1", b"e2", b"e3", b"e4", b"t2"]
    assert spool.store([(False, b"e5")]) == 1
    assert spool.count() == 5


def test_a_claim_is_kept_until_it_is_settled_released_or_too_old(spool: Spool, clock: list[float]) -> None:
    spool.store([(True, b"a"), (True, b"b")])
    claimed = spool.claim()
    assert spool.claim() == []
    spool.settle([claimed[0][0]])
    spool.release([claimed[1][0]])
    assert [event for _, event in spool.claim()] == [b"b"]
    clock[0] += CLAIM_SECONDS
    assert [event for _, event in spool.claim()] == [b"b"]
    clock[0] -= 1_000  # a clock that was set back does not hold anything up
    assert [event for _, event in spool.claim()] == [b"b"]


def test_a_batch_fits_into_a_request(spool: Spool) -> None:
    spool.store([(True, bytes(500_000)), (True, bytes(300_000)), (True, bytes(300_000))])
    assert [len(event) for _, event in spool.claim()] == [500_000, 300_000]


def test_a_disk_that_refuses_leaves_events_in_memory(
    server: FlagServer, connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    client = connect(spool_file=blocked / "events")
    client.track("x", USER)
    client.boolean("button", False, USER)
    assert client.flush(10)
    assert sorted(event["kind"] for event in server.events) == ["exposure", "track"]
    assert len(caplog.records) == 1
    assert "on disk" in (client.status.last_error or "")
    away(server)
    client.track("y", USER)
    client.close()
    assert client.status.drops == {Drop.CLOSED: 1}


def test_a_file_that_is_no_database_is_no_trouble_either(
    server: FlagServer, connect: Connect, tmp_path: Path
) -> None:
    path = tmp_path / "events"
    path.write_bytes(b"anything but a database" * 100)
    client = connect(spool_file=path)
    client.track("x", USER)
    assert client.flush(10)
    assert [event["name"] for event in server.events] == ["x"]


@pytest.mark.parametrize(("answer", "drops"), [(400, {Drop.REFUSED: 1}), (413, {Drop.REFUSED: 1}), (200, {})])
def test_what_is_settled_leaves_the_disk(
    server: FlagServer, spooled: Callable[..., Client], tmp_path: Path, answer: int, drops: Any
) -> None:
    server.fault = lambda handler: handler.answer(answer, b'{"quarantined":[]}')
    client = spooled(poll_interval_seconds=60)
    client.track("x", USER)
    assert client.flush(5)
    assert (client.status.drops, on_disk(tmp_path)) == (drops, 0)


def test_batches_from_disk_are_halved_when_they_are_too_large(
    server: FlagServer, spooled: Callable[..., Client]
) -> None:
    taken: list[Json] = []

    def refuse_large(handler: Handler) -> None:
        events = server.batches[-1]["events"] if handler.command == "POST" else []
        if len(events) > 3:
            handler.answer(413)
            return
        taken.extend(events)
        handler.answer(200, b'{"quarantined":[]}')

    client = spooled(poll_interval_seconds=60)
    server.fault = refuse_large
    for number in range(20):
        client.track("x", USER, value=number)
    assert client.flush(5)
    assert [event["value"] for event in taken] == list(range(20))


def test_closing_takes_a_second_at_most(server: FlagServer, spooled: Callable[..., Client]) -> None:
    client = spooled(request_timeout_seconds=10)
    server.fault = Handler.hang
    client.track("x", USER)
    client.close()
    client.track("y", USER)
    assert client.status.drops == {Drop.CLOSED: 1}
