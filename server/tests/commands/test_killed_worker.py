"""kill -9 of the worker in the middle of compaction: nothing is lost, nothing doubled, nothing left over."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import duckdb
from wire import NOON, SHOP, a_body, a_track

from equipoise_server.events.inbox import Batch, claim
from equipoise_server.events.validation import judge

KILLS = 4
BATCHES, EVENTS = 20, 500
LONGEST_SECONDS = 120.0

# A worker that compacts in a loop, as the real one does, without its pauses.
COMPACTING = """
import django; django.setup()
from datetime import UTC, datetime
from equipoise_server.events.actions import compact
print("ready", flush=True)
print(compact(now=datetime.now(UTC)), flush=True)
"""


def a_process(data: Path, *command: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "EQUIPOISE_DATA": str(data),
        "DJANGO_SETTINGS_MODULE": "equipoise_server.foundation.settings",
    }
    environment.pop("DATABASE_URL", None)
    return subprocess.Popen([sys.executable, *command], env=environment, stdout=subprocess.PIPE, text=True)


def run(data: Path, *command: str) -> None:
    with a_process(data, *command) as process:
        assert process.wait(LONGEST_SECONDS) == 0


def fill(data: Path) -> set[UUID]:
    """Durable batches in an inbox that nobody holds, a tenth of their events sent twice."""
    inbox = claim(data / "inbox", new_name=lambda: uuid4().hex)
    inbox.start()
    made: list[dict[str, object]] = []
    for _ in range(BATCHES):
        events = [a_track(f"u{n}") for n in range(EVENTS)]
        body = a_body(*events, *random.Random(1).sample(made, len(made) // 100))
        made += events
        judged = judge(body)
        inbox.submit(Batch(SHOP, NOON, NOON, False, judged.good, judged.good_count, ())).result()
    inbox.close()
    return {UUID(str(event["id"])) for event in made}


@contextmanager
def configuration(data: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(data / "equipoise.sqlite3", timeout=30)) as database:
        yield database


def test_a_compaction_that_is_killed_four_times_stores_every_event_once(tmp_path: Path) -> None:
    run(tmp_path, "-m", "equipoise_server.commands.main", "migrate")
    sent = fill(tmp_path)
    dice = random.Random(7)
    for _ in range(KILLS):
        with a_process(tmp_path, "-c", COMPACTING) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(dice.uniform(0.0, 0.6))  # somewhere in the middle: no event marks it
            process.kill()
    run(tmp_path, "-c", COMPACTING)
    with configuration(tmp_path) as database:
        names = database.execute("SELECT path FROM events_storefile WHERE retired_at IS NULL").fetchall()
        (counted,) = database.execute("SELECT stored, duplicates FROM events_eventcounter").fetchall()
    paths = [str(tmp_path / "events" / name) for (name,) in names]
    ids = [row[0] for row in duckdb.connect().execute("SELECT id FROM read_parquet(?)", [paths]).fetchall()]
    assert len(ids) == len(set(ids))
    assert set(ids) == sent
    assert counted[0] == len(sent)


def test_a_worker_ends_within_seconds_of_sigterm_and_has_stored_what_waited(tmp_path: Path) -> None:
    run(tmp_path, "-m", "equipoise_server.commands.main", "migrate")
    sent = fill(tmp_path)
    with a_process(tmp_path, "-m", "equipoise_server.commands.main", "worker") as worker:
        until = time.monotonic() + LONGEST_SECONDS
        stored: list[tuple[int]] = []
        while not stored and time.monotonic() < until:
            time.sleep(0.05)  # another process's progress: its counter is the only sign
            with configuration(tmp_path) as database:
                stored = database.execute("SELECT stored FROM events_eventcounter").fetchall()
        worker.terminate()
        assert worker.wait(LONGEST_SECONDS) == 0
    assert stored == [(len(sent),)]
