"""Whose an inbox file is, and whether it may be written again. Knows nothing of what is in it."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing
from pathlib import Path

SHARED = "nats-"
"""Begins the names of files that hold what came through NATS: no process may take them for its own."""


def lock_of(path: Path) -> int | None:
    """The lock of a file, which dies with this process; None while another has it."""
    handle = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def refuse_a_failing_disk(directory: Path) -> None:
    """Raises OSError when nothing can be written and synced there: no file is begun in vain."""
    trial = directory / "trial"
    try:
        with trial.open("wb") as file:
            file.write(b"?")
            file.flush()
            os.fsync(file.fileno())
    finally:
        trial.unlink(missing_ok=True)


def is_sound(path: Path) -> bool:
    """Whether all that the file holds is synced to its main part by now.

    An fsync that failed is told once. Pages of the journal may count as written since, and be on no disk: so
    it is copied and synced anew, and begun from nothing, before anything more is said to be durable.
    """
    try:
        with closing(sqlite3.connect(path, timeout=2)) as database:
            return bool(database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)
    except sqlite3.Error:
        return False
