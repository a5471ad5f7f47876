"""An experiment is judged: what is withheld, what is claimed, and what is not known."""

from __future__ import annotations

import time
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged_experiments import (
    CLICKS,
    COLUMNS,
    CONVERSION,
    CRASHES,
    REVENUE,
    a_design,
    evidence,
    moments,
    numbers_of,
    results,
    with_counts,
    withheld,
)

from equipoise_stats import (
    Alarm,
    CheckName,
    Direction,
    Evidence,
    GuardrailVerdict,
    Interval,
    Margin,
    MarginKind,
    Method,
    MetricKind,
    MetricPlan,
    MetricRole,
    Moments,
    Outcome,
    Significance,
    Status,
    TwoRates,
    Undefined,
    Verdict,
    Withheld,
    WithheldReason,
    analyse,
    fieller_lift,
    holm,
    welch,
)

WINNER = moments(conversion=0.13, revenue=6.0)


def test_a_mismatch_withholds_every_metric() -> None:
    found = withheld(analyse(with_counts(evidence(moments(), WINNER), control=12_000), a_design()))
    assert found.reason is WithheldReason.SRM
    assert [(arm.variant, arm.units) for arm in found.arms] == [
        ("control", 12_000),
        ("treatment", 10_000),
    ]
    assert [arm.expected_units for arm in found.arms] == [11_000, 11_000]


def test_withheld_has_no_room_for_a_metric() -> None:
    assert {field.name for field in fields(Withheld)} == {"reason", "srm", "arms", "quality"}
    crossed = replace(
        evidence(moments(), WINNER), crossed={"control": 900}, largest_units={"control": {"revenue": 900.0}}
    )
    found = withheld(analyse(crossed, a_design()))
    assert found.reason is WithheldReason.QUALITY
    assert all(check.metric is None for check in found.quality)


def test_no_data_is_said_and_not_shown_as_zero() -> None:
    for given_evidence in (
        Evidence({}, {}, 0),
        Evidence({"control": 50, "treatment": 52}, {}, 1),
        Evidence({"control": 5, "treatment": 5}, {"control": Moments.empty(COLUMNS)}, 1),
    ):
        found = withheld(analyse(given_evidence, a_design()))
        assert found.reason is WithheldReason.NO_DATA


def test_a_metric_with_more_units_than_exposures_is_withheld() -> None:
    wrong = with_counts(evidence(moments(), moments()), control=9_990, treatment=9_990)
    assert withheld(analyse(wrong, a_design())).reason is WithheldReason.QUALITY


def test_data_checks_are_named() -> None:
    given_evidence = replace(
        evidence(moments(), WINNER, days=3),
        crossed={"control": 30, "treatment": 10},
        largest_units={
            "control": {"revenue": 900.0, "conversion": 1.0},
            "treatment": {"revenue": 100.0},
        },
    )
    found = results(analyse(given_evidence, a_design()))
    outcomes = {(c.name, c.variant, c.metric): (c.outcome, c.value) for c in found.quality}
    assert outcomes[CheckName.CROSSED_UNITS, None, None] == (Outcome.WARN, 0.002)
    assert outcomes[CheckName.FULL_WEEK, None, None] == (Outcome.WARN, 3)
    assert outcomes[CheckName.LARGEST_UNIT, "control", "revenue"] == (Outcome.WARN, 0.018)
    outcome, _ = outcomes[CheckName.LARGEST_UNIT, "treatment", "revenue"]
    assert outcome is Outcome.PASS
    assert (CheckName.LARGEST_UNIT, "control", "conversion") not in outcomes


def test_checks_without_material_are_unknown() -> None:
    lossy = evidence(moments(revenue=-1.0), moments())
    lossy = replace(lossy, crossed={"control": 1}, largest_units={"control": {"revenue": 1.0}, "other": {}})
    design = a_design(treatments=2)
    design = replace(design, variants=(*design.variants[:2], replace(design.variants[2], weight=0)))
    found = results(analyse(lossy, design))
    outcomes = {check.name: check.outcome for check in found.quality}
    assert outcomes[CheckName.CROSSED_UNITS] is Outcome.PASS
    assert outcomes[CheckName.LARGEST_UNIT] is Outcome.UNKNOWN
    unchecked = results(analyse(evidence(moments(), moments()), a_design()))
    assert unchecked.quality[0].outcome is Outcome.UNKNOWN


def test_a_running_experiment_shows_only_what_is_valid_at_every_look() -> None:
    found = results(analyse(evidence(moments(), WINNER), a_design()))
    assert found.method is Method.CONFIDENCE_SEQUENCE
    conversion = found.of("conversion", "treatment")
    fixed = welch(conversion.treatment_estimate, conversion.control_estimate)
    assert isinstance(conversion.effect, Interval)
    assert isinstance(fixed, Interval)
    assert conversion.effect.lower < fixed.lower < fixed.upper < conversion.effect.upper
    assert conversion.log_e_value is not None
    assert conversion.p_value == pytest.approx(np.exp(-conversion.log_e_value))


def test_the_planned_end_gives_fixed_intervals() -> None:
    found = results(analyse(evidence(moments(), WINNER), a_design(ended=True)))
    assert found.method is Method.FIXED
    revenue = found.of("revenue", "treatment")
    arms = revenue.treatment_estimate, revenue.control_estimate
    expected = welch(*arms)
    assert isinstance(revenue.effect, Interval)
    assert isinstance(expected, Interval)
    assert revenue.effect.lower == pytest.approx(expected.lower)
    lift = fieller_lift(*arms, critical=1.9600819)
    assert isinstance(revenue.lift, Interval)
    assert isinstance(lift, Interval)
    assert revenue.lift.upper == pytest.approx(lift.upper, rel=1e-4)
    assert revenue.log_e_value is None


def test_a_winner_with_proven_guardrails_is_a_ship_candidate() -> None:
    for ended in (False, True):
        found = results(analyse(evidence(moments(), WINNER), a_design(ended=ended)))
        assert found.verdict is Verdict.SHIP_CANDIDATE
        oec = found.of("conversion", "treatment")
        assert oec.significance is Significance.BETTER
        assert oec.guardrail is None
        crashes = found.of("crashes", "treatment")
        assert crashes.guardrail is not None
        assert crashes.guardrail.verdict is GuardrailVerdict.PASS
        assert isinstance(crashes.alarm, Alarm)
        assert crashes.significance is Significance.NOT_TESTED


def test_a_running_experiment_ships_nothing_before_its_first_week() -> None:
    early = evidence(moments(), WINNER, days=3)
    assert results(analyse(early, a_design())).verdict is Verdict.KEEP_RUNNING
    assert results(analyse(early, a_design(ended=True))).verdict is Verdict.SHIP_CANDIDATE


@pytest.mark.parametrize(
    ("arm", "running", "ended"),
    [
        (moments(), Verdict.KEEP_RUNNING, Verdict.INCONCLUSIVE),
        (moments(conversion=0.07), Verdict.HARMFUL, Verdict.HARMFUL),
        (moments(conversion=0.13, crashes=0.06), Verdict.ALARM, Verdict.ALARM),
        (moments(conversion=0.13, crashes=0.028), Verdict.KEEP_RUNNING, Verdict.GUARDRAIL_UNPROVEN),
    ],
)
def test_each_outcome_has_its_verdict(arm: Moments, running: Verdict, ended: Verdict) -> None:
    found = evidence(moments(), arm)
    assert results(analyse(found, a_design())).verdict is running
    assert results(analyse(found, a_design(ended=True))).verdict is ended


def test_a_guardrail_can_fail_without_an_alarm() -> None:
    tolerant = replace(CRASHES, alarm_margin=Margin(MarginKind.ABSOLUTE, 0.5))
    found = evidence(moments(), moments(crashes=0.06))
    design = a_design(CONVERSION, tolerant)
    assert results(analyse(found, design)).verdict is Verdict.GUARDRAIL_FAILED


def test_a_mean_can_be_a_guardrail() -> None:
    margin = Margin(MarginKind.RELATIVE, 0.1)
    guarded = replace(REVENUE, role=MetricRole.GUARDRAIL, margin=margin)
    for revenue, verdict in ((5.0, Verdict.SHIP_CANDIDATE), (3.0, Verdict.ALARM)):
        found = evidence(moments(), moments(conversion=0.13, revenue=revenue))
        judged = results(analyse(found, a_design(CONVERSION, guarded, ended=True)))
        assert judged.verdict is verdict


def test_secondaries_are_read_only_after_the_oec_succeeded() -> None:
    flat = moments(revenue=7.0)
    closed = results(analyse(evidence(moments(), flat), a_design())).of("revenue", "treatment")
    assert closed.significance is Significance.GATE_CLOSED
    assert closed.adjusted_p_value is None
    assert closed.p_value is not None
    found = results(analyse(evidence(moments(), WINNER), a_design()))
    pair = [found.of(key, "treatment") for key in ("revenue", "clicks")]
    raw = [result.p_value for result in pair]
    assert [result.adjusted_p_value for result in pair] == list(holm([p or 0 for p in raw]))
    assert [result.significance for result in pair] == [
        Significance.BETTER,
        Significance.NOT_SIGNIFICANT,
    ]


def test_several_treatments_share_the_oec_by_holm() -> None:
    arms = evidence(moments(), WINNER, moments(conversion=0.112))
    found = results(analyse(arms, a_design(treatments=2, ended=True)))
    oec = [found.of("conversion", key) for key in ("treatment", "other")]
    assert [r.adjusted_p_value for r in oec] == list(holm([r.p_value or 0 for r in oec]))
    assert found.of("revenue", "treatment").adjusted_p_value is not None
    assert [verdict.treatment for verdict in found.treatments] == ["treatment", "other"]
    assert found.verdict is Verdict.SHIP_CANDIDATE


def test_less_can_be_better() -> None:
    slower = replace(CONVERSION, direction=Direction.DECREASE)
    found = results(analyse(evidence(moments(), WINNER), a_design(slower)))
    assert found.of("conversion", "treatment").significance is Significance.WORSE
    assert found.verdict is Verdict.HARMFUL


def test_too_early_is_a_reason_and_not_a_number() -> None:
    tiny = evidence(moments(99), moments(99))
    few = evidence(moments(1000, conversion=0.02), moments(1000, conversion=0.02))
    for given_evidence in (tiny, few):
        found = results(analyse(given_evidence, a_design(CONVERSION))).metrics[0]
        assert found.status is Status.TOO_EARLY
        assert found.effect == found.lift == Undefined(Status.TOO_EARLY)
        assert found.significance is Significance.UNKNOWN
        assert found.mde_reached is None
        assert numbers_of(found) == []
    ended = results(analyse(tiny, a_design(CONVERSION, CRASHES, ended=True)))
    assert {result.status for result in ended.metrics} == {Status.TOO_FEW_UNITS}
    guardrail = ended.of("crashes", "treatment").guardrail
    assert guardrail is not None
    assert guardrail.reason is Status.TOO_FEW_UNITS


def test_a_sequence_needs_a_planned_size() -> None:
    design = replace(a_design(), expected_units=None)
    found = results(analyse(evidence(moments(), WINNER), design))
    assert {result.status for result in found.metrics} == {Status.NO_EXPECTED_UNITS}
    assert found.of("crashes", "treatment").alarm == Undefined(Status.NO_EXPECTED_UNITS)
    hourly = results(analyse(evidence(moments(), WINNER), replace(design, alarm_units=2000)))
    assert isinstance(hourly.of("crashes", "treatment").alarm, Alarm)
    ended = replace(design, planned_end_reached=True)
    assert results(analyse(evidence(moments(), WINNER), ended)).verdict is Verdict.SHIP_CANDIDATE


def test_few_events_at_the_planned_end_take_exact_enough_intervals() -> None:
    arms = evidence(moments(5_000, conversion=0.004), moments(5_000, conversion=0.001))
    found = results(analyse(arms, a_design(CONVERSION, ended=True))).metrics[0]
    assert found.effect == TwoRates(5, 5_000, 20, 5_000).difference()
    assert found.lift == TwoRates(5, 5_000, 20, 5_000).lift()
    assert found.mde_reached is not None


def test_nobody_in_either_arm_is_not_a_difference_of_zero() -> None:
    none = evidence(moments(conversion=0.0, crashes=0.0), moments(conversion=0.0, crashes=0.0))
    found = results(analyse(none, a_design(ended=True)))
    conversion = found.of("conversion", "treatment")
    assert conversion.status is Status.ZERO_VARIANCE
    assert numbers_of(conversion) == []
    guardrail = found.of("crashes", "treatment").guardrail
    assert guardrail is not None
    assert guardrail.verdict is GuardrailVerdict.PASS


def test_an_arm_without_units_is_named() -> None:
    late = replace(evidence(moments(), moments()), moments={"control": moments()})
    found = results(analyse(late, a_design()))
    assert {result.status for result in found.metrics} == {Status.NO_UNITS}


def test_relative_numbers_need_a_positive_control() -> None:
    found = results(
        analyse(
            evidence(moments(revenue=-5.0), moments(revenue=0.0)),
            a_design(CONVERSION, REVENUE, CLICKS),
        )
    ).of("revenue", "treatment")
    assert isinstance(found.effect, Interval)
    assert found.lift == Undefined(Status.NEGATIVE_CONTROL)
    assert found.mde_reached is not None
    assert found.mde_reached.lift is None
    near = results(analyse(evidence(moments(revenue=0.01), moments(revenue=0.01)), a_design())).of(
        "revenue", "treatment"
    )
    assert near.lift == Undefined(Status.NOISY_CONTROL)


def test_asking_for_a_result_outside_the_plan_is_an_error() -> None:
    found = results(analyse(evidence(moments(), WINNER), a_design()))
    with pytest.raises(KeyError):
        found.of("conversion", "control")


RATES = st.integers(0, 150)


@settings(max_examples=60, deadline=None)
@given(RATES, RATES, st.sampled_from([0.0, 1e-9, 1.0, 1e4]), st.floats(-10, 10), st.booleans())
def test_whatever_comes_in_no_number_is_made_up(
    x: int, y: int, spread: float, shift: float, ended: bool
) -> None:
    def arm(events: int, mean: float) -> Moments:
        n, p = 150, events / 150
        comoments = np.diag([n * p * (1 - p), spread, spread, spread, n * p * (1 - p)])
        return Moments(COLUMNS, n, np.array([p, mean, 1.0, 2.0, p]), comoments)

    found = results(analyse(evidence(arm(x, shift), arm(y, shift)), a_design(ended=ended)))
    for result in found.metrics:
        numbers = numbers_of(result)
        if result.status is not Status.OK:
            assert numbers == []
        for shown in (result.effect, result.lift):
            if isinstance(shown, Interval):
                assert shown.lower < shown.upper
                assert shown.lower <= shown.value <= shown.upper
        if isinstance(result.lift, Interval) and isinstance(result.effect, Interval):
            assert result.lift.excludes_zero == result.effect.excludes_zero
        if result.p_value is not None:
            assert 0 < result.p_value <= 1


def test_a_thousand_results_take_milliseconds() -> None:
    plans = tuple(
        MetricPlan(f"m{at}", MetricKind.MEAN, MetricRole.SECONDARY if at else MetricRole.OEC)
        for at in range(500)
    )
    names = tuple(plan.key for plan in plans)
    arm = Moments(names, 1000, np.full(500, 5.0), np.eye(500) * 4000)
    given_evidence, design = evidence(arm, arm, arm), a_design(*plans, treatments=2)
    start = time.process_time()
    found = results(analyse(given_evidence, design))
    assert len(found.metrics) == 1000
    # A guard against losing the vectors, not the benchmark.
    assert time.process_time() - start < 1.0
