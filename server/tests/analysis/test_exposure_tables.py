"""Tables of exposures, live: what another system assigned gives the report that SDK events give."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import duckdb
import pytest
from outside import (
    TABLE,
    Seen,
    an_exposure_source,
    an_outside_design,
    an_outside_experiment,
    written_exposures,
)
from people import NOW, an_admin
from scenes import Shop, a_design, a_running_experiment, a_shop, environment_of
from traffic import Visit, acted, visited

from equipoise_server.access.actions import CreateProject, create_project
from equipoise_server.access.reads import actor_of_user
from equipoise_server.analysis import reads
from equipoise_server.analysis.actions import refresh
from equipoise_server.analysis.values import Report, SrmState
from equipoise_server.events.reads import data_quality, pinned_files
from equipoise_server.events.values import EventKind
from equipoise_server.experiments.actions import Restart, Stop, restart, stop
from equipoise_server.experiments.reads import experiment as experiment_with_id
from equipoise_server.experiments.values import (
    Experiment,
    ExposureTable,
    Iteration,
    MetricRole,
    PlannedMetric,
)
from equipoise_server.sources.values import SourceUnusable

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ARMS = ("control", "treatment")
TOLD = replace(TABLE, attributes=("plan", "age"))
DESIGN = {
    "metrics": (PlannedMetric("purchase", MetricRole.OEC), PlannedMetric("latency", MetricRole.GUARDRAIL)),
    "breakdowns": ("plan",),
    "covariates": ("age",),
}


@pytest.fixture(autouse=True)
def own_sources(own_disk: Path, settings: pytest.FixtureRequest) -> None:
    settings.SOURCES_DIRECTORY = own_disk / "sources"


def run_of(experiment: Experiment) -> Iteration:
    assert experiment.iteration is not None
    return experiment.iteration


def people(units: int = 300, seed: int = 5) -> list[Visit]:
    """Units that come over eight days; some meet both variants, and some buy."""
    dice, visits = random.Random(seed), []
    for number in range(units):
        arm, at = dice.randrange(2), (NOW + dice.uniform(0.01, 8) * DAY).replace(microsecond=0)
        buys = (("purchase", None, HOUR),) if dice.random() < 0.3 + 0.1 * arm else ()
        told = {"plan": dice.choice(("free", "paid")), "age": dice.randrange(20, 60)}
        did = (*buys, ("page", dice.gauss(100, 10), HOUR / 2))
        visits.append(Visit(f"u{number}", ARMS[arm], at, did, told))
        if number % 150 == 0:
            visits.append(Visit(f"u{number}", ARMS[1 - arm], at + HOUR, (), told))
    return visits


def as_rows(visits: Sequence[Visit]) -> list[Seen]:
    """The same exposures in a table, among rows of another experiment and rows that repeat."""
    rows = []
    for visit in visits:
        told = visit.attributes or {}
        row = Seen(
            visit.unit, visit.at, ARMS.index(visit.arm), plan=str(told["plan"]), age=float(str(told["age"]))
        )
        rows += [row, replace(row, at=visit.at + 3 * HOUR), replace(row, experiment="another", variation=7)]
    return rows


def plain_rows(units: int, *, at: timedelta = HOUR) -> list[Seen]:
    return [Seen(f"u{n}", NOW + at, n % 2) for n in range(units)]


def exposed(report: Report | None) -> dict[str, int]:
    assert report is not None
    return {arm.arm: arm.exposed for arm in report.arms}


def started(shop: Shop, rows: Sequence[Seen], table: ExposureTable = TABLE) -> Iteration:
    """A run since NOW whose table has these rows."""
    written_exposures(rows)
    an_exposure_source(shop)
    return run_of(an_outside_experiment(shop, an_outside_design(table)))


def told(report: Report) -> Report:
    """The report without its run's id, its cost, and who was assigned, which no table says."""
    return replace(report, iteration_id=UUID(int=0), cost=None, funnel=None)


def test_a_table_gives_the_report_that_the_same_exposures_give_as_events() -> None:
    visits = people()
    theirs = a_shop("theirs", "grace@example.com")
    written_exposures(as_rows(visits))
    an_exposure_source(theirs)
    outside = run_of(an_outside_experiment(theirs, an_outside_design(TOLD, **DESIGN)))
    inside = run_of(a_running_experiment(a_shop("ours"), design=a_design(looks=None, **DESIGN)))
    for days in (3, 6, 9, 16):
        now = NOW + days * DAY
        so_far = [visit for visit in visits if now - 3 * DAY <= visit.at < now]
        visited(inside, so_far, now=now)
        acted(outside, so_far, now=now)
        events, rows = refresh(inside.id, now), refresh(outside.id, now)
        assert told(rows) == told(events)
    assert rows.results is not None
    assert rows.funnel is not None
    assert rows.funnel.reason == "units are assigned outside"
    assert sum(arm.crossed for arm in rows.arms) == 2


def test_a_refresh_reads_new_rows_and_the_first_of_a_day_all_of_them() -> None:
    shop = a_shop()
    iteration = started(shop, [*plain_rows(10, at=HOUR), *plain_rows(60, at=4 * DAY)])
    readings = []
    for now, late in ((NOW + 5 * DAY, 0), (NOW + 5 * DAY + HOUR, 1), (NOW + 6 * DAY, 0)):
        if late:
            rows = [*plain_rows(10, at=HOUR), *plain_rows(60, at=4 * DAY)]
            early = Seen("late-and-early", NOW + 2 * HOUR, 1)
            written_exposures([*rows, early, Seen("late", NOW + 3 * DAY, 0)])
        report = refresh(iteration.id, now)
        reading = reads.last_reading(iteration)
        assert reading is not None
        readings.append((reading.cost.rows, reading.taken, sum(exposed(report).values())))
    assert readings == [(70, 60, 60), (61, 1, 61), (72, 1, 62)]


def test_a_table_that_tells_no_order_is_read_whole_each_time() -> None:
    iteration = started(a_shop(), plain_rows(20), replace(TABLE, overlap_hours=None))
    for hours in (30, 31):
        refresh(iteration.id, NOW + hours * HOUR)
        reading = reads.last_reading(iteration)
        assert reading is not None
        assert reading.whole_at == reading.read_at == NOW + hours * HOUR


def test_what_is_read_again_is_not_counted_as_sent_again() -> None:
    iteration = started(a_shop(), plain_rows(20))
    for hours in (2, 3, 30):
        refresh(iteration.id, NOW + hours * HOUR)
    numbers = data_quality(iteration.environment_id)
    assert (numbers.received, numbers.stored, numbers.duplicates) == (20, 20, 0)


def test_rows_before_the_start_and_after_now_do_not_count() -> None:
    rows = [*plain_rows(10), Seen("before", NOW - HOUR, 0), Seen("after", NOW + 9 * DAY, 1)]
    iteration = started(a_shop(), rows)
    assert exposed(refresh(iteration.id, NOW + DAY)) == {"control": 5, "treatment": 5}


def test_a_run_that_began_outside_before_is_counted_since_then() -> None:
    table = replace(TABLE, since=NOW - 3 * DAY)
    rows = [*plain_rows(10, at=-2 * DAY), Seen("too early", NOW - 4 * DAY, 0)]
    iteration = started(a_shop(), rows, table)
    assert iteration.started_at == NOW - 3 * DAY
    assert exposed(refresh(iteration.id, NOW + DAY)) == {"control": 5, "treatment": 5}


def test_the_split_is_judged_and_a_broken_one_withholds_every_number() -> None:
    rows = [Seen(f"u{n}", NOW + HOUR, int(n % 4 == 0)) for n in range(2_000)]
    iteration = started(a_shop(), rows)
    report = refresh(iteration.id, NOW + 2 * DAY)
    assert report.srm.state in {SrmState.ALERTED, SrmState.LOCKED}
    assert report.results is None


def test_a_variant_that_turns_up_later_is_told_and_never_passes_for_an_arm() -> None:
    shop = a_shop()
    iteration = started(shop, plain_rows(200))
    written_exposures([*plain_rows(200), *(Seen(f"third{n}", NOW + HOUR, 2) for n in range(30))])
    report = refresh(iteration.id, NOW + 2 * DAY)
    assert exposed(report) == {"control": 100, "treatment": 100}
    assert any("“2”" in note.message or "2" in note.title for note in report.notes)


def test_rows_without_a_variant_or_a_unit_are_left_out_and_counted() -> None:
    rows = [*plain_rows(10), Seen("nothing", NOW + HOUR, None), Seen("x" * 300, NOW + HOUR, 1)]
    iteration = started(a_shop(), [*rows, Seen(None, NOW + HOUR, 1), Seen("", NOW + HOUR, 1)])
    assert exposed(refresh(iteration.id, NOW + DAY)) == {"control": 5, "treatment": 5}
    reading = reads.last_reading(iteration)
    assert reading is not None
    assert reading.unusable == 2


def test_a_table_that_is_gone_stops_the_refresh_by_name_and_keeps_the_last_report() -> None:
    iteration = started(a_shop(), plain_rows(200))
    held = refresh(iteration.id, NOW + 2 * DAY)
    written_exposures([]).unlink()
    with pytest.raises(SourceUnusable) as failure:
        refresh(iteration.id, NOW + 3 * DAY)
    (problem,) = failure.value.problems
    assert problem.field == "exposures.sql"
    start = "The exposures of “checkout-button” cannot be read. The source “exposures@1”: "
    assert problem.message.startswith(start)
    assert problem.message.endswith("Revise the source or its files.")
    assert reads.report_of(iteration.id) == held


def test_a_column_that_changed_is_named_with_those_that_are_there() -> None:
    iteration = started(a_shop(), plain_rows(20))
    target = written_exposures(plain_rows(20))
    database = duckdb.connect(":memory:")
    database.execute(f"CREATE TABLE e AS SELECT * RENAME (variation_id AS arm) FROM read_parquet('{target}')")
    database.execute(f"COPY e TO '{target}' (FORMAT PARQUET)")
    database.close()
    with pytest.raises(SourceUnusable) as failure:
        refresh(iteration.id, NOW + DAY)
    (problem,) = failure.value.problems
    assert problem.field == "exposures.columns.variation_id"
    assert (
        "There is no column “variation_id”; there are: user_id, seen_at, experiment_id, arm"
        in problem.message
    )


def test_a_project_that_hides_ids_keeps_none_of_the_table() -> None:
    owner = an_admin()
    project = create_project(owner, CreateProject("shop", "Shop", is_pseudonymised=True), now=NOW)
    shop = Shop(actor_of_user(UUID(owner.author.id)), project)
    iteration = started(shop, plain_rows(40))
    for hours in (2, 3, 30):
        report = refresh(iteration.id, NOW + hours * HOUR)
    assert exposed(report) == {"control": 20, "treatment": 20}
    files = pinned_files(iteration.environment_id, EventKind.EXPOSURE, since=NOW, until=NOW + DAY).paths
    stored = (
        duckdb.connect().sql(f"SELECT unit FROM read_parquet({[str(path) for path in files]})").fetchall()
    )
    assert len(stored) == 40
    assert not {unit for (unit,) in stored} & {f"u{n}" for n in range(40)}


def test_the_number_of_the_run_tells_a_restart_from_what_was_before() -> None:
    shop = a_shop()
    table = replace(TABLE, iteration_column="run")
    first = started(shop, plain_rows(20), table)
    held = experiment_with_id(first.experiment_id)
    again = run_of(restart(shop.owner, Restart(held.id, held.version, "mended"), now=NOW + 2 * DAY))
    rows = [Seen(f"u{n}", NOW + 3 * DAY, n % 2, run=2) for n in range(8)]
    written_exposures([*plain_rows(20), *plain_rows(20, at=3 * DAY), *rows])
    assert exposed(refresh(again.id, NOW + 4 * DAY)) == {"control": 4, "treatment": 4}
    assert exposed(refresh(first.id, NOW + 4 * DAY)) == {"control": 10, "treatment": 10}


def test_rows_after_the_end_do_not_count_and_late_ones_from_before_it_do() -> None:
    shop = a_shop()
    iteration = started(shop, plain_rows(20))
    refresh(iteration.id, NOW + DAY)
    stop(shop.owner, Stop(iteration.experiment_id, "enough"), now=NOW + DAY + HOUR)
    written_exposures([*plain_rows(22), Seen("after", NOW + DAY + 2 * HOUR, 0)])
    report = refresh(iteration.id, NOW + DAY + 3 * HOUR)
    assert exposed(report) == {"control": 11, "treatment": 11}


def test_tables_are_read_once_an_hour_while_nobody_asks() -> None:
    shop = a_shop()
    iteration = started(shop, plain_rows(20))
    assert reads.resting([iteration], now=NOW + DAY) == frozenset()
    refresh(iteration.id, NOW + DAY)
    assert reads.resting([iteration], now=NOW + DAY + 59 * HOUR / 60) == {iteration.id}
    assert reads.resting([iteration], now=NOW + DAY + HOUR) == frozenset()
    assert environment_of(shop).id == iteration.environment_id


@pytest.mark.parametrize("seed", range(2))
def test_whenever_rows_come_and_however_often_they_are_read_the_report_is_that_of_one_reading(
    seed: int,
) -> None:
    dice = random.Random(seed)
    rows = [
        Seen(f"u{dice.randrange(60)}", NOW + dice.uniform(0, 6 * 24) * HOUR, int(dice.random() < 0.5))
        for _ in range(120)
    ]
    at_once = a_shop("at-once", "grace@example.com")
    shop, end = a_shop(), NOW + 8 * DAY
    table = replace(TABLE, overlap_hours=dice.randrange(1, 30))
    iteration = started(shop, [], table)
    arrived: list[Seen] = []
    for hours in sorted(dice.sample(range(1, 7 * 24), 3)):
        now = NOW + hours * HOUR
        arrived += [row for row in rows if row.at < now and row not in arrived and dice.random() < 0.7]
        written_exposures(arrived)
        refresh(iteration.id, now)
    written_exposures(rows)
    once = started(at_once, rows, table)
    read_piecewise, read_once = refresh(iteration.id, end), refresh(once.id, end)
    assert told(read_piecewise) == told(read_once)
    assert exposed(read_once)["control"] + exposed(read_once)["treatment"] == len({row.unit for row in rows})
