"""From the shared stream into a file of this installation, under the stream's own numbers.

The file is to the store what every inbox is: same watermark, same quarantine, same erasure. It is a copy:
what is in it stays in the stream until the store's manifest says that it is stored, so it may be read again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from django.conf import settings

from equipoise_server.events import jetstream, places
from equipoise_server.events.claims import SHARED, lock_of
from equipoise_server.events.compaction import watermarks
from equipoise_server.events.holding import forgettable
from equipoise_server.events.inbox import (
    BATCH_COLUMNS,
    QUARANTINE_LIFE,
    REFUSED_COLUMNS,
    insertion,
    make_tables,
    microseconds,
)
from equipoise_server.events.jetstream import Address, Message
from equipoise_server.events.values import StorageFailed

_LAST = "SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'batches'), 0)"

_log = logging.getLogger(__name__)


def shared_address() -> Address | None:
    """Where the settings say that the shared stream is; None when events are kept in files."""
    if not settings.NATS_URL:
        return None
    return Address(
        settings.NATS_URL, settings.NATS_STREAM, settings.NATS_REPLICAS, settings.NATS_SYNCS,
        settings.NATS_CREDENTIALS,
    )  # fmt: skip


def collect(*, now: datetime) -> None:
    """Fetch what has come since the last time, and let the stream forget what the store holds.

    While NATS is away that is told, and what was fetched before is stored all the same.
    """
    address = shared_address()
    if address is None:
        return
    directory = places.inbox_directory()
    directory.mkdir(parents=True, exist_ok=True)
    try:
        asyncio.run(_collect(address, forgettable(watermarks()), directory, now))
    except StorageFailed as fault:
        _log.error("events that wait in NATS cannot be fetched: %s", fault)


async def _collect(address: Address, stored: dict[str, int], directory: Path, now: datetime) -> None:
    client = await jetstream.connect(address)
    try:
        stream = client.jetstream()
        found = await jetstream.make_stream(stream, address)
        path = directory / f"{file_name(address.stream, found.made)}.sqlite3"
        lock = lock_of(path)
        if lock is None:
            return  # another worker is at it
        try:
            through = stored.get(path.stem, 0)
            with closing(_open(path)) as database:
                _forget(database, through, now)
                after = max(through, int(database.execute(_LAST).fetchone()[0]))
                await jetstream.read(stream, address.stream, after=after, keep=lambda m: _keep(database, m))
            if through:
                await jetstream.remove(stream, address.stream, through=through)
        finally:
            os.close(lock)
    finally:
        await jetstream.disconnect(client)


def file_name(stream: str, made: str) -> str:
    """The name of the file for a stream; one that was deleted and made again begins to count anew."""
    return SHARED + sha256(f"{stream} {made}".encode()).hexdigest()[:24]


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, timeout=30)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    make_tables(database)
    return database


def _keep(database: sqlite3.Connection, messages: Sequence[Message]) -> None:
    """Write messages under their numbers, all or none."""
    batches = [(message.number, *message.batch) for message in messages]
    refused = [row for message in messages for row in message.refused]
    try:
        database.execute("BEGIN IMMEDIATE")
        database.executemany(insertion("batches", ("id", *BATCH_COLUMNS)), batches)
        database.executemany(insertion("quarantine", REFUSED_COLUMNS), refused)
        database.execute("COMMIT")
    except sqlite3.Error as fault:
        database.rollback()
        is_full = getattr(fault, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        raise StorageFailed(f"the file of what came through NATS: {fault}", is_full=is_full) from fault


def _forget(database: sqlite3.Connection, through: int, now: datetime) -> None:
    database.execute("DELETE FROM batches WHERE id <= ?", (through,))
    oldest = microseconds(now - QUARANTINE_LIFE)
    database.execute("DELETE FROM quarantine WHERE received_at < ?", (oldest,))
