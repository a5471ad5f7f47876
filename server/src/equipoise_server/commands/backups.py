"""Backups of the embedded configuration store, and the new epoch that follows any restore."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from equipoise_server.foundation import reserve
from equipoise_server.foundation.private_files import make_directory, make_file

_IS_OURS = "SELECT count(*) FROM foundation_environmentrevision"


class NotPossible(Exception):
    """What was asked cannot be done; says why and what to do."""


def backup(database: Path, target: Path) -> int:
    """Copy the store as it is at one instant, while the server runs; the size of the copy.

    Raises:
        NotPossible: when the target exists, there is no store, or the disk does not take the copy.
    """
    if target.exists():
        raise NotPossible(f"{target} exists already. Name another file.")
    if not database.is_file() or database.stat().st_size == 0:  # connecting would make an empty one
        raise NotPossible(f"There is no configuration store at {database}. Look at EQUIPOISE_DATA.")
    fresh = target.with_name(f".{target.name}.new")
    fresh.unlink(missing_ok=True)
    make_file(fresh)  # sessions and preview keys are in it
    try:
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(fresh)) as copy:
            source.execute(_IS_OURS)
            source.backup(copy)
        _sync(fresh)
    except (sqlite3.Error, OSError) as cause:
        fresh.unlink()
        raise NotPossible(f"{target} was not written: {cause}.") from cause
    fresh.replace(target)
    return target.stat().st_size


def restore(source: Path, database: Path) -> None:
    """Put a copy in the store's place; the server must not run.

    Raises:
        NotPossible: when the copy is no whole store, or somebody uses the one there is.
    """
    _refuse_unless_whole(source)
    if database.exists():
        _refuse_while_used(database)
    fresh = database.with_name(f".{database.name}.new")
    fresh.unlink(missing_ok=True)
    make_directory(fresh.parent)
    make_file(fresh)
    with closing(sqlite3.connect(source)) as held, closing(sqlite3.connect(fresh)) as copy:
        held.backup(copy)
    _sync(fresh)
    for leftover in ("-wal", "-shm"):
        database.with_name(database.name + leftover).unlink(missing_ok=True)
    fresh.replace(database)
    reserve.release_if_scarce(database.parent)


def begin_epochs(*, now: datetime) -> int:
    """Give every environment a new epoch, so that clients take what was restored; how many there are."""
    from equipoise_server.access import reads as access  # noqa: PLC0415  # models load after Django is set up
    from equipoise_server.audit.actions import change  # noqa: PLC0415  # as above
    from equipoise_server.audit.values import Author, Subject  # noqa: PLC0415  # as above
    from equipoise_server.foundation import revisions  # noqa: PLC0415  # as above

    operator = Author("machine", "operator", "operator")
    places = revisions.all_current()
    for environment_id in places:
        place = access.environment(environment_id)
        subject = Subject("environment", place.id, place.key, place.project_id, place.id)
        with change(operator, "environment.begin_epoch", subject, now=now) as entry:
            revisions.begin_epoch(environment_id, now=now)
            entry.kills(environment_id)  # served as it was kept: nothing here is new
    return len(places)


def _refuse_unless_whole(source: Path) -> None:
    if not source.is_file():
        raise NotPossible(f"There is no file {source}.")
    try:
        with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as held:
            (found,) = held.execute("PRAGMA integrity_check").fetchone()
            held.execute(_IS_OURS)
    except sqlite3.DatabaseError as cause:
        raise NotPossible(f"{source} is no backup of Equipoise: {cause}.") from cause
    if found != "ok":
        raise NotPossible(f"{source} is damaged: {found}.")


def _refuse_while_used(database: Path) -> None:
    """Only who is alone can leave the write-ahead mode."""
    with closing(sqlite3.connect(database, timeout=0.5)) as held:
        try:
            held.execute("PRAGMA journal_mode=DELETE").fetchone()
        except sqlite3.OperationalError as cause:
            raise NotPossible("The store is in use. Stop serve and worker first.") from cause


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
