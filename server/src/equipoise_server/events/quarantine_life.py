"""How long refused events are kept: 30 days, unless an environment says otherwise."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from equipoise_server.events.inbox import QUARANTINE_LIFE, microseconds
from equipoise_server.events.models import Retention


def quarantine_lives() -> dict[UUID, timedelta]:
    """The environments that say otherwise."""
    rows = Retention.objects.values_list("environment_id", "quarantine_days")
    lives = {environment_id: timedelta(days=days) for environment_id, days in rows}
    return {environment_id: life for environment_id, life in lives.items() if life != QUARANTINE_LIFE}


def forget_quarantine(database: sqlite3.Connection, *, lives: Mapping[UUID, timedelta], now: datetime) -> int:
    """Delete refused events past their environment's life; how many there were."""
    others = ", ".join("?" for _ in lives)
    usual = database.execute(
        f"DELETE FROM quarantine WHERE received_at < ? AND environment_id NOT IN ({others})",  # noqa: S608  # marks alone
        (microseconds(now - QUARANTINE_LIFE), *(one.hex for one in lives)),
    ).rowcount
    own = [
        database.execute(
            "DELETE FROM quarantine WHERE environment_id = ? AND received_at < ?",
            (environment_id.hex, microseconds(now - life)),
        ).rowcount
        for environment_id, life in lives.items()
    ]
    return usual + sum(own)
