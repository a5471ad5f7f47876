"""kill -9 of a process that takes events: what was acknowledged is stored exactly once."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import duckdb
import pytest
from wire import NOON, SHOP

from equipoise_server.events import actions, places, reads
from equipoise_server.events.values import EventKind

KILLS = 10
WRITER = Path(__file__).with_name("writer.py")
EVER = {"since": datetime(2000, 1, 1, tzinfo=UTC), "until": datetime(2100, 1, 1, tzinfo=UTC)}


def killed_after(acknowledgements: int, again: Path) -> list[str]:
    """Run the writer, kill it in the middle, and return the acknowledged batches it printed."""
    command = [sys.executable, str(WRITER), str(places.inbox_directory()), str(again)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(acknowledgements)]
        writer.kill()
        lines += writer.stdout.readlines()
    return [line for line in lines if line.endswith("\n")]


@pytest.mark.django_db
def test_every_acknowledged_event_is_stored_exactly_once_over_ten_kills(own_disk: Path) -> None:
    again = own_disk / "again.jsonl"
    dice = random.Random(20260302)
    acknowledged: list[str] = []
    for kill in range(KILLS):
        again.write_text("".join(dice.sample(acknowledged, len(acknowledged) // 20)))
        acknowledged += killed_after(dice.randint(20, 60), again)
        if kill % 3 == 2:
            actions.compact(now=NOON)
    actions.compact(now=NOON)
    sent = {UUID(event["id"]) for line in acknowledged for event in json.loads(line)}
    paths = [str(path) for path in reads.pinned_files(SHOP, EventKind.TRACK, **EVER).paths]
    ids = duckdb.connect().execute("SELECT id FROM read_parquet(?)", [paths]).fetchall()
    stored = {row[0] for row in ids}
    assert len(stored) == len(ids)
    assert sent <= stored
    quality = reads.data_quality(SHOP)
    assert (quality.stored, quality.waiting, quality.conflicting) == (len(stored), 0, 0)
    assert quality.duplicates > 0
    assert len(list(places.inbox_directory().glob("*.sqlite3"))) == 1
