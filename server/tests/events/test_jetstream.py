"""The inbox that several machines share: what JetStream acknowledged is stored once; its absence is said."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from nats_process import NatsProcess
from server_process import eventually
from wire import NOON, SHOP, a_body, a_track

from equipoise_server.events import actions, places, reads
from equipoise_server.events.collecting import collect, shared_address
from equipoise_server.events.inbox import Batch
from equipoise_server.events.jetstream import JetStreamInbox, payloads, told
from equipoise_server.events.models import InboxWatermark
from equipoise_server.events.validation import judge
from equipoise_server.events.values import InboxClosed, InboxFull, StorageFailed

pytestmark = pytest.mark.django_db


@pytest.fixture
def nats(tmp_path: Path, settings: pytest.FixtureRequest) -> Iterator[NatsProcess]:
    server = NatsProcess(tmp_path / "nats")
    server.start()
    settings.NATS_URL, settings.NATS_SYNCS = server.url, True
    yield server
    server.kill()


@pytest.fixture
def inbox(nats: NatsProcess) -> Iterator[JetStreamInbox]:
    address = shared_address()
    assert address is not None
    inbox = JetStreamInbox(address)
    inbox.start()
    assert eventually(lambda: takes(inbox))
    yield inbox
    inbox.close()


def a_batch(events: int = 1) -> Batch:
    judged = judge(a_body(*[a_track() for _ in range(events)], {"not": "an event"}))
    return Batch(SHOP, NOON, NOON, False, judged.good, judged.good_count, judged.refused)


def nothing() -> Batch:
    return Batch(SHOP, NOON, NOON, False, b"[]", 0, ())


def takes(inbox: JetStreamInbox) -> bool:
    try:
        inbox.submit(nothing()).result(10)
    except StorageFailed:
        return False
    return True


def fill(inbox: JetStreamInbox) -> None:
    for _ in range(50):
        inbox.submit(a_batch(5)).result(10)


def test_what_was_acknowledged_is_stored_once_and_then_leaves_the_stream(inbox: JetStreamInbox) -> None:
    for _ in range(5):
        inbox.submit(a_batch(3)).result(10)
    actions.compact(now=NOON)
    actions.compact(now=NOON)
    quality = reads.data_quality(SHOP)
    assert (quality.stored, quality.quarantined, quality.waiting, quality.duplicates) == (15, 5, 0, 0)
    assert len(reads.refused_events(SHOP)) == 5
    inbox.submit(a_batch(2)).result(10)
    actions.compact(now=NOON)
    assert reads.data_quality(SHOP).stored == 17


def test_a_copy_that_is_lost_is_fetched_again(inbox: JetStreamInbox) -> None:
    inbox.submit(a_batch(3)).result(10)
    collect(now=NOON)
    (copy,) = places.inbox_directory().glob("nats-*.sqlite3")
    for path in places.inbox_directory().glob("nats-*"):
        path.unlink()
    actions.compact(now=NOON)
    assert reads.data_quality(SHOP).stored == 3
    assert InboxWatermark.objects.get().inbox == copy.stem


def test_messages_that_come_again_after_they_were_stored_are_not_taken_again(
    inbox: JetStreamInbox,
) -> None:
    inbox.submit(a_batch(3)).result(10)
    actions.compact(now=NOON)
    for path in places.inbox_directory().glob("nats-*"):
        path.unlink()  # and the stream still has them: it is told in the next round
    actions.compact(now=NOON)
    quality = reads.data_quality(SHOP)
    assert (quality.stored, quality.duplicates) == (3, 0)


def test_while_nats_is_away_batches_are_refused_and_later_ones_are_taken(
    inbox: JetStreamInbox, nats: NatsProcess, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.submit(a_batch(3)).result(10)
    nats.kill()
    with pytest.raises(StorageFailed, match="NATS") as refused:
        inbox.submit(a_batch(1)).result(20)
    assert not refused.value.is_full
    actions.compact(now=NOON)
    assert "cannot be fetched" in caplog.text
    nats.start()
    assert eventually(lambda: takes(inbox))
    actions.compact(now=NOON)
    assert reads.data_quality(SHOP).stored == 3


def test_a_full_stream_refuses_and_keeps_what_it_has(nats: NatsProcess) -> None:
    address = shared_address()
    assert address is not None
    inbox = JetStreamInbox(replace(address, stream="SMALL", largest_bytes=2000))
    inbox.start()
    assert eventually(lambda: takes(inbox))
    with pytest.raises(StorageFailed) as refused:
        fill(inbox)
    assert refused.value.is_full
    inbox.close()
    with pytest.raises(InboxClosed):
        inbox.submit(nothing())


def test_a_stream_that_would_drop_events_is_not_used(
    nats: NatsProcess, caplog: pytest.LogCaptureFixture
) -> None:
    import asyncio  # noqa: PLC0415

    import nats as library  # noqa: PLC0415

    async def make() -> None:
        client = await library.connect(nats.url)
        await client.jetstream().add_stream(name="EQUIPOISE", subjects=["EQUIPOISE.>"])
        await client.close()

    asyncio.run(make())
    address = shared_address()
    assert address is not None
    inbox = JetStreamInbox(address)
    inbox.start()
    assert eventually(lambda: "discard=new" in caplog.text)
    assert not takes(inbox)
    inbox.close()


@pytest.mark.parametrize(("syncs", "is_loud"), [(True, False), (False, True)])
def test_a_stream_that_may_lose_events_is_told_of_at_the_start(
    nats: NatsProcess, caplog: pytest.LogCaptureFixture, syncs: bool, is_loud: bool
) -> None:
    address = shared_address()
    assert address is not None
    with caplog.at_level(logging.INFO, "equipoise_server.events.jetstream"):
        inbox = JetStreamInbox(replace(address, syncs=syncs))
        inbox.start()
        assert eventually(lambda: "DURABLE" in caplog.text or "are kept in the stream" in caplog.text)
        inbox.close()
    assert ("NOT DURABLE" in caplog.text) is is_loud


def test_too_much_at_once_is_refused_at_once(nats: NatsProcess) -> None:
    address = shared_address()
    assert address is not None
    inbox = JetStreamInbox(address, largest_queue_bytes=100)
    inbox.start()
    with pytest.raises(InboxFull):
        inbox.submit(a_batch())
    inbox.close()


def test_many_refused_events_are_sent_in_several_messages() -> None:
    judged = judge(a_body(a_track(), *[{"not": f"an event {number}" * 50} for number in range(99)]))
    batch = Batch(SHOP, NOON, NOON, False, judged.good, judged.good_count, judged.refused)
    sent = payloads(batch, 900)
    assert len(sent) > 1
    assert max(map(len, sent)) <= 900
    assert len(payloads(batch, 10**6)) == 1


def test_a_password_in_the_address_is_never_told() -> None:
    assert told("nats://ada:secret@one:4222,tls://two:4222") == "one:4222,tls://two:4222"
