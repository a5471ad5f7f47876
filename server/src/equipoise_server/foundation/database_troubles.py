"""What a failing configuration store means to a person: the troubles that have a way out of their own."""

from __future__ import annotations

import logging
import sqlite3
from enum import StrEnum

_LACKING_STATES = frozenset({"42P01", "42703"})  # PostgreSQL: undefined table, undefined column
_FULL_STATE = "53100"
_LACKING_WORDS = ("no such table", "no such column", "has no column named")


class WayOut(StrEnum):
    """What to do, in a sentence."""

    MIGRATE = "The configuration store lacks tables of this version: run “equipoise-server migrate”."
    FREE_ROOM = "The disk of the configuration store is full: free some room."


def way_out(trouble: BaseException) -> WayOut | None:
    """What to do about an error of the driver, or of Django in its place; None when it does not say."""
    for error in (trouble, trouble.__cause__):
        state = getattr(error, "sqlstate", None)
        if state == _FULL_STATE or getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            return WayOut.FREE_ROOM
        if state in _LACKING_STATES or any(word in str(error) for word in _LACKING_WORDS):
            return WayOut.MIGRATE
    return None


def log_trouble(log: logging.Logger, level: int, told: str, trouble: BaseException) -> None:
    """Log what failed with its way out; with its traceback when there is none."""
    known = way_out(trouble)
    if known is None:
        log.log(level, told, exc_info=trouble)
    else:
        log.log(level, "%s: %s", told, known)
