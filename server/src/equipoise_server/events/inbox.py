"""The durable inbox: one SQLite file per process, one writer thread, one fsync per group of batches.

A batch's future is done only after its commit. Refuses to know what events mean; compaction reads the file
from another process, and only the writer thread here deletes what the store already holds.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

from equipoise_server.events.claims import SHARED, is_sound, lock_of, refuse_a_failing_disk
from equipoise_server.events.validation import Refused
from equipoise_server.events.values import NOBODY, InboxClosed, InboxFull, Sender, StorageFailed, Told

LARGEST_QUEUE_BYTES = 64 * 1024 * 1024
# Refuse events loudly before they fill the disk that flags and settings live on.
LARGEST_FILE_BYTES = 8 * 1024**3
_PAGE_BYTES = 4096
DELETED_AT_ONCE = 500
QUARANTINE_LIFE = timedelta(days=30)
LARGEST_QUARANTINE_BYTES = 64 * 1024 * 1024
"""Of one environment in one file; beyond it the oldest go."""
TRIM_AFTER_BYTES = 4 * 1024 * 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

SCHEMA = """
CREATE TABLE IF NOT EXISTS batches (
  id INTEGER PRIMARY KEY AUTOINCREMENT, environment_id TEXT NOT NULL, received_at INTEGER NOT NULL,
  sent_at INTEGER NOT NULL, is_trusted INTEGER NOT NULL, good INTEGER NOT NULL, refused INTEGER NOT NULL,
  events BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS quarantine (
  id INTEGER PRIMARY KEY AUTOINCREMENT, environment_id TEXT NOT NULL, received_at INTEGER NOT NULL,
  problems TEXT NOT NULL, event TEXT NOT NULL
);
"""
ADDED_COLUMNS = {
    "batches": {
        "sender_key": "TEXT NOT NULL DEFAULT ''", "program": "TEXT NOT NULL DEFAULT ''", "batch": "TEXT",
        "dropped": "TEXT", "released": "INTEGER NOT NULL DEFAULT 0",
    },
    "quarantine": {
        "sender_key": "TEXT NOT NULL DEFAULT ''", "program": "TEXT NOT NULL DEFAULT ''",
        "sent_at": "INTEGER", "is_trusted": "INTEGER NOT NULL DEFAULT 0",
        "form": "TEXT NOT NULL DEFAULT 'event'", "raw": "BLOB",
    },
}  # fmt: skip
"""By table: what files of an earlier version lack. `raw` is the event as it came; units are in it."""
BATCH_COLUMNS = (
    "environment_id", "received_at", "sent_at", "is_trusted", "good", "refused", "events", "sender_key",
    "program", "batch", "dropped", "released",
)  # fmt: skip
REFUSED_COLUMNS = (
    "environment_id", "received_at", "problems", "event", "sender_key", "program", "sent_at", "is_trusted",
    "form", "raw",
)  # fmt: skip
_LASTING = frozenset([sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB])
_FORGET = "DELETE FROM batches WHERE id IN (SELECT id FROM batches WHERE id <= ? ORDER BY id LIMIT ?)"
_FORGET_QUARANTINE = "DELETE FROM quarantine WHERE received_at < ?"
_TRIM = """
DELETE FROM quarantine WHERE id IN (SELECT id FROM (
  SELECT id, SUM(LENGTH(event) + COALESCE(LENGTH(raw), 0))
    OVER (PARTITION BY environment_id ORDER BY id DESC) AS held FROM quarantine
) WHERE held > ?)
"""


Chore = Callable[[sqlite3.Connection], int]
"""Work on the file that has to be done by its writer."""


class FileFailed(StorageFailed):
    """The disk failed under the file. What it synced before stays; nothing more is written to it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One accepted batch: whose, when, the bytes of its good events, and what was refused of it."""

    environment_id: UUID
    received_at: datetime
    sent_at: datetime
    is_trusted: bool
    good: bytes
    good_count: int
    refused: tuple[Refused, ...]
    sender: Sender = NOBODY
    told: Told | None = None

    @property
    def size(self) -> int:
        """About how many bytes it holds in memory."""
        return len(self.good) + sum(512 + len(refused.raw or b"") for refused in self.refused) + 512


def microseconds(instant: datetime) -> int:
    """An instant as whole microseconds since 1970, exactly."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


class Inbox:
    """This process's inbox. `submit` never blocks; the writer thread answers through the future."""

    def __init__(
        self,
        path: Path,
        lock: int,
        *,
        largest_queue_bytes: int = LARGEST_QUEUE_BYTES,
        largest_file_bytes: int = LARGEST_FILE_BYTES,
        largest_quarantine_bytes: int = LARGEST_QUARANTINE_BYTES,
    ) -> None:
        self.path = path
        self._lock_file = lock
        self._room = largest_queue_bytes
        self._largest_file = largest_file_bytes
        self._largest_quarantine = largest_quarantine_bytes
        self._untrimmed = TRIM_AFTER_BYTES
        self._wake = threading.Condition()
        self._pending: list[tuple[Batch, Future[None]]] = []
        self._pending_bytes = 0
        self._forget_through = 0
        self._forget_quarantine_before = 0
        self._chores: list[tuple[Chore, Future[int]]] = []
        self._is_closing = False
        self._failure: StorageFailed | None = None
        self.when_failed: Callable[[], None] = lambda: None
        """Called once when the file can be trusted no more; from then on nothing is taken."""
        self._thread = threading.Thread(target=self._write_all, name="inbox-writer", daemon=True)

    @property
    def name(self) -> str:
        """What the watermark is kept under."""
        return self.path.stem

    def start(self) -> None:
        """Prepare the file and start the writer."""
        database = self._connect()
        make_tables(database)
        database.close()
        sync_directory(self.path.parent)
        self._thread.start()

    def submit(self, batch: Batch) -> Future[None]:
        """Queue a batch; the future is done once it is durable. Raises InboxFull or InboxClosed at once."""
        size = batch.size
        future: Future[None] = Future()
        with self._wake:
            self._refuse_if_ended()
            if self._pending_bytes + size > self._room:
                raise InboxFull
            self._pending.append((batch, future))
            self._pending_bytes += size
            self._wake.notify()
        return future

    def forget(self, *, through: int, quarantine_before: datetime) -> None:
        """Let the writer delete what the store holds, and quarantined events that are too old."""
        with self._wake:
            self._forget_through = max(self._forget_through, through)
            self._forget_quarantine_before = microseconds(quarantine_before)
            self._wake.notify()

    def do(self, chore: Chore) -> Future[int]:
        """Let the writer work on its file between two groups of batches; the future has what that returns."""
        future: Future[int] = Future()
        with self._wake:
            self._refuse_if_ended()
            self._chores.append((chore, future))
            self._wake.notify()
        return future

    def close(self) -> None:
        """Write what is pending, then stop and release the file."""
        with self._wake:
            self._is_closing = True
            self._wake.notify()
        self._thread.join()
        os.close(self._lock_file)

    def _take(self) -> tuple[list[tuple[Batch, Future[None]]], int, int, bool]:
        """Everything pending, what to forget, and whether this was the last time."""
        with self._wake:
            while not (
                self._pending or self._is_closing or self._forget_through or self._forget_quarantine_before
                or self._chores
            ):  # fmt: skip
                self._wake.wait()
            group, self._pending, self._pending_bytes = self._pending, [], 0
            through, self._forget_through = self._forget_through, 0
            before, self._forget_quarantine_before = self._forget_quarantine_before, 0
            return group, through, before, self._is_closing

    def _refuse_if_ended(self) -> None:
        if self._failure is not None:
            raise StorageFailed(str(self._failure), is_full=False)
        if self._is_closing:
            raise InboxClosed

    def _write_all(self) -> None:
        try:
            self._write_until_closed()
        except Exception as fault:  # noqa: BLE001  # whatever ends the writer is told to whoever waits for it
            self._give_up(StorageFailed(str(fault), is_full=False))

    def _give_up(self, failure: StorageFailed) -> None:
        """Take nothing more: an fsync that failed once says nothing about the next that does not."""
        with self._wake:
            self._failure = failure
            group, self._pending = self._pending, []
            chores, self._chores = self._chores, []
        _answer(group, failure)
        for _, future in chores:
            future.set_exception(failure)
        self.when_failed()

    def _write_until_closed(self) -> None:
        database = self._connect()
        is_last = False
        while not is_last:
            group, through, before, is_last = self._take()
            failure = _attempt(database, partial(_commit, database, group)) if group else None
            _answer(group, failure)
            if failure is None and (through or before):
                failure = _attempt(database, partial(self._forget, database, through, before))
            if failure is None:
                failure = self._trim_quarantine(database, group)
            self._do_chores(database)
            if isinstance(failure, FileFailed):
                database.close()
                raise failure
        database.close()

    def _connect(self) -> sqlite3.Connection:
        """Open the file so that a commit means fsync; transactions are opened by hand."""
        database = sqlite3.connect(self.path, isolation_level=None, timeout=30, check_same_thread=False)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute(f"PRAGMA max_page_count={self._largest_file // _PAGE_BYTES}")
        return database

    def _forget(self, database: sqlite3.Connection, through: int, before: int) -> None:
        """Delete one bite, so that waiting batches are not held up; the rest is for the next round."""
        database.execute(_FORGET_QUARANTINE, (before,))
        if database.execute(_FORGET, (through, DELETED_AT_ONCE)).rowcount == DELETED_AT_ONCE:
            self._again(through)

    def _trim_quarantine(
        self, database: sqlite3.Connection, group: Sequence[tuple[Batch, Future[None]]]
    ) -> StorageFailed | None:
        """Delete the oldest refused events when there are too many."""
        held = sum(512 + len(refused.raw or b"") for batch, _ in group for refused in batch.refused)
        self._untrimmed += held
        if not held or self._untrimmed < TRIM_AFTER_BYTES:
            return None
        self._untrimmed = 0
        return _attempt(database, lambda: _trim(database, self._largest_quarantine))

    def _do_chores(self, database: sqlite3.Connection) -> None:
        with self._wake:
            chores, self._chores = self._chores, []
        for chore, future in chores:
            try:
                future.set_result(chore(database))
            except Exception as fault:  # noqa: BLE001  # told to whoever asked; batches go on
                future.set_exception(fault)

    def _again(self, through: int) -> None:
        with self._wake:
            self._forget_through = max(self._forget_through, through)


def claim(directory: Path, *, new_name: Callable[[], str]) -> Inbox:
    """An inbox file that no living process holds, else a fresh one. The lock dies with the process."""
    directory.mkdir(parents=True, exist_ok=True)
    for path in files(directory):
        if path.stem.startswith(SHARED):
            continue
        lock = lock_of(path)
        if lock is not None and is_sound(path):
            return Inbox(path, lock)
        if lock is not None:
            os.close(lock)
    refuse_a_failing_disk(directory)
    path = directory / f"{new_name()}.sqlite3"
    lock = lock_of(path)
    assert lock is not None, "a fresh name is free"
    return Inbox(path, lock)


def claim_file(path: Path) -> Inbox | None:
    """One inbox file, unless a living process holds it."""
    lock = lock_of(path)
    return None if lock is None else Inbox(path, lock)


def files(directory: Path) -> tuple[Path, ...]:
    """Every inbox file, in a stable order."""
    return tuple(sorted(directory.glob("*.sqlite3")))


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _commit(database: sqlite3.Connection, group: Sequence[tuple[Batch, Future[None]]]) -> None:
    database.execute("BEGIN IMMEDIATE")
    database.executemany(insertion("batches", BATCH_COLUMNS), (batch_row(batch) for batch, _ in group))
    database.executemany(insertion("quarantine", REFUSED_COLUMNS), refused_rows(batch for batch, _ in group))
    database.execute("COMMIT")


def _attempt(database: sqlite3.Connection, write: Callable[[], None]) -> StorageFailed | None:
    try:
        write()
    except sqlite3.Error as fault:
        code = getattr(fault, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        with suppress(sqlite3.Error):
            database.rollback()
        if code & 0xFF in _LASTING:
            return FileFailed(f"{fault} ({fault.sqlite_errorname})", is_full=False)
        return StorageFailed(str(fault), is_full=code == sqlite3.SQLITE_FULL)
    return None


def _trim(database: sqlite3.Connection, most: int) -> None:
    database.execute(_TRIM, (most,))


def insertion(table: str, columns: Sequence[str]) -> str:
    """The statement that adds a row of these columns."""
    places = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608  # names of our own


def make_tables(database: sqlite3.Connection) -> None:
    """Make a file's tables, or bring those of an earlier version up to date."""
    database.executescript(SCHEMA)
    for table, columns in ADDED_COLUMNS.items():
        held = columns_of(database, table)
        for name, kind in columns.items():
            if name not in held:
                database.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")
    database.execute("CREATE INDEX IF NOT EXISTS quarantine_of ON quarantine (environment_id, problems)")


def columns_of(database: sqlite3.Connection, table: str) -> frozenset[str]:
    """The columns that a table of this file has; none when it has not been made."""
    found = database.execute("SELECT name FROM pragma_table_info(?)", (table,))
    return frozenset(row[0] for row in found)


def _answer(group: Sequence[tuple[Batch, Future[None]]], failure: StorageFailed | None) -> None:
    for _, future in group:
        if not future.set_running_or_notify_cancel():
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)


def batch_row(batch: Batch) -> tuple[object, ...]:
    """The values of BATCH_COLUMNS."""
    told = batch.told
    return (
        batch.environment_id.hex, microseconds(batch.received_at), microseconds(batch.sent_at),
        int(batch.is_trusted), batch.good_count, len(batch.refused), batch.good,
        batch.sender.key, batch.sender.program, None if told is None else told.batch.hex,
        json.dumps(told.dropped) if told is not None and told.dropped else None,
        0 if told is None else told.released,
    )  # fmt: skip


def refused_rows(batches: Iterable[Batch]) -> Iterator[tuple[object, ...]]:
    """The values of REFUSED_COLUMNS, event by event."""
    for batch in batches:
        received_at, sent_at = microseconds(batch.received_at), microseconds(batch.sent_at)
        for refused in batch.refused:
            problems = json.dumps(refused.verdict.problems)
            yield (
                batch.environment_id.hex, received_at, problems, refused.redacted, batch.sender.key,
                batch.sender.program, sent_at, int(batch.is_trusted), refused.form, refused.raw,
            )  # fmt: skip
