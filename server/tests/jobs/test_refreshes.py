"""Refreshes that people see: what they take, why they fail, and that the last good report stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from calling import Caller, caller
from django.db.models import F
from people import NOW
from scenes import Shop, a_running_experiment, a_shop
from traffic import Visit, visited

from equipoise_server.analysis import reads as analysis
from equipoise_server.analysis.freshness_values import REFRESH, Freshness, RefreshState
from equipoise_server.analysis.models import Look, StoredReport
from equipoise_server.analysis.renewing import make_due
from equipoise_server.commands.worker import Worker
from equipoise_server.experiments.values import Iteration
from equipoise_server.foundation import due_work, running
from equipoise_server.foundation.models import DueWork
from equipoise_server.metrics.models import Metric

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
REPORT = "/projects/shop/experiments/checkout-button/report"


@pytest.fixture(autouse=True)
def own_disk(tmp_path: Path, settings: pytest.FixtureRequest) -> Path:
    settings.DATA_DIRECTORY = tmp_path  # type: ignore[attr-defined]  # pytest-django's settings
    return tmp_path


@pytest.fixture
def shop() -> Shop:
    return a_shop()


@pytest.fixture
def iteration(shop: Shop) -> Iteration:
    """Of an experiment that 200 units have met."""
    begun = a_running_experiment(shop).iteration
    assert begun is not None
    visits = (
        Visit(f"u{n}", ("control", "treatment")[n % 2], NOW + HOUR, (("page", 80.0 + n % 7, HOUR),))
        for n in range(200)
    )
    visited(begun, visits, now=NOW + 3 * HOUR)
    return begun


def a_worker(now: datetime) -> Worker:
    """A worker that does what is on the table and puts nothing there; no chance is in its waits.

    Its thread that listens would see nothing of the test's own transaction.
    """
    return Worker("one", lambda: now, periods={}, dice=lambda: 1.0, listen_seconds=3600.0)


def refreshed(iteration: Iteration, now: datetime) -> DueWork:
    """The slot of a refresh that a worker has tried once."""
    make_due(iteration, now=now)
    assert a_worker(now).step()
    return DueWork.objects.filter(kind=REFRESH).latest("id")


def freshness(iteration: Iteration, now: datetime) -> Freshness:
    report = analysis.report_of(iteration.id)
    assert report is not None
    return analysis.freshness_of(iteration.id, computed_at=report.computed_at, now=now)


def lose_a_metric() -> None:
    """The catalogue has it no more: a restored backup is older than the experiment."""
    assert Metric.objects.filter(key="latency").update(key="elsewhere") == 1


def asking(shop: Shop) -> Caller:
    return caller(shop.owner)


def test_a_refresh_tells_what_it_read_and_took(shop: Shop, iteration: Iteration) -> None:
    row = refreshed(iteration, NOW + 4 * HOUR)
    assert row.outcome == "done"
    report = analysis.report_of(iteration.id)
    assert report is not None
    assert report.cost is not None
    assert report.cost.rows_read >= 400
    assert report.cost.bytes_read > 0
    assert report.cost.cpu_seconds > 0
    assert row.cost["rows_read"] >= report.cost.rows_read
    assert asking(shop).get(REPORT).json["cost"]["rows_read"] == report.cost.rows_read


def test_when_the_store_loses_a_file_the_last_good_report_stays_and_says_why(
    shop: Shop, iteration: Iteration, own_disk: Path
) -> None:
    refreshed(iteration, NOW + 4 * HOUR)
    good = analysis.report_of(iteration.id)
    for path in (*(own_disk / "events").rglob("*.parquet"), *(own_disk / "rollups").iterdir()):
        path.unlink()
    row = refreshed(iteration, NOW + 5 * HOUR)
    assert (row.finished_at, row.attempts) == (None, 1)
    assert analysis.report_of(iteration.id) == good
    told = freshness(iteration, NOW + 6 * HOUR)
    assert told.age == 2 * HOUR
    assert told.last_failure is not None
    (problem,) = told.last_failure.problems
    assert problem.field == "source"
    assert "lacks “" in problem.message
    assert ".parquet”" in problem.message
    assert "backup" in problem.message
    assert str(own_disk) not in problem.message
    answer = asking(shop).get(REPORT).json
    assert answer["last_failure"]["problems"][0]["field"] == "source"
    assert answer["age_seconds"] > 0


def test_a_metric_that_is_gone_is_named_with_the_way_out(iteration: Iteration) -> None:
    refreshed(iteration, NOW + 4 * HOUR)
    lose_a_metric()
    refreshed(iteration, NOW + 5 * HOUR)
    failure = freshness(iteration, NOW + 5 * HOUR).last_failure
    assert failure is not None
    (problem,) = failure.problems
    assert problem.field == "metrics.latency"
    assert "“latency” in version 1" in problem.message
    assert "restart" in problem.message


def test_a_refresh_that_goes_well_again_forgets_the_failure(iteration: Iteration) -> None:
    lose_a_metric()
    row = refreshed(iteration, NOW + 4 * HOUR)
    Metric.objects.filter(key="elsewhere").update(key="latency")
    assert a_worker(row.due_at).step()
    told = freshness(iteration, row.due_at)
    assert (told.last_failure, told.refresh.state) == (None, RefreshState.IDLE)


def test_before_the_first_report_the_api_says_why_there_is_none(shop: Shop, iteration: Iteration) -> None:
    lose_a_metric()
    refreshed(iteration, NOW + 4 * HOUR)
    answer = asking(shop).get(REPORT)
    assert (answer.status, answer.fields) == (404, ["report", "metrics.latency"])


def stopping(at_phase: str, why: type[running.Stopped], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Somebody wants the work to stop just when it begins a phase; the phases that it came to."""
    seen: list[str] = []
    told: Callable[[str, int, int], None] = running.step

    def step(phase: str, done: int = 0, of: int = 0) -> None:
        seen.append(phase)
        if phase.startswith(at_phase):
            now_running = running.current()
            assert now_running is not None
            now_running.ask_to_stop(why)
        told(phase, done, of)

    for place in ("analysis.refreshing.step", "foundation.running.step"):
        monkeypatch.setattr(f"equipoise_server.{place}", step)
    return seen


PHASES = ("reading new events", "counting units", "checking the guardrails", "taking the looks", "keeping")


@pytest.mark.parametrize("phase", PHASES)
def test_a_cancelled_refresh_leaves_the_last_good_report_wherever_it_was(
    phase: str, iteration: Iteration, monkeypatch: pytest.MonkeyPatch
) -> None:
    refreshed(iteration, NOW + 4 * HOUR)
    good = analysis.report_of(iteration.id)
    with monkeypatch.context() as patched:
        seen = stopping(phase, running.Cancelled, patched)
        row = refreshed(iteration, NOW + 5 * HOUR)
    assert seen[-1].startswith(phase)
    assert row.outcome == "cancelled"
    assert analysis.report_of(iteration.id) == good
    assert not make_due(iteration, now=NOW + 5 * HOUR), "it rests before it is made due by itself again"
    assert refreshed(iteration, NOW + 7 * HOUR).outcome == "done"


def test_a_worker_that_lost_its_lease_keeps_neither_look_nor_report(
    iteration: Iteration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stood still during the work; another one has it meanwhile, and nobody has told the first."""
    make_due(iteration, now=NOW + 50 * HOUR)

    def stand_still(_phase: str, done: int = 0, of: int = 0) -> None:
        if done == 3:
            DueWork.objects.update(token=F("token") + 1, leased_by="another")

    monkeypatch.setattr("equipoise_server.analysis.refreshing.step", stand_still)
    assert a_worker(NOW + 50 * HOUR).step()
    assert not StoredReport.objects.exists()
    assert not Look.objects.exists()
    row = DueWork.objects.get()
    assert (row.finished_at, row.leased_by, row.last_error) == (None, "another", "")


def test_a_query_is_cut_short_when_its_work_must_stop(iteration: Iteration) -> None:
    make_due(iteration, now=NOW + 4 * HOUR)
    work = due_work.claim("one", now=NOW + 4 * HOUR)
    assert work is not None
    called: list[str] = []
    with running.doing(work) as now_running, running.interruptible(lambda: called.append("cut")):
        now_running.ask_to_stop(running.Cancelled)
        with pytest.raises(running.Cancelled):
            running.end_if_stopped()
    assert called == ["cut"]


def test_the_end_of_a_refresh_is_expected_from_the_last_time(iteration: Iteration) -> None:
    at = NOW + 5 * HOUR
    DueWork.objects.create(
        kind=REFRESH, key=str(iteration.id), due_at=NOW, started_at=NOW, outcome="done",
        finished_at=NOW + timedelta(minutes=3),
    )  # fmt: skip
    make_due(iteration, now=at)
    work = due_work.claim("one", now=at)
    assert work is not None
    due_work.heart_beat(work, now=at, progress={"phase": "counting", "done": 1, "of": 5})
    told = analysis.freshness_of(iteration.id, computed_at=None, now=at).refresh
    assert told.state is RefreshState.RUNNING
    assert told.expected_end_at == at + timedelta(minutes=3)
    assert told.progress is not None
    assert (told.progress.phase, told.progress.done, told.progress.of) == ("counting", 1, 5)
