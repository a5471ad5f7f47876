"""Takes what the store holds, and refused events of erased units, out of an inbox file, free pages too.

The writer of the file does it. A file that no process holds is claimed for as long as it takes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path

from equipoise_server.events import inbox as inboxes
from equipoise_server.events.inbox import Inbox

LONGEST_SECONDS = 300.0
_FORGET_OTHERS = "DELETE FROM batches WHERE id <= ? AND id NOT IN (SELECT value FROM json_each(?))"


class StillRead(sqlite3.OperationalError):
    """Somebody reads an older state of the file; its log cannot be cut yet."""


def scrub(inbox: Inbox, through: int, waiting: Sequence[int], units: AbstractSet[str]) -> int:
    """Let the file's writer scrub it; how many refused events went. Raises sqlite3.Error or TimeoutError.

    waiting: batches up to `through` that the store does not hold.
    """
    chore = partial(_scrub, through=through, waiting=waiting, units=units)
    return inbox.do(chore).result(LONGEST_SECONDS)


def scrub_unheld(path: Path, through: int, waiting: Sequence[int], units: AbstractSet[str]) -> int | None:
    """The same for a file whose process is gone; None while one holds it."""
    inbox = inboxes.claim_file(path)
    if inbox is None:
        return None
    inbox.start()
    try:
        return scrub(inbox, through, waiting, units)
    finally:
        inbox.close()


def forget_others(database: sqlite3.Connection, *, through: int, waiting: Sequence[int]) -> int:
    """Delete what the store holds, but not the batches that wait for a key."""
    return database.execute(_FORGET_OTHERS, (through, json.dumps(list(waiting)))).rowcount


def _scrub(
    database: sqlite3.Connection, *, through: int, waiting: Sequence[int], units: AbstractSet[str]
) -> int:
    forget_others(database, through=through, waiting=waiting)
    places = [place for place, *texts in _quarantined(database) if any(names(text, units) for text in texts)]
    database.execute(
        "DELETE FROM quarantine WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(places),)
    )
    database.execute("VACUUM")
    (is_busy, *_) = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if is_busy:
        raise StillRead("the file is being read; its log is cut later")
    return len(places)


def _quarantined(database: sqlite3.Connection) -> Iterator[tuple[int, str, bytes | None]]:
    yield from database.execute("SELECT quarantine.id, quarantine.event, quarantine.raw FROM quarantine")


def names(text: str | bytes | None, units: AbstractSet[str]) -> bool:
    """Whether a refused event has the id of one of the units as any of its values."""
    if text is None:
        return False
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        plain = text if isinstance(text, str) else text.decode(errors="replace")
        return any(unit in plain for unit in units)
    return _names(value, units)


def _names(value: object, units: AbstractSet[str]) -> bool:
    if isinstance(value, dict):
        return any(key in units or _names(inner, units) for key, inner in value.items())
    if isinstance(value, list):
        return any(_names(inner, units) for inner in value)
    return isinstance(value, str | int) and str(value) in units
