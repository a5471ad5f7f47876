"""GET /v1/stream: who may listen, what is told, and how a stream ends."""

from __future__ import annotations

import asyncio
import json
import queue
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import heappop, heappush
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenes import a_shop
from starlette.routing import Route
from starlette.types import ASGIApp
from streaming import Reader, opened

from equipoise_sdk.listening import LONGEST_WAIT_SECONDS
from equipoise_sdk.retries import BackOff
from equipoise_server.access.secrets import digest
from equipoise_server.access.values import KeyKind, SdkKey, WorkingKey
from equipoise_server.edge.admission import Admission, room_for_streams
from equipoise_server.edge.answers import Refused
from equipoise_server.edge.app import build
from equipoise_server.edge.broadcaster import Broadcaster, Stream
from equipoise_server.edge.frames import HEARTBEAT, Kill, kills_of
from equipoise_server.edge.polling import Poller
from equipoise_server.edge.state import EdgeState, View, servable
from equipoise_server.edge.streams import StreamDoor, Streams
from equipoise_server.foundation import revisions
from equipoise_server.foundation.revisions import Revision
from equipoise_server.snapshots.values import KeptSnapshot

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SHOP = UUID(int=1)
SERVER, CLIENT = "eq_server_aa_1", "eq_client_bb_2"


def a_key(secret: str, kind: KeyKind = KeyKind.SERVER) -> tuple[str, WorkingKey]:
    """A key of the shop, by its prefix."""
    prefix = secret.rpartition("_")[0]
    key = SdkKey(uuid4(), SHOP, kind, "tests", prefix, NOW, None, None)
    return prefix, WorkingKey(key, digest(secret))


KEYS = dict([a_key(SERVER), a_key(CLIENT, KeyKind.CLIENT)])


@dataclass(slots=True)
class Scene:
    """A door whose view the test sets, as the poller would."""

    state: EdgeState = field(default_factory=EdgeState)
    limit: int = 10
    per_second: float = 100.0
    heartbeat_seconds: float = 60.0
    stuck_after_seconds: float = 60.0
    broadcaster: Broadcaster = field(init=False)
    app: ASGIApp = field(init=False)

    def __post_init__(self) -> None:
        self.show(1)
        self.broadcaster = Broadcaster(
            self.state,
            jitter=lambda: 0.5,
            heartbeat_seconds=self.heartbeat_seconds,
            stuck_after_seconds=self.stuck_after_seconds,
        )
        room = Admission(self.limit, self.per_second, clock=self.state.clock, jitter=lambda: 0.5)
        self.app = build(
            self.state,
            [Route("/v1/stream", StreamDoor(self.state, Streams(self.state, self.broadcaster, room)))],
        )

    def show(self, number: int, *, keys: dict[str, WorkingKey] | None = None, **members: object) -> None:
        """Swap in a view with another revision of the shop."""
        body = json.dumps(members).encode()
        kept = KeptSnapshot(SHOP, Revision(1, number), NOW, f"hash{number}", body)
        self.state.swap(View(KEYS if keys is None else keys, {SHOP: servable(kept)}, 0.0))

    def reader(self, secret: str = SERVER, *, is_stuck: bool = False, **headers: str) -> Reader:
        """Open a stream."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"authorization": f"Bearer {secret}", **named}
        return opened(self.app, "/v1/stream", sent, is_stuck=is_stuck)


def play(scene: Scene, plot: Callable[[Scene], Awaitable[None]]) -> None:
    """Run a plot in a loop of its own, with the broadcaster alive."""

    async def whole() -> None:
        async with scene.broadcaster:
            await plot(scene)

    asyncio.run(whole())


def test_a_reader_learns_the_revision_at_once_and_every_later_one() -> None:
    async def plot(scene: Scene) -> None:
        reader = scene.reader()
        await reader.until(lambda: len(reader.events) == 1)
        scene.show(2)
        await reader.until(lambda: len(reader.events) == 2)
        assert reader.events == [
            ("revision", {"epoch": 1, "revision": 1}),
            ("revision", {"epoch": 1, "revision": 2}),
        ]
        assert "id: 1.2\n" in reader.text
        assert reader.headers["content-type"] == "text/event-stream"
        assert (reader.headers["cache-control"], reader.headers["x-accel-buffering"]) == ("no-store", "no")

    play(Scene(), plot)


def test_a_kill_is_told_before_its_revision_with_what_it_kills() -> None:
    async def plot(scene: Scene) -> None:
        reader = scene.reader()
        await reader.until(lambda: len(reader.events) == 1)
        scene.show(2, flags={"banner": {"killed": True}, "other": {"killed": False}})
        await reader.until(lambda: len(reader.events) == 3)
        assert reader.events[1:] == [
            ("kill", {"level": "flag", "flag": "banner", "epoch": 1, "revision": 2}),
            ("revision", {"epoch": 1, "revision": 2}),
        ]
        scene.show(3, flags={"banner": {"killed": True}}, killed=True)
        await reader.until(lambda: len(reader.events) == 5)
        assert reader.events[3] == ("kill", {"level": "environment", "epoch": 1, "revision": 3})

    play(Scene(), plot)


def test_who_comes_back_with_the_current_revision_is_told_nothing_twice() -> None:
    async def plot(scene: Scene) -> None:
        same, behind = scene.reader(last_event_id="1.1"), scene.reader(last_event_id="1.0")
        await behind.until(lambda: len(behind.events) == 1)
        assert same.events == []
        assert "retry: 5500\n" in same.text

    play(Scene(), plot)


def test_only_server_keys_may_listen() -> None:
    async def plot(scene: Scene) -> None:
        for secret, status in ((CLIENT, 403), ("eq_server_aa_9", 401)):
            reader = scene.reader(secret)
            await reader.ended()
            assert reader.status == status

    play(Scene(), plot)


def test_a_revoked_key_ends_its_streams_and_no_other() -> None:
    async def plot(scene: Scene) -> None:
        other = "eq_server_cc_3"
        scene.show(1, keys=KEYS | dict([a_key(other)]))
        lost, kept = scene.reader(other), scene.reader()
        await lost.until(lambda: len(lost.events) == 1)
        scene.show(1)
        await lost.ended()
        assert kept.task is not None
        assert not kept.task.done()
        assert lost.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}

    play(Scene(), plot)


def test_what_ends_is_told_to_come_back_at_a_time_of_its_own() -> None:
    async def plot(scene: Scene) -> None:
        reader = scene.reader()
        await reader.until(lambda: len(reader.events) == 1)
        scene.broadcaster.drain()
        await reader.ended()
        assert reader.text.endswith("retry: 5500\n\n")
        late = scene.reader()
        await late.ended()
        assert (late.status, late.headers["retry-after"]) == (503, "1")

    play(Scene(), plot)


def test_more_streams_than_there_is_room_for_are_asked_to_come_back() -> None:
    async def plot(scene: Scene) -> None:
        first = scene.reader()
        await first.until(lambda: bool(first.events))
        second = scene.reader()
        await second.ended()
        assert (second.status, second.headers["retry-after"]) == (503, "35")
        first.leave()
        await first.ended()
        third = scene.reader()
        await third.until(lambda: bool(third.events))

    play(Scene(limit=1), plot)


def test_streams_that_begin_all_at_once_are_spread() -> None:
    clock = [0.0]
    room = Admission(1000, 2.0, clock=lambda: clock[0], jitter=lambda: 0.999)
    room.admit(0)
    room.admit(1)
    with pytest.raises(Refused) as refusal:
        room.admit(2)
    assert refusal.value.headers == {"retry-after": "9"}
    clock[0] += 0.5
    room.admit(2)


def test_a_silent_stream_carries_heartbeats() -> None:
    async def plot(scene: Scene) -> None:
        reader = scene.reader()
        await reader.until(lambda: reader.text.count(HEARTBEAT.decode()) == 2)

    play(Scene(heartbeat_seconds=0.01), plot)


def test_a_reader_that_stopped_reading_is_dropped_and_holds_nobody_up() -> None:
    async def plot(scene: Scene) -> None:
        stuck, quick = scene.reader(), scene.reader()
        await stuck.until(lambda: len(stuck.events) == 1)
        stuck.is_stuck = True
        scene.show(2)
        await quick.until(lambda: len(quick.events) == 2)
        await stuck.ended()
        assert scene.broadcaster.open_streams == 1
        assert len(stuck.events) == 1

    play(Scene(heartbeat_seconds=0.02, stuck_after_seconds=0.05), plot)


def test_a_reader_who_leaves_is_forgotten() -> None:
    async def plot(scene: Scene) -> None:
        reader = scene.reader()
        await reader.until(lambda: bool(reader.events))
        reader.leave()
        await reader.ended()
        assert scene.broadcaster.open_streams == 0

    play(Scene(), plot)


def test_a_slow_reader_gets_the_newest_revision_and_not_every_one() -> None:
    async def plot() -> None:
        stream = Stream(SHOP, "eq")
        for frame in (b"1", b"2", b"3"):
            stream.offer(frame)
        stream.beat()
        assert await stream.next() == b"3"
        stream.beat()
        assert await stream.next() == HEARTBEAT
        stream.end(b"bye")
        assert [await stream.next(), await stream.next()] == [b"bye", b""]

    asyncio.run(plot())


@given(st.sets(st.sampled_from("abc")), st.sets(st.sampled_from("abc")), st.booleans())
def test_the_kills_of_a_document_are_its_killed_members(
    flags: set[str], groups: set[str], environment: bool
) -> None:
    document = {
        "killed": environment,
        "flags": {key: {"killed": key in flags} for key in "abc"},
        "groups": {key: {"killed": key in groups} for key in "abc"},
    }
    expected = {Kill("flag", key) for key in flags} | {Kill("group", key) for key in groups}
    assert kills_of(document) == expected | ({Kill("environment")} if environment else set())


def test_a_process_promises_no_more_streams_than_it_may_open_files() -> None:
    assert room_for_streams(5) == 5
    assert 1 <= room_for_streams(10**9) < 10**9


@pytest.mark.django_db
def test_a_commit_begins_a_round_at_once(
    django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[object]],
) -> None:
    rounds: queue.Queue[EdgeState] = queue.Queue()
    poller = Poller(EdgeState(), poll_seconds=3600, refresh=rounds.put)
    poller.start()
    end = revisions.subscribe(poller.wake)
    rounds.get(timeout=5)
    with django_capture_on_commit_callbacks(execute=True):
        a_shop()
    rounds.get(timeout=5)
    end()
    poller.stop()


class VirtualTime:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def test_two_thousand_streams_come_back_without_a_herd_after_a_crash() -> None:
    """The server's hints and admission against the SDK's patience, in virtual time; down for 4 seconds."""
    drawn, clock, down_seconds = random.Random(7), VirtualTime(), 4.0
    hints = Broadcaster(EdgeState(clock), jitter=drawn.random)
    room = Admission(10_000, 250.0, clock=clock, jitter=drawn.random)
    back_offs = [BackOff(drawn.random, longest_seconds=LONGEST_WAIT_SECONDS) for _ in range(2_000)]
    knocks: list[tuple[float, int]] = []
    for client, back_off in enumerate(back_offs):
        hint = int(hints.retry_hint().split()[1]) / 1000  # told when the stream began
        heappush(knocks, (back_off.failed(hint), client))
    returned, asked = [], Counter[int]()
    while knocks:
        clock.now, client = heappop(knocks)
        if clock.now < down_seconds:
            heappush(knocks, (clock.now + back_offs[client].failed(0.0), client))
            continue
        asked[int(4 * clock.now)] += 1
        try:
            room.admit(len(returned))
        except Refused as refused:
            patience = float(refused.headers["retry-after"])
            heappush(knocks, (clock.now + back_offs[client].failed(patience), client))
        else:
            returned.append(clock.now)
    assert len(returned) == 2_000
    assert max(returned) < 30
    assert max(asked.values()) < 2_000 * 0.15, "nobody rushes in together with the others"
