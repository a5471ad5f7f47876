"""One client in many threads, in forked workers, and on an event loop that must never wait for it."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from connecting import Connect
from flag_server import FlagServer, Handler, document, kill_event, revision_event
from forking import all_well, forked
from small_worlds import clustered, user
from test_streams import until

from equipoise_sdk import Client, Source, SqliteStickyStore
from equipoise_sdk.openfeature import EquipoiseProvider

BLOCKING = ("socket.", "open", "sqlite3.connect", "time.sleep", "subprocess.", "os.fork")
HELD_UP_SECONDS = 0.2  # a request to a server that hangs takes 0.3
_watched: set[int] = set()
_seen: list[str] = []


def _watch(event: str, _arguments: object) -> None:
    if _watched and threading.get_ident() in _watched and event.startswith(BLOCKING):
        _seen.append(event)


sys.addaudithook(_watch)  # it cannot be taken off; it does nothing while nothing is watched


def _profile(_frame: object, event: str, called: object) -> None:
    """See calls on sockets that were open already, which no audit tells of."""
    if event == "c_call" and (
        isinstance(getattr(called, "__self__", None), socket.SocketType) or called in {os.fsync, time.sleep}
    ):
        _seen.append(repr(called))


@contextmanager
def nothing_that_may_block() -> Iterator[None]:
    """Refuse that this thread opens, connects, sends, syncs or sleeps."""
    gc.collect()
    gc.disable()  # what an earlier test left behind may be closed in any thread
    _seen.clear()
    _watched.add(threading.get_ident())
    sys.setprofile(_profile)
    try:
        yield
    finally:
        sys.setprofile(None)
        _watched.clear()
        gc.enable()
    assert _seen == []


def test_workers_forked_from_a_connected_master_work_on_their_own(
    server: FlagServer, connect: Connect
) -> None:
    """As gunicorn does with --preload."""
    server.stream = server.follow
    client = connect(streaming=True, poll_interval_seconds=3600)
    until(lambda: client.status.source is Source.STREAM)
    client.boolean("button", False, user("master"))

    def work(number: int) -> bool:
        for unit in range(50):
            client.boolean("button", False, user(f"w{number}-{unit}"))
        until(lambda: client.status.source is Source.STREAM)
        until(lambda: client.string("colour", "code", {}) == "blue", within=20)
        client.close()
        return client.status.dropped == 0 and client.status.queued == 0

    children = [forked(lambda number=number: work(number)) for number in range(4)]  # type: ignore[misc]
    until(lambda: server.streams_opened == 5, within=20)
    server.content = document(revision=2, value="blue")
    server.tell(revision_event(2))
    assert all_well(children)
    assert client.flush(5)
    units = [event["unit"] for event in server.events]
    assert sorted(units) == sorted(
        ["master", *(f"w{number}-{unit}" for number in range(4) for unit in range(50))]
    )
    assert client.status.source is Source.STREAM


def test_a_fork_amid_busy_threads_leaves_a_working_child(server: FlagServer, connect: Connect) -> None:
    # No answer is so late on a busy machine that a child sends its event again.
    client, stopping = connect(request_timeout_seconds=30.0), threading.Event()

    def work() -> None:
        sys.settrace(None)  # who measures coverage holds a lock at times, and it would stay held in the child
        number = 0
        while not stopping.is_set():
            number += 1
            client.boolean("button", False, user(f"p{number % 5_000}"))
            client.track("x", user("p"))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()

    def child() -> bool:
        client.boolean("button", False, user("child"))
        client.track("child", user("child"))
        return client.flush(10) and client.string("colour", "code", {}) == "grey"

    try:
        for _ in range(5):
            assert all_well([forked(child)])
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    assert [event["name"] for event in server.events if event.get("name") == "child"] == ["child"] * 5


def test_values_change_while_many_threads_evaluate(server: FlagServer, connect: Connect) -> None:
    server.stream = server.follow
    client = connect(streaming=True, poll_interval_seconds=3600)
    until(lambda: client.status.source is Source.STREAM)
    stopping, wrong = threading.Event(), list[object]()

    def work() -> None:
        while not stopping.is_set():
            decision = client.details("colour", "code", user("u1"))
            if decision.value not in {"grey", *(f"v{number}" for number in range(20))}:
                wrong.append(decision)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(20):
        server.content = document(revision=number + 2, value=f"v{number}")
        server.tell(revision_event(number + 2))
        until(lambda number=number: client.status.revision == number + 2)  # type: ignore[misc]
    server.tell(kill_event("flag", "button", 22))
    until(lambda: client.peek("button", True, user("u1")).reason == "DISABLED")
    stopping.set()
    for thread in threads:
        thread.join()
    assert wrong == []


async def _requests(client: Client, count: int) -> int:
    """Handle requests as an application would; return how many held the loop up for long."""
    slow = 0
    for number in range(count):
        began = time.perf_counter()
        context: dict[str, Any] = {**user(f"u{number}", city="berlin"), "overrides": client.preview("p1.x.y")}
        decision = client.details("button", False, context)
        client.expose(client.peek("button", False, context), differs=True)
        client.counterfactual(decision)
        client.peek_all(context)
        client.track("seen", context, value=1.0)
        _ = client.status
        slow += time.perf_counter() - began > HELD_UP_SECONDS
        await asyncio.sleep(0)
    return slow


FAULTS: dict[str, Callable[[Handler], None] | None] = {
    "a server that is well": None,
    "a server that hangs": Handler.hang,
    "a server that refuses": lambda handler: handler.answer(503),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("spooled", [False, True])
def test_no_call_of_a_request_waits_for_the_network_or_opens_a_file(
    server: FlagServer,
    connect: Connect,
    tmp_path: Any,
    fault: Callable[[Handler], None] | None,
    spooled: bool,
) -> None:
    server.content = clustered()
    store = SqliteStickyStore(tmp_path / "clusters") if spooled else None
    settings: dict[str, Any] = {"spool_file": tmp_path / "events", "sticky_store": store} if spooled else {}
    client = connect(cache_directory=tmp_path / "cache", **settings)
    server.fault = fault

    async def application() -> int:
        with nothing_that_may_block():
            return await _requests(client, 300)

    assert asyncio.run(application()) <= 3  # a machine with other work may pause us; a network would always
    if store is not None:
        store.close()


def test_an_event_loop_may_start_and_end_a_client_in_a_thread(server: FlagServer, connect: Connect) -> None:
    async def application() -> tuple[str, int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.01)

        ticking = asyncio.create_task(tick())
        server.fault = Handler.hang
        client = await asyncio.to_thread(connect, start_timeout_seconds=0.3)
        value = client.string("colour", "code", {})
        await asyncio.to_thread(client.close)
        ticking.cancel()
        return value, ticks

    value, ticks = asyncio.run(application())
    assert value == "code"
    assert ticks > 10


def test_openfeature_on_a_loop_waits_for_neither_network_nor_files(
    server: FlagServer, connect: Connect
) -> None:
    provider = EquipoiseProvider(connect())
    server.fault = Handler.hang

    async def application() -> bool:
        with nothing_that_may_block():
            details = await provider.resolve_boolean_details_async("button", False, None)
            provider.track("seen")
        return details.value

    assert asyncio.run(application()) is False


def test_the_watch_sees_what_it_is_for(server: FlagServer, connect: Connect) -> None:
    connection = connect()._connection
    assert connection is not None
    for _ in range(2):  # over a new connection, and over a kept one
        with pytest.raises(AssertionError), nothing_that_may_block():
            connection._transport.snapshot(None)
    with pytest.raises(AssertionError), nothing_that_may_block():
        Path(__file__).read_bytes()
