"""Reports: live counts every time, decision numbers at looks alone, and nothing at all on a broken split."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from people import NOW
from scenes import Shop, a_design, a_draft_experiment, a_running_experiment, a_shop, launched
from traffic import Visit, visited

from equipoise_server.analysis import models, reads
from equipoise_server.analysis.actions import rebuild, refresh
from equipoise_server.analysis.values import Conclusion, Method, NoteLevel, Report, SrmState
from equipoise_server.audit.models import AuditRecord
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.actions import Stop, stop
from equipoise_server.experiments.values import Arm, Experiment, Iteration, VerdictState

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0) + DAY


def a_sequence(shop: Shop) -> Experiment:
    """A running experiment that plans no looks, so that its intervals are sequences."""
    return a_running_experiment(shop, design=a_design(looks=None))


def iteration_of(experiment: Experiment) -> Iteration:
    assert experiment.iteration is not None
    return experiment.iteration


def shoppers(
    units: int, rates: tuple[float, ...], *, days: float = 10.0, since: datetime = NOW, seed: int = 1
) -> Iterator[Visit]:
    """Units spread over days and arms, who buy at their arm's rate and see one page of 100 ms each."""
    dice = random.Random(seed)
    arms = ("control", "treatment")
    for unit in range(units):
        place = unit % len(rates)
        at = since + days * DAY * (unit / units)
        did = [("page", dice.gauss(100, 10), HOUR / 60)]
        if dice.random() < rates[place]:
            did.append(("purchase", None, HOUR))
        yield Visit(f"{since:%d}-u{unit}", arms[place], at, tuple(did))


def refreshed(iteration: Iteration, at: datetime) -> Report:
    report = refresh(iteration.id, at)
    assert reads.report_of(iteration.id) == report
    assert (report.results is None) is not (report.withheld is None)
    return report


def split(control: int, treatment: int) -> Iterator[Visit]:
    """Exposures alone, in one hour."""
    for arm, units in (("control", control), ("treatment", treatment)):
        for unit in range(units):
            yield Visit(
                f"{arm}-{unit}", arm, NOW + HOUR, (("purchase", None, HOUR),) if unit % 9 == 0 else ()
            )


def numbers_in(document: object) -> Iterator[float]:
    """Every number of a JSON document."""
    if isinstance(document, dict):
        for value in document.values():
            yield from numbers_in(value)
    elif isinstance(document, list):
        for value in document:
            yield from numbers_in(value)
    elif isinstance(document, int | float):
        yield document


def test_fifty_thousand_against_forty_eight_thousand_shows_no_metric_number_anywhere() -> None:
    iteration = iteration_of(a_sequence(a_shop()))
    visited(iteration, split(50_000, 48_000), now=NOW + 2 * HOUR)
    report = refreshed(iteration, NOW + 3 * HOUR)
    assert report.verdict is VerdictState.WITHHELD_SRM
    assert report.srm.state is SrmState.LOCKED
    assert report.srm.p_value == pytest.approx(1.68e-10, rel=0.01)
    assert report.results is None
    assert report.withheld is not None
    assert "50,000 (Grey) and 48,000 (Green)" in report.withheld.explanation
    assert "The chance of that is 1 in 6.0 billion" in report.withheld.explanation
    assert report.withheld.what_to_check
    told = report.srm
    assert set(numbers_in(models.StoredReport.objects.get().report)) == {
        50_000, 48_000, 0.5, 0, 1, told.p_value, told.log_e_value,
        98_000,  # as many units have to come before it can be a false alarm
    }  # fmt: skip
    assert not models.Look.objects.exists()
    (audited,) = AuditRecord.objects.filter(action="experiment.verdict")
    assert [change["after"] for change in audited.changes] == [{"state": "withheld_srm"}]
    assert "%" not in report.sentence.replace("50 %", "")
    verdict = experiments.experiment(iteration.experiment_id).verdict
    assert verdict is not None
    assert verdict.blocks_shipping


def test_numbers_found_before_the_split_broke_are_taken_away() -> None:
    iteration = iteration_of(a_sequence(a_shop()))
    visited(iteration, shoppers(4_000, (0.1, 0.1), days=2), now=NOW + 3 * DAY)
    assert refreshed(iteration, NOW + 2 * DAY).results is not None
    assert models.Look.objects.exists()
    lost = (
        visit for visit in shoppers(3_000, (0.1, 0.1), since=NOW + 2 * DAY, days=1) if visit.arm == "control"
    )
    visited(iteration, lost, now=NOW + 3 * DAY)
    report = refreshed(iteration, NOW + 3 * DAY)
    assert report.verdict is VerdictState.WITHHELD_SRM
    assert not models.Look.objects.exists()
    assert "%" not in report.sentence.replace("50 %", "")


def test_a_split_that_was_broken_on_a_closed_day_stays_locked() -> None:
    iteration = iteration_of(a_sequence(a_shop()))
    visited(iteration, (v for v in shoppers(120, (0.1, 0.1), days=0.2) if v.arm == "control"), now=MIDNIGHT)
    later = (v for v in shoppers(110, (0.1, 0.1), since=MIDNIGHT, days=0.5) if v.arm == "treatment")
    visited(iteration, later, now=MIDNIGHT + DAY)
    visited(iteration, shoppers(2_000, (0.1, 0.1), since=MIDNIGHT + DAY, days=0.1), now=MIDNIGHT + 2 * DAY)
    report = refreshed(iteration, MIDNIGHT + 2 * DAY + HOUR)
    assert report.srm.p_value is not None
    assert report.srm.p_value > 0.05
    assert report.verdict is VerdictState.WITHHELD_SRM


def test_without_exposures_the_report_says_so() -> None:
    iteration = iteration_of(a_sequence(a_shop()))
    report = refreshed(iteration, NOW + 2 * DAY)
    assert report.verdict is VerdictState.NO_DATA
    assert report.withheld is not None
    assert [arm.exposed for arm in report.arms] == [0, 0]


def test_counts_are_live_and_decision_numbers_move_at_closed_days_alone() -> None:
    iteration = iteration_of(a_sequence(a_shop()))
    visited(iteration, shoppers(3_000, (0.1, 0.12), days=0.5), now=NOW + 2 * DAY)
    first = refreshed(iteration, MIDNIGHT - HOUR)
    assert first.verdict is VerdictState.TOO_EARLY
    look = refreshed(iteration, MIDNIGHT + HOUR)
    visited(iteration, shoppers(2_000, (0.3, 0.1), since=MIDNIGHT, days=0.1), now=NOW + 2 * DAY)
    live = refreshed(iteration, MIDNIGHT + 4 * HOUR)
    assert [arm.exposed for arm in live.arms] == [2_500, 2_500]
    assert live.results == look.results
    moved = refreshed(iteration, MIDNIGHT + DAY)
    assert moved.results is not None
    assert live.results is not None
    assert moved.results.looked_at == MIDNIGHT + DAY
    assert moved.results.rows != live.results.rows
    assert [point.day for point in moved.results.lift_over_time] == [NOW.date(), MIDNIGHT.date()]


def test_a_back_filled_iteration_gets_a_look_for_each_of_its_days() -> None:
    iteration = iteration_of(a_sequence(a_shop()))
    visited(iteration, shoppers(6_000, (0.1, 0.14)), now=NOW + 10 * DAY)
    report = refreshed(iteration, NOW + 10 * DAY)
    assert report.results is not None
    assert report.results.method is Method.CONFIDENCE_SEQUENCE
    assert len(report.results.lift_over_time) == 10
    numbers = [look.found["number"] for look in models.Look.objects.order_by("number")]
    assert numbers == list(range(1, 11))
    smallest = [
        look.found["smallest_p"]["purchase/treatment"] for look in models.Look.objects.order_by("number")[3:]
    ]
    assert smallest == sorted(smallest, reverse=True)
    last = report.exposures_over_time[-2:]
    assert [point.units for point in last] == [3_000, 3_000]
    assert [point.p_value for point in report.srm.history][-1] == report.srm.p_value


def test_a_refresh_again_changes_nothing_but_its_time() -> None:
    iteration = iteration_of(a_sequence(a_shop()))
    visited(iteration, shoppers(2_000, (0.1, 0.14)), now=NOW + 10 * DAY)
    first = refreshed(iteration, NOW + 10 * DAY)
    again = refreshed(iteration, NOW + 10 * DAY + HOUR)
    assert replace(again, computed_at=first.computed_at, srm=first.srm) == first
    assert replace(rebuild(iteration.id, NOW + 10 * DAY), computed_at=first.computed_at) == first


def test_a_report_and_looks_of_another_release_are_made_again() -> None:
    iteration = iteration_of(a_sequence(a_shop()))
    visited(iteration, shoppers(2_000, (0.1, 0.14)), now=NOW + 10 * DAY)
    first = refreshed(iteration, NOW + 10 * DAY)
    assert reads.outdated_reports() == ()
    stored, look = models.StoredReport.objects.get(), models.Look.objects.get(number=3)
    del stored.report["results"]["rows"][0]["lift"]
    del look.found["rows"][0]["lift"]
    stored.save()
    look.save()
    assert reads.report_of(iteration.id) is None
    assert reads.outdated_reports() == (iteration.id,)
    assert refreshed(iteration, NOW + 10 * DAY) == first
    assert reads.outdated_reports() == ()


def test_a_clear_win_reads_as_one_sentence() -> None:
    iteration = iteration_of(a_sequence(a_shop()))
    visited(iteration, shoppers(12_000, (0.1, 0.15)), now=NOW + 10 * DAY)
    report = refreshed(iteration, NOW + 10 * DAY)
    assert report.verdict is VerdictState.WINNING
    assert report.sentence.startswith("Green raises Purchase by ")
    assert "The guardrail Latency holds." in report.sentence
    assert report.results is not None
    purchase, latency = report.results.rows
    assert purchase.conclusion is Conclusion.BETTER
    assert purchase.lift_interval is not None
    assert purchase.lift_interval.low is not None
    assert purchase.lift_interval.low > 0
    assert latency.guardrail is not None
    assert latency.guardrail.margin_text == "at most 5.0 % lower than control"


def test_exposures_and_outcomes_after_the_stop_are_left_out() -> None:
    shop = a_shop()
    running = a_sequence(shop)
    visited(iteration_of(running), shoppers(6_000, (0.1, 0.1)), now=NOW + 10 * DAY)
    stopped = stop(shop.owner, Stop(running.id, "It has run long enough."), now=NOW + 5 * DAY)
    iteration = iteration_of(stopped)
    report = refreshed(iteration, NOW + 10 * DAY)
    assert [arm.exposed for arm in report.arms] == [1_500, 1_500]
    assert report.results is not None
    assert report.results.looked_at == NOW + 5 * DAY
    assert report.verdict is VerdictState.INCONCLUSIVE
    assert reads.has_final_report(iteration.id, stopped_at=iteration.stopped_at)


def test_a_harmful_treatment_sounds_the_alarm_between_looks() -> None:
    iteration = iteration_of(a_sequence(a_shop()))
    dice = random.Random(4)
    visits = (
        Visit(f"u{n}", ("control", "treatment")[n % 2], NOW + HOUR,
              (("page", dice.gauss(100 if n % 2 == 0 else 60, 10), HOUR),))
        for n in range(2_000)
    )  # fmt: skip
    visited(iteration, visits, now=NOW + 3 * HOUR)
    report = refreshed(iteration, NOW + 3 * HOUR)
    assert report.verdict is VerdictState.GUARDRAIL_BREACHED
    look = refreshed(iteration, MIDNIGHT + HOUR)
    assert look.verdict is VerdictState.GUARDRAIL_BREACHED
    assert look.results is not None
    assert [row.guardrail.is_breached for row in look.results.rows if row.guardrail] == [True]
    verdict = experiments.experiment(iteration.experiment_id).verdict
    assert verdict is not None
    assert any("Latency" in reason for reason in verdict.blocks_shipping)


def test_crossers_are_noted_and_too_many_withhold_the_results() -> None:
    iteration = iteration_of(a_sequence(a_shop()))
    visited(iteration, shoppers(2_000, (0.1, 0.1), days=0.4), now=MIDNIGHT)
    visited(
        iteration,
        [Visit(f"{NOW:%d}-u{n}", "treatment", NOW + 12 * HOUR) for n in range(0, 12, 2)],
        now=MIDNIGHT,
    )
    noted = refreshed(iteration, MIDNIGHT)
    assert [(n.key, n.level) for n in noted.notes if n.key == "crossed_units"] == [
        ("crossed_units", NoteLevel.WARN)
    ]
    assert [arm.crossed for arm in noted.arms] == [6, 0]
    visited(
        iteration,
        [Visit(f"{NOW:%d}-u{n}", "treatment", NOW + 13 * HOUR) for n in range(12, 80, 2)],
        now=MIDNIGHT,
    )
    withheld = refreshed(iteration, MIDNIGHT + HOUR)
    assert withheld.withheld is not None
    assert withheld.withheld.title == "Results are withheld: units met several variants"
    assert not models.Look.objects.exists()


def test_unknown_variants_and_events_without_the_unit_type_are_noted() -> None:
    shop = a_shop()
    iteration = iteration_of(a_sequence(shop))
    visited(iteration, shoppers(1_000, (0.2, 0.2), days=0.4), now=MIDNIGHT)
    visited(iteration, [Visit("u-x", "purple", NOW + HOUR)], now=MIDNIGHT)
    account = replace(iteration, design=replace(iteration.design, unit_type="account"))
    visited(
        account,
        [Visit(f"a{n}", "control", NOW, (("purchase", None, HOUR),)) for n in range(50)],
        now=MIDNIGHT,
    )
    notes = {note.key: note.title for note in refreshed(iteration, MIDNIGHT).notes}
    assert "“purple”" in notes["unknown_variant"]
    assert "“purchase” events carry no user id" in notes["join_loss"]


def test_three_arms_are_compared_with_control_each() -> None:
    shop = a_shop()
    flag = {"checkout-button": "green"}
    design = a_design(looks=None)
    arms = (*design.arms, Arm("third", "Greener", 2, flag))
    draft = a_draft_experiment(shop, design=replace(design, arms=arms))
    iteration = iteration_of(launched(shop, draft))
    dice = random.Random(2)
    visits = (
        Visit(f"u{n}", ("control", "treatment", "third", "third")[n % 4], NOW + n * HOUR / 100,
              (("purchase", None, HOUR),) if dice.random() < 0.1 else ())
        for n in range(4_000)
    )  # fmt: skip
    visited(iteration, visits, now=NOW + 3 * DAY)
    report = refreshed(iteration, NOW + 3 * DAY)
    assert [(arm.exposed, arm.planned_share) for arm in report.arms] == [
        (1_000, 0.25),
        (1_000, 0.25),
        (2_000, 0.5),
    ]
    assert report.results is not None
    assert [(row.metric, row.arm) for row in report.results.rows] == [
        ("purchase", "treatment"), ("purchase", "third"), ("latency", "treatment"), ("latency", "third")
    ]  # fmt: skip


def test_a_guardrail_that_one_treatment_fails_blocks_that_treatment_alone() -> None:
    shop = a_shop()
    design = a_design(looks=None)
    arms = (*design.arms, Arm("third", "Greener", 1, {"checkout-button": "green"}))
    draft = a_draft_experiment(shop, design=replace(design, arms=arms))
    iteration = iteration_of(launched(shop, draft))
    dice = random.Random(3)
    speed = {"control": 100, "treatment": 100, "third": 92}
    visits = []
    for unit in range(15_000):
        arm = ("control", "treatment", "third")[unit % 3]
        did = [("page", dice.gauss(speed[arm], 10), HOUR)]
        if dice.random() < (0.1 if arm == "control" else 0.16):
            did.append(("purchase", None, HOUR))
        visits.append(Visit(f"u{unit}", arm, NOW + 9 * DAY * unit / 15_000, tuple(did)))
    visited(iteration, visits, now=NOW + 10 * DAY)
    report = refreshed(iteration, NOW + 10 * DAY)
    verdict = experiments.experiment(iteration.experiment_id).verdict
    assert verdict is not None
    assert verdict.blocks_shipping == ()
    assert list(verdict.blocks_arms) == ["third"]
    assert [alarm.arm for alarm in report.alarms] == ["third"]
