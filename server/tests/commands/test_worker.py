"""The worker: periodic slots, one runner at a time, faults given back, and nothing lost by kill -9."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import duckdb
import pytest
from people import NOW
from scenes import a_running_experiment, a_shop
from traffic import Visit, visited

from equipoise_server.analysis import reads
from equipoise_server.analysis.models import StoredReport
from equipoise_server.commands.worker import PERIODS, Worker, insist
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.models import Experiment
from equipoise_server.experiments.values import Status, StopCause
from equipoise_server.foundation import due_kinds, due_work, running, worker_beats
from equipoise_server.foundation.due_kinds import Lane
from equipoise_server.foundation.models import DueWork

HOUR = timedelta(hours=1)


class Clock:
    """A clock that moves when told."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def a_worker(owner: str, clock: Clock) -> Worker:
    """A worker whose thread that listens leaves the test's own transaction alone."""
    return Worker(owner, clock, listen_seconds=3600.0)


def work_off(worker: Worker) -> list[str]:
    """Do all that is due; the kinds in order."""
    before = set(DueWork.objects.values_list("pk", flat=True))
    while worker.step():
        pass
    return list(DueWork.objects.exclude(pk__in=before).order_by("pk").values_list("kind", flat=True))


@pytest.fixture
def own_disk(tmp_path: Path, settings: pytest.FixtureRequest) -> Path:
    settings.DATA_DIRECTORY = tmp_path
    return tmp_path


@pytest.mark.django_db
@pytest.mark.usefixtures("own_disk")
def test_each_period_puts_its_slot_on_the_table_when_it_is_due() -> None:
    clock = Clock(NOW)
    worker = a_worker("one", clock)
    assert work_off(worker) == list(PERIODS)
    assert work_off(worker) == []
    clock.now += timedelta(seconds=2)
    assert work_off(worker) == ["events.compact"]
    clock.now += timedelta(minutes=1)
    assert work_off(worker) == [kind for kind, period in PERIODS.items() if period <= timedelta(minutes=1)]


@pytest.mark.django_db
@pytest.mark.usefixtures("own_disk")
def test_a_breached_guardrail_stops_the_experiment_within_one_refresh() -> None:
    experiment = a_running_experiment(a_shop())
    assert experiment.iteration is not None
    visits = (
        Visit(f"u{n}", ("control", "treatment")[n % 2], NOW + HOUR,
              (("page", (100.0, 40.0)[n % 2] + n % 7, HOUR),))
        for n in range(2_000)
    )  # fmt: skip
    visited(experiment.iteration, visits, now=NOW + 3 * HOUR)
    work_off(a_worker("one", Clock(NOW + 3 * HOUR)))
    stopped = experiments.experiment(experiment.id)
    assert stopped.status is Status.STOPPED
    assert stopped.iteration is not None
    assert stopped.iteration.stop_cause is StopCause.GUARDRAIL
    work_off(a_worker("one", Clock(NOW + 4 * HOUR)))
    assert reads.has_final_report(stopped.iteration.id, stopped_at=stopped.iteration.stopped_at)
    assert "analysis.refresh" not in work_off(a_worker("one", Clock(NOW + 5 * HOUR)))


@pytest.mark.django_db
@pytest.mark.usefixtures("own_disk")
def test_a_worker_that_starts_after_an_upgrade_makes_unreadable_reports_again() -> None:
    iteration = a_running_experiment(a_shop()).iteration
    assert iteration is not None
    visited(iteration, [Visit("u1", "control", NOW + HOUR)], now=NOW + 3 * HOUR)
    work_off(a_worker("old release", Clock(NOW + 3 * HOUR)))
    StoredReport.objects.update(report={"written": "by another release"}, is_final=True)
    Experiment.objects.update(status=Status.DECIDED)
    assert "analysis.refresh" in work_off(a_worker("new release", Clock(NOW + 4 * HOUR)))
    assert reads.report_of(iteration.id) is not None


@pytest.mark.django_db
@pytest.mark.usefixtures("own_disk")
def test_work_that_fails_is_given_back_and_the_rest_goes_on() -> None:
    due_work.schedule("analysis.refresh", "gone", due_at=NOW, payload={"iteration_id": str(UUID(int=7))})
    worker = a_worker("one", Clock(NOW))
    work_off(worker)
    row = DueWork.objects.get(kind="analysis.refresh")
    assert row.finished_at is None
    assert "NotFound" in row.last_error
    assert row.due_at > NOW
    assert DueWork.objects.filter(finished_at=None).count() == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("own_disk")
def test_what_waits_for_other_peoples_machines_is_left_to_its_own_thread() -> None:
    payload = {"project_id": str(UUID(int=7)), "connection": "away"}
    due_work.schedule("health.ask", "away", due_at=NOW, payload=payload)
    worker = a_worker("one", Clock(NOW))
    while worker._round():
        pass
    row = DueWork.objects.get(kind="health.ask")
    assert (row.finished_at, row.attempts) == (None, 0)
    assert worker.step(due_kinds.of_lane(Lane.OUTSIDE))
    assert DueWork.objects.get(kind="health.ask").outcome == "done"


@pytest.mark.django_db
@pytest.mark.usefixtures("own_disk")
def test_finished_work_is_forgotten_after_a_week() -> None:
    work_off(a_worker("one", Clock(NOW)))
    work_off(a_worker("one", Clock(NOW + timedelta(days=8))))
    assert DueWork.objects.count() == len(PERIODS)


def a_loop(worker: Worker) -> threading.Thread:
    """The worker at work, as its process runs it."""
    thread = threading.Thread(target=worker.run)
    thread.start()
    return thread


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("own_disk")
def test_a_kill_is_followed_while_a_long_refresh_goes_on() -> None:
    has_begun, may_end, is_killed = threading.Event(), threading.Event(), threading.Event()

    @due_work.handles("test.long")
    def long(_payload: Mapping[str, str], _now: datetime) -> None:
        has_begun.set()
        assert may_end.wait(60)

    @due_work.handles("test.prompt", lane=Lane.PROMPT)
    def prompt(_payload: Mapping[str, str], _now: datetime) -> None:
        is_killed.set()

    worker = Worker("one", Clock(NOW), periods={}, listen_seconds=3600.0)
    due_work.schedule("test.long", "k", due_at=NOW)
    thread = a_loop(worker)
    try:
        assert has_begun.wait(60)
        insist(lambda: due_work.schedule("test.prompt", "k", due_at=NOW))
        assert is_killed.wait(60)
        assert not may_end.is_set()
    finally:
        may_end.set()
        worker.stop.set()
        thread.join(60)
    assert DueWork.objects.get(kind="test.long").outcome == "done"
    assert worker_beats.workers(NOW).is_down, "who has ended as it should is not waited for"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("own_disk")
def test_who_cancels_is_heard_in_the_middle_of_the_work() -> None:
    has_begun, cut = threading.Event(), threading.Event()

    @due_work.handles("test.cancelled", can_cancel=True)
    def long(_payload: Mapping[str, str], _now: datetime) -> None:
        with running.interruptible(cut.set):
            running.step("counting", 1, 2)
            has_begun.set()
            assert cut.wait(60)
            running.step("keeping", 2, 2)

    worker = Worker("one", Clock(NOW), periods={}, listen_seconds=0.01)
    due_work.schedule("test.cancelled", "k", due_at=NOW)
    thread = a_loop(worker)
    try:
        assert has_begun.wait(60)
        insist(lambda: DueWork.objects.update(cancel_asked_at=NOW))
        assert cut.wait(60)
    finally:
        worker.stop.set()
        thread.join(60)
    row = DueWork.objects.get()
    assert (row.outcome, row.last_error) == ("cancelled", "")


@pytest.mark.django_db
@pytest.mark.usefixtures("own_disk")
def test_a_clock_that_jumps_back_does_not_stop_what_is_periodic() -> None:
    clock = Clock(NOW + timedelta(days=400))
    worker = a_worker("one", clock)
    work_off(worker)
    clock.now = NOW
    assert "events.compact" in work_off(worker)


def _server(data: Path, command: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "EQUIPOISE_DATA": str(data), "DATABASE_URL": ""}
    return subprocess.Popen(
        [sys.executable, "-m", "equipoise_server.commands.main", command],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _counted(data: Path) -> tuple[int, int]:
    """What the store's counters say: stored and duplicates."""
    database = sqlite3.connect(data / "equipoise.sqlite3", timeout=30)
    rows = database.execute("SELECT stored, duplicates FROM events_eventcounter").fetchall()
    database.close()
    return rows[0] if rows else (0, 0)


def _stored_ids(data: Path) -> list[UUID]:
    database = sqlite3.connect(data / "equipoise.sqlite3", timeout=30)
    names = database.execute("SELECT path FROM events_storefile WHERE retired_at IS NULL").fetchall()
    database.close()
    paths = [str(data / "events" / name[0]) for name in names]
    return [row[0] for row in duckdb.connect().execute("SELECT id FROM read_parquet(?)", [paths]).fetchall()]
