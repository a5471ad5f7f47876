"""The inbox: an answer means the batch is on disk; a full disk or queue is said, never hidden."""

from __future__ import annotations

import os
import sqlite3
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from wire import NOON, SHOP, a_body, a_track

from equipoise_server.events.inbox import Batch, Inbox, claim
from equipoise_server.events.validation import judge
from equipoise_server.events.values import InboxClosed, InboxFull, StorageFailed


def a_batch(events: int = 1) -> Batch:
    judged = judge(a_body(*[a_track() for _ in range(events)], {"not": "an event"}))
    return Batch(SHOP, NOON, NOON, False, judged.good, judged.good_count, judged.refused)


def an_inbox(directory: Path, name: str = "first") -> Inbox:
    inbox = claim(directory, new_name=lambda: name)
    inbox.start()
    return inbox


def a_handle() -> int:
    return os.open(os.devnull, os.O_RDONLY)


def rows(inbox: Inbox, query: str = "SELECT good, refused FROM batches ORDER BY id") -> list[tuple[int, ...]]:
    database = sqlite3.connect(inbox.path)
    found = database.execute(query).fetchall()
    database.close()
    return found


def test_a_done_future_means_that_the_batch_is_in_the_file(tmp_path: Path) -> None:
    inbox = an_inbox(tmp_path)
    inbox.submit(a_batch(3)).result(5)
    assert rows(inbox) == [(3, 1)]
    assert rows(inbox, "SELECT COUNT(*) FROM quarantine") == [(1,)]
    inbox.close()


def test_closing_writes_what_is_pending_and_takes_nothing_more(tmp_path: Path) -> None:
    inbox = an_inbox(tmp_path)
    futures = [inbox.submit(a_batch()) for _ in range(50)]
    inbox.close()
    assert all(future.done() and future.exception() is None for future in futures)
    assert len(rows(inbox)) == 50
    with pytest.raises(InboxClosed):
        inbox.submit(a_batch())


def test_a_full_queue_refuses_at_once(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "small.sqlite3", a_handle(), largest_queue_bytes=100)
    inbox.start()
    with pytest.raises(InboxFull):
        inbox.submit(a_batch())
    inbox.close()


def test_a_full_disk_is_answered_and_the_inbox_recovers(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "small.sqlite3", a_handle(), largest_file_bytes=12 * 4096)
    inbox.start()
    with pytest.raises(StorageFailed) as failed:
        inbox.submit(a_batch(900)).result(5)
    assert failed.value.is_full
    inbox.submit(a_batch(1)).result(5)
    inbox.close()
    assert rows(inbox) == [(1, 1)]


def test_a_file_belongs_to_one_process_and_is_taken_over_when_that_is_gone(tmp_path: Path) -> None:
    first = an_inbox(tmp_path, "first")
    second = an_inbox(tmp_path, "second")
    assert (first.name, second.name) == ("first", "second")
    first.close()
    third = an_inbox(tmp_path, "third")
    assert third.name == "first"
    second.close()
    third.close()


def test_only_what_the_store_holds_is_forgotten(tmp_path: Path) -> None:
    inbox = an_inbox(tmp_path)
    for _ in range(5):
        inbox.submit(a_batch()).result(5)
    inbox.forget(through=3, quarantine_before=NOON - timedelta(days=30))
    inbox.close()
    assert rows(inbox, "SELECT id FROM batches ORDER BY id") == [(4,), (5,)]
    assert rows(inbox, "SELECT COUNT(*) FROM quarantine") == [(5,)]


def test_numbers_of_forgotten_batches_are_never_used_again(tmp_path: Path) -> None:
    inbox = an_inbox(tmp_path)
    inbox.submit(a_batch()).result(5)
    inbox.forget(through=1, quarantine_before=NOON)
    inbox.close()
    again = an_inbox(tmp_path)
    again.submit(a_batch()).result(5)
    again.close()
    assert rows(again, "SELECT id FROM batches") == [(2,)]


class FailingDisk(sqlite3.Connection):
    """A connection whose disk fails at the sync of a commit while it is told to."""

    fails = False

    def execute(self, sql: str, parameters: object = ()) -> sqlite3.Cursor:
        if sql == "COMMIT" and FailingDisk.fails:
            fault = sqlite3.OperationalError("disk I/O error")
            fault.sqlite_errorcode, fault.sqlite_errorname = sqlite3.SQLITE_IOERR_FSYNC, "SQLITE_IOERR_FSYNC"
            raise fault
        return super().execute(sql, parameters)


def test_a_file_whose_disk_failed_takes_nothing_more_and_keeps_what_it_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *args, **given: opened(*args, **{"factory": FailingDisk, **given})
    )
    monkeypatch.setattr(FailingDisk, "fails", False)
    inbox = an_inbox(tmp_path)
    ended = threading.Event()
    inbox.when_failed = ended.set
    inbox.submit(a_batch(2)).result(5)
    FailingDisk.fails = True
    refused = [inbox.submit(a_batch(3)) for _ in range(2)]
    for future in refused:
        with pytest.raises(StorageFailed, match="SQLITE_IOERR_FSYNC"):
            future.result(5)
    assert ended.wait(5)
    FailingDisk.fails = False
    with pytest.raises(StorageFailed, match="disk I/O error"):
        inbox.submit(a_batch())
    inbox.close()
    heir = an_inbox(tmp_path, "second")
    heir.submit(a_batch(1)).result(5)
    heir.close()
    assert rows(heir) == [(2, 1), (1, 1)], "the file was sound again: its journal was synced anew"


def test_a_file_whose_journal_cannot_be_synced_is_left_to_be_read(tmp_path: Path) -> None:
    first = an_inbox(tmp_path, "first")
    first.submit(a_batch(2)).result(5)
    reader = sqlite3.connect(first.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT COUNT(*) FROM batches").fetchall()
    first.submit(a_batch(3)).result(5)
    first.close()
    second = an_inbox(tmp_path, "second")
    assert second.name == "second"
    second.close()
    reader.close()


def test_a_chore_that_goes_wrong_stops_no_batch(tmp_path: Path) -> None:
    inbox = an_inbox(tmp_path)
    wrong = inbox.do(lambda _: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        wrong.result(5)
    inbox.submit(a_batch(1)).result(5)
    inbox.close()
