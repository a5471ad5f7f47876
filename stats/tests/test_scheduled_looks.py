"""Planned looks in an analysis: repeated intervals, the ledger, under- and over-run, epochs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from judged_experiments import CONVERSION, CRASHES, METRICS, REVENUE, a_design, evidence, moments, results

from equipoise_stats import (
    AllocationEpoch,
    Design,
    DesignError,
    GuardrailVerdict,
    Interval,
    Ledger,
    LookPlan,
    Method,
    MetricRole,
    Results,
    Significance,
    Status,
    Undefined,
    Verdict,
    Withheld,
    analyse,
    equal_looks,
    group_sequential_bounds,
    union_bounds,
    welch,
)

ARM = 10_000  # units of an arm at the planned end


def planned(design: Design | None = None, *, ended: bool = False) -> Design:
    return replace(design or a_design(), looks=LookPlan(), planned_end_reached=ended)


def look(n: int, ledger: Ledger | None, design: Design | None = None, **values: float) -> Results:
    seen = evidence(moments(n), moments(n, **values))
    return results(analyse(replace(seen, ledger=ledger or Ledger()), design or planned()))


def looks(*units: int, **values: float) -> list[Results]:
    found: list[Results] = []
    for n in units:
        found.append(look(n, found[-1].ledger if found else None, **values))
    return found


def test_every_look_gives_repeated_intervals_with_the_bounds_of_the_plan() -> None:
    found = looks(2_000, 4_000, 6_000, 8_000, 10_000)
    expected = group_sequential_bounds(equal_looks(5)).critical
    for shown, critical in zip(found, expected, strict=True):
        row = shown.of("revenue", "treatment")
        assert shown.method is Method.GROUP_SEQUENTIAL
        assert row.look is not None
        assert row.look.critical == pytest.approx(critical)
        assert isinstance(row.effect, Interval)
        error = (row.effect.upper - row.effect.lower) / 2 / critical
        fixed = welch(row.treatment_estimate, row.control_estimate)
        assert isinstance(fixed, Interval)
        assert error == pytest.approx((fixed.upper - fixed.lower) / 2 / 1.96, rel=1e-3)


def test_the_last_look_needs_hardly_more_than_a_fixed_test() -> None:
    last = looks(2_000, 4_000, 6_000, 8_000, 10_000)[-1].of("revenue", "treatment").look
    assert last is not None
    assert last.is_last
    assert last.critical == pytest.approx(2.031, abs=0.001)


def test_effect_lift_and_p_value_agree_at_every_look() -> None:
    for shown in looks(3_000, 6_000, 10_000, conversion=0.115):
        row = shown.of("conversion", "treatment")
        assert isinstance(row.effect, Interval)
        assert isinstance(row.lift, Interval)
        assert row.p_value is not None
        assert row.effect.excludes_zero is row.lift.excludes_zero is (row.p_value <= 0.05)
        assert row.look is not None
        assert row.look.has_crossed is row.effect.excludes_zero


def test_a_look_taken_twice_gives_the_same_answer() -> None:
    first, second = looks(4_000, 8_000)
    assert look(8_000, second.ledger) == second
    assert look(8_000, first.ledger) == second


def test_a_page_that_is_read_again_adds_no_look() -> None:
    (first,) = looks(4_000)
    again = look(4_020, first.ledger)
    row = again.of("conversion", "treatment")
    assert row.effect == Undefined(Status.LOOK_SKIPPED)
    assert row.significance is Significance.UNKNOWN
    assert again.ledger == first.ledger
    assert again.verdict is Verdict.KEEP_RUNNING


def test_an_experiment_that_ends_early_spends_the_rest() -> None:
    first = look(4_000, None)
    ended = look(8_000, first.ledger, planned(ended=True)).of("revenue", "treatment").look
    running = look(8_000, first.ledger).of("revenue", "treatment").look
    assert ended is not None
    assert running is not None
    assert ended.alpha_spent == 0.05
    assert ended.critical < running.critical


def test_the_end_without_a_new_unit_turns_the_last_look_into_the_final_one() -> None:
    first = look(8_000, None)
    ended = look(8_000, first.ledger, planned(ended=True))
    final = ended.of("revenue", "treatment").look
    assert final is not None
    assert final.is_last
    assert ended.ledger is not None
    assert len(ended.ledger.of("revenue", "treatment")) == 1


def test_nothing_is_claimed_after_the_end() -> None:
    last = looks(5_000, 10_000)[-1]
    later = look(12_000, last.ledger, planned(ended=True), conversion=0.2)
    assert later.of("conversion", "treatment").effect == Undefined(Status.LOOKS_ENDED)
    assert later.of("crashes", "treatment").guardrail.reason is Status.LOOKS_ENDED
    assert later.ledger == last.ledger


def test_few_events_wait_until_the_end() -> None:
    rare = planned(a_design(replace(CONVERSION), CRASHES))
    first = look(4_000, None, rare, crashes=0.002)
    assert first.of("crashes", "treatment").status is Status.TOO_EARLY
    assert first.ledger is not None
    assert first.ledger.of("crashes", "treatment") == ()
    last = look(10_000, first.ledger, rare, crashes=0.002)
    row = last.of("crashes", "treatment")
    assert row.status is Status.OK
    assert row.guardrail.verdict is GuardrailVerdict.PASS
    assert isinstance(row.effect, Interval)
    assert row.effect.confidence == 0.95
    assert row.p_value is not None


def test_few_events_without_a_baseline_have_no_lift() -> None:
    design = planned(a_design(CONVERSION, CRASHES))
    seen = evidence(moments(10_000, crashes=0.0), moments(10_000, crashes=0.001))
    row = results(analyse(seen, design)).of("crashes", "treatment")
    assert row.lift == Undefined(Status.ZERO_CONTROL)
    assert row.status is Status.OK


def test_small_arms_get_no_interval_at_any_look() -> None:
    assert look(90, None).of("conversion", "treatment").status is Status.TOO_EARLY
    ended = look(90, None, planned(ended=True))
    assert ended.of("revenue", "treatment").status is Status.TOO_FEW_UNITS


def test_a_guardrail_has_its_own_one_sided_bound() -> None:
    first, last = looks(4_000, 10_000)
    for shown, t in ((first, (0.4,)), (last, (0.4, 1.0))):
        found = shown.of("crashes", "treatment").guardrail
        critical = group_sequential_bounds(t, two_sided=False).critical[-1]
        error = (2 * 0.02 * 0.98 / (4_000 if shown is first else 10_000)) ** 0.5
        assert (found.upper - found.lower) / 2 == pytest.approx(critical * error, rel=1e-3)


def test_an_open_ended_metric_is_bounded_without_trust_in_its_looks() -> None:
    growing = replace(REVENUE, role=MetricRole.OEC, open_ended=True)
    design = replace(planned(a_design(growing)), planned_days=14.0)
    seen = replace(evidence(moments(5_000), moments(5_000)), observed_days=7.0)
    found = results(analyse(seen, design)).of("revenue", "treatment").look
    assert found is not None
    assert found.information == 0.5
    assert found.critical == pytest.approx(union_bounds((0.5,)).critical[0])


def test_several_treatments_share_alpha_by_holm_at_their_look() -> None:
    design = planned(a_design(treatments=2))
    seen = evidence(moments(6_000), moments(6_000, conversion=0.12), moments(6_000))
    found = results(analyse(seen, design))
    assert found.of("conversion", "treatment").significance is Significance.BETTER
    adjusted = found.of("conversion", "treatment").adjusted_p_value
    alone = found.of("conversion", "treatment").p_value
    assert alone is not None
    assert adjusted == pytest.approx(2 * alone)


def test_a_plan_of_looks_names_what_it_lacks() -> None:
    design = replace(planned(a_design(replace(CONVERSION, open_ended=True))), expected_units=None)
    with pytest.raises(DesignError) as refused:
        analyse(evidence(moments(), moments()), design)
    assert len(refused.value.problems) == 2
    with pytest.raises(DesignError, match="planned_days"):
        analyse(evidence(moments(), moments()), replace(a_design(), planned_days=0.0))


def test_without_a_planned_end_there_is_no_ledger() -> None:
    found = results(analyse(evidence(moments(), moments()), a_design(*METRICS)))
    assert found.ledger is None
    assert found.of("revenue", "treatment").look is None


def test_a_ramp_is_judged_epoch_by_epoch() -> None:
    control, treatment = moments(14_900), moments(5_100)
    ramp = (AllocationEpoch((9_900, 100), (0.99, 0.01)), AllocationEpoch((5_000, 5_000), (1, 1)))
    seen = evidence(control, treatment)
    assert isinstance(analyse(seen, a_design()), Withheld)
    assert isinstance(analyse(replace(seen, epochs=ramp), a_design()), Results)


def test_epochs_that_do_not_fit_the_plan_are_named() -> None:
    epochs = (AllocationEpoch((1,), (1, 1)), AllocationEpoch((1, -1), (1, 1)))
    with pytest.raises(DesignError) as refused:
        analyse(replace(evidence(moments(), moments()), epochs=epochs), a_design())
    assert len(refused.value.problems) == 2
