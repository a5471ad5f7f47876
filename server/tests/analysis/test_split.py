"""The sample-ratio gate: withheld at once, confirmed at the next look or by certainty, else released."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from people import NOW
from scenes import a_design, a_running_experiment, a_shop
from traffic import Visit, visited

from equipoise_server.analysis import models, reads
from equipoise_server.analysis.actions import refresh
from equipoise_server.analysis.moments import DayCount
from equipoise_server.analysis.split import Watch, watched
from equipoise_server.analysis.values import Report, Srm, SrmState
from equipoise_server.experiments.values import Iteration, VerdictState

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0) + DAY


def an_iteration() -> Iteration:
    found = a_running_experiment(a_shop(), design=a_design(looks=None)).iteration
    assert found is not None
    return found


def counts(*days: tuple[int, int]) -> list[DayCount]:
    """New units of control and treatment, day by day."""
    return [
        DayCount(NOW.date() + place * DAY, arm, units, 0)
        for place, day in enumerate(days)
        for arm, units in zip(("control", "treatment"), day, strict=True)
    ]


def after(
    iteration: Iteration, *days: tuple[int, int], held: Watch | None = None, at: timedelta = HOUR
) -> tuple[Srm, Watch]:
    return watched(iteration, counts(*days), held or Watch(), now=NOW.replace(hour=0) + len(days) * DAY + at)


# p is about 7e-4 here, and the e-value far below 1,000.
ODD, EVEN = (5_000, 5_340), (6_000, 5_990)


def test_a_mismatch_withholds_at_once_and_is_let_go_when_the_next_look_does_not_confirm_it() -> None:
    iteration = an_iteration()
    live, watch = watched(iteration, counts(ODD), Watch(), now=MIDNIGHT - HOUR)
    assert live.state is SrmState.ALERTED
    assert live.p_value is not None
    assert live.p_value < 0.001
    assert watch == Watch(None, MIDNIGHT - HOUR, None)
    still, watch = watched(iteration, counts((5_200, 5_345)), watch, now=MIDNIGHT - HOUR / 2)
    assert still.state is SrmState.ALERTED
    released, watch = after(iteration, (6_000, 6_100), held=watch)
    assert released.state is SrmState.PASS
    assert watch == Watch(MIDNIGHT, None, None)


def test_a_mismatch_at_two_looks_running_is_confirmed_for_good() -> None:
    iteration = an_iteration()
    alerted, watch = after(iteration, ODD)
    assert alerted.state is SrmState.ALERTED
    locked, watch = after(iteration, ODD, (0, 20), held=watch)
    assert locked.state is SrmState.LOCKED
    assert locked.confirmed_at == MIDNIGHT + DAY
    healed, watch = after(iteration, ODD, (0, 20), (90_000, 90_000), held=watch)
    assert healed.state is SrmState.LOCKED
    assert healed.p_value is not None
    assert healed.p_value > 0.01
    assert watch.confirmed_at == MIDNIGHT + DAY


def test_certainty_confirms_between_looks() -> None:
    iteration = an_iteration()
    live, watch = watched(iteration, counts((50_000, 48_000)), Watch(), now=MIDNIGHT - HOUR)
    assert live.state is SrmState.LOCKED
    assert watch.confirmed_at == MIDNIGHT - HOUR
    again, _ = after(iteration, (50_000, 48_000), held=watch)
    assert again.confirmed_at == MIDNIGHT - HOUR
    late, _ = after(iteration, (50_000, 48_000))
    assert late.confirmed_at == MIDNIGHT


def test_looks_that_were_missed_are_judged_in_their_order() -> None:
    iteration = an_iteration()
    found, watch = after(iteration, ODD, (30_000, 29_900))
    assert found.state in {SrmState.PASS, SrmState.WARN}
    assert watch.alerted_at is None


def test_an_uneven_split_is_amber_before_it_withholds() -> None:
    found, _ = after(an_iteration(), (5_000, 5_270))
    assert found.state is SrmState.WARN
    nothing, watch = watched(an_iteration_again(), [], Watch(), now=NOW)
    assert nothing.state is SrmState.NO_DATA
    assert watch == Watch()


def an_iteration_again() -> Iteration:
    found = a_running_experiment(a_shop("other", "bob@example.com"), design=a_design(looks=None)).iteration
    assert found is not None
    return found


@pytest.mark.parametrize("ended", ["imported", "stopped"])
def test_when_no_other_look_will_come_a_mismatch_is_confirmed_at_once(ended: str) -> None:
    iteration = an_iteration()
    changed = {"imported": {"is_imported": True}, "stopped": {"stopped_at": NOW}}[ended]
    found, _ = watched(replace(iteration, **changed), counts(ODD), Watch(), now=NOW + HOUR)  # type: ignore[arg-type]
    assert found.state is SrmState.LOCKED


def broken(iteration: Iteration, at: datetime) -> Report:
    """Android loses one in eight of its treated units from the second day on."""
    visits = []
    for unit in range(24_000):
        arm = ("control", "treatment")[unit % 2]
        platform = ("ios", "android", "web")[unit // 2 % 3]
        since = NOW + DAY * 3 * unit / 24_000
        lost = since >= MIDNIGHT and platform == "android" and arm == "treatment" and unit % 16 in {1, 3}
        if not lost:
            given = {"platform": platform, "id": f"u{unit}"}
            visits.append(Visit(f"u{unit}", arm, since, attributes=given, differs=unit % 3 == 0))
    visited(iteration, visits, now=at)
    return refresh(iteration.id, at)


def test_a_withheld_report_names_the_units_that_stand_out_and_since_when() -> None:
    iteration = an_iteration()
    report = broken(iteration, NOW + 3 * DAY)
    assert report.verdict is VerdictState.WITHHELD_SRM
    assert report.results is None
    found = report.srm.localisation
    assert found is not None
    first = found.suspects[0]
    assert (first.attribute, first.value, first.is_suspect) == ("platform", "android", True)
    assert first.p_value_without is not None
    assert first.p_value_without > 0.01
    assert {one.attribute for one in found.suspects} == {"platform"}
    assert found.since in {MIDNIGHT.date(), MIDNIGHT.date() + DAY, date(2026, 3, 3)}
    assert [stage.name for stage in found.stages] == ["exposed", "in one arm alone", "triggered"]
    assert found.first_broken_stage == "exposed"
    assert report.withheld is not None
    assert "platform “android”" in report.withheld.what_to_check[0]
    assert not models.LookEvidence.objects.exists()
    assert reads.report_of(iteration.id) == report
