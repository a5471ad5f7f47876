"""The inbox that several machines share: one message in a stream of NATS JetStream for each batch.

A batch's future is done only after JetStream's acknowledgement. Nothing leaves the stream before the store
holds it: `remove` is called with the watermark that moved in the manifest's own transaction.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec

from equipoise_server.events.inbox import (
    LARGEST_FILE_BYTES,
    LARGEST_QUEUE_BYTES,
    Batch,
    batch_row,
    refused_rows,
)
from equipoise_server.events.values import InboxClosed, InboxFull, StorageFailed

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js import JetStreamContext

VERSION = 1
DURABLE_REPLICAS = 3
LONGEST_ACK_SECONDS = 5.0
READ_AT_ONCE = 64
_HEADROOM_BYTES = 4096
_CLOSING_SECONDS = 0.02
_NO_SPACE = frozenset([10047, 10077])
"""JetStream's codes: no storage left; the stream's maximum bytes are exceeded."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the stream is, what is known of how it keeps, and who asks."""

    url: str
    stream: str = "EQUIPOISE"
    replicas: int = 1
    syncs: bool = False
    credentials: str = ""
    largest_bytes: int = LARGEST_FILE_BYTES


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the stream: rows for a file of an inbox, under the number that the stream gave it."""

    number: int
    batch: Sequence[object]
    refused: Sequence[Sequence[object]]


class JetStreamInbox:
    """Takes batches as `Inbox` does. Stays up while NATS is away, and refuses them meanwhile."""

    def __init__(self, address: Address, *, largest_queue_bytes: int = LARGEST_QUEUE_BYTES) -> None:
        self.address = address
        self._room = largest_queue_bytes
        self._lock = threading.Lock()
        self._under_way: set[Future[None]] = set()
        self._is_closing = False
        self._client: Client | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="nats", daemon=True)

    def start(self) -> None:
        """Begin to connect; raises StorageFailed when that can never succeed."""
        _library()
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._connect(), self._loop)

    def submit(self, batch: Batch) -> Future[None]:
        """Send a batch; the future is done once JetStream has it. Raises InboxFull or InboxClosed at once."""
        size = batch.size
        with self._lock:
            if self._is_closing:
                raise InboxClosed
            if size > self._room:
                raise InboxFull
            self._room -= size
        written = asyncio.run_coroutine_threadsafe(self._publish(batch), self._loop)
        with self._lock:
            self._under_way.add(written)
        written.add_done_callback(lambda done: self._give_back(size, done))
        return written

    def close(self) -> None:
        """Wait for what is under way, and hang up."""
        with self._lock:
            self._is_closing = True
            under_way = list(self._under_way)
        wait(under_way, 2 * LONGEST_ACK_SECONDS)
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result(2 * LONGEST_ACK_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _give_back(self, size: int, done: Future[None]) -> None:
        with self._lock:
            self._room += size
            self._under_way.discard(done)

    async def _connect(self) -> None:
        """Connect however long it takes, and stay connected; then see that the stream is as it must be."""
        while not self._is_closing:
            try:
                self._client = await connect(self.address, for_ever=True)
                found = await make_stream(self._client.jetstream(), self.address)
            except StorageFailed as fault:
                _log.error("events are refused: %s", fault)
                await self._drop_client()
                await asyncio.sleep(LONGEST_ACK_SECONDS)
            else:
                tell_how_durable(found.replicas, self.address)
                return

    async def _drop_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await disconnect(client)

    async def _hang_up(self) -> None:
        await self._drop_client()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _publish(self, batch: Batch) -> None:
        client = self._client
        if client is None or not client.is_connected:
            raise StorageFailed(f"NATS at {told(self.address.url)} cannot be reached", is_full=False)
        subject = f"{self.address.stream}.{batch.environment_id.hex}"
        stream = client.jetstream()
        for payload in payloads(batch, client.max_payload - _HEADROOM_BYTES):
            headers = {"Nats-Msg-Id": uuid4().hex}
            with _as_failures():
                await stream.publish(subject, payload, timeout=LONGEST_ACK_SECONDS, headers=headers)


def payloads(batch: Batch, most: int) -> list[bytes]:
    """What to send for a batch: one message, or several when its refused events are many."""
    rows = [VERSION, batch_row(batch), list(refused_rows([batch]))]
    payload = zlib.compress(msgspec.msgpack.encode(rows), 1)
    if len(payload) <= most or not batch.refused:
        return [payload]
    half = len(batch.refused) // 2
    first = replace(batch, refused=batch.refused[:half])
    rest = replace(batch, refused=batch.refused[half:], good=b"[]", good_count=0, told=None)
    return [*payloads(first, most), *payloads(rest, most)]


async def connect(address: Address, *, for_ever: bool = False) -> Client:
    """A connection; raises StorageFailed when there is none to be had, unless it is to try for ever."""
    nats = _library()

    async def note(fault: Exception) -> None:
        _log.debug("NATS at %s: %s", told(address.url), str(fault) or type(fault).__name__)

    async def note_absence() -> None:
        _log.warning("NATS at %s is away; its events are refused until it is back", told(address.url))

    client: Client = nats.NATS()
    connecting = client.connect(
        address.url.split(","), name="equipoise", error_cb=note, disconnected_cb=note_absence,
        allow_reconnect=for_ever, max_reconnect_attempts=-1 if for_ever else 1, connect_timeout=2,
        reconnect_time_wait=1, ping_interval=5, user_credentials=address.credentials or None,
    )  # fmt: skip
    try:
        with _as_failures():
            await (connecting if for_ever else asyncio.wait_for(connecting, LONGEST_ACK_SECONDS))
    except BaseException:
        await disconnect(client)
        raise
    return client


async def disconnect(client: Client) -> None:
    """Close a connection, and give it the moment it takes to be closed."""
    await client.close()
    await asyncio.sleep(_CLOSING_SECONDS)


@dataclass(frozen=True, slots=True)
class Found:
    """What is there: when the stream was made, as text, and how often it is kept."""

    made: str
    replicas: int


async def make_stream(stream: JetStreamContext, address: Address) -> Found:
    """Make the stream, or see that it keeps what it is given. Raises StorageFailed when it does not."""
    from nats.js import api, errors  # noqa: PLC0415  # installed only where NATS is used

    wanted = api.StreamConfig(
        name=address.stream, subjects=[f"{address.stream}.>"], retention=api.RetentionPolicy.LIMITS,
        storage=api.StorageType.FILE, discard=api.DiscardPolicy.NEW, num_replicas=address.replicas,
        max_bytes=address.largest_bytes,
    )  # fmt: skip
    with _as_failures():
        try:
            found = await stream.stream_info(address.stream)
        except errors.NotFoundError:
            found = await stream.add_stream(wanted)
    kept = found.config
    if (kept.storage, kept.discard, kept.retention) != (wanted.storage, wanted.discard, wanted.retention):
        told_so = (
            f"the stream {address.stream} must have file storage, limits retention and discard=new, "
            "else it loses events; change it, or name another in EQUIPOISE_NATS_STREAM"
        )
        raise StorageFailed(told_so, is_full=False)
    return Found(str(found.created), kept.num_replicas or 1)


def tell_how_durable(replicas: int, address: Address) -> None:
    """Say at the start what an acknowledgement is worth; loudly when that is less than it should be."""
    if replicas >= DURABLE_REPLICAS or address.syncs:
        how = f"{replicas} replicas" if replicas >= DURABLE_REPLICAS else "a server that syncs always"
        _log.info("events are kept in the stream %s by %s", address.stream, how)
        return
    _log.warning(
        "NOT DURABLE: the stream %s has %s replica(s), and NATS syncs every two minutes: a power cut loses "
        "events that were acknowledged. Use 3 replicas, or set “sync_interval: always” in the server's "
        "jetstream block and EQUIPOISE_NATS_SYNC=always here.",
        address.stream,
        replicas,
    )


async def read(
    stream: JetStreamContext, name: str, *, after: int, keep: Callable[[list[Message]], None]
) -> None:
    """Hand over every message after a number, in order and without a gap, some at a time."""
    from nats.js import api  # noqa: PLC0415  # installed only where NATS is used

    config = api.ConsumerConfig(
        name=f"store-{uuid4().hex}", deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=after + 1, ack_policy=api.AckPolicy.NONE, inactive_threshold=30, mem_storage=True,
    )  # fmt: skip
    with _as_failures():
        consumer = await stream.add_consumer(name, config)
        pending = consumer.num_pending or 0
        subscription = await stream.pull_subscribe_bind(consumer=consumer.name, stream=name)
        while pending:
            arrived = await subscription.fetch(min(READ_AT_ONCE, pending), timeout=LONGEST_ACK_SECONDS)
            keep([_message(each.metadata.sequence.stream, each.data) for each in arrived])
            pending = arrived[-1].metadata.num_pending
        await stream.delete_consumer(name, consumer.name)


async def remove(stream: JetStreamContext, name: str, *, through: int) -> None:
    """Take out what the store holds: that is how the stream is told of it."""
    with _as_failures():
        await stream.purge_stream(name, seq=through + 1)


def told(url: str) -> str:
    """An address without the password that may be in it."""
    return ",".join(one.rpartition("@")[2] for one in url.split(","))


def _message(number: int, payload: bytes) -> Message:
    version, batch, refused = msgspec.msgpack.decode(zlib.decompress(payload))
    if version != VERSION:
        raise StorageFailed(
            f"message {number} was written by another version; update every process", is_full=False
        )
    return Message(number, batch, refused)


@contextmanager
def _as_failures() -> Iterator[None]:
    """Turns whatever NATS raises into StorageFailed."""
    from nats.errors import Error  # noqa: PLC0415  # installed only where NATS is used

    try:
        yield
    except (Error, OSError, TimeoutError) as fault:
        is_full = getattr(fault, "err_code", None) in _NO_SPACE
        raise StorageFailed(f"NATS: {str(fault) or type(fault).__name__}", is_full=is_full) from fault


def _library() -> ModuleType:
    try:
        import nats  # noqa: PLC0415  # installed only where NATS is used
    except ImportError as cause:
        told_so = (
            "EQUIPOISE_NATS_URL is set, and nats-py is not installed: pip install 'equipoise-server[nats]'"
        )
        raise StorageFailed(told_so, is_full=False) from cause
    return nats
