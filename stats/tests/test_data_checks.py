"""The analysis asks its evidence every question about the data that the evidence can answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from equipoise_stats import (
    CheckName,
    Design,
    DesignError,
    Evidence,
    Interval,
    Margin,
    MarginKind,
    MetricKind,
    MetricPlan,
    MetricRole,
    Moments,
    Outcome,
    QualityCheck,
    QualityEvidence,
    Results,
    VariantPlan,
    Verdict,
    Withheld,
    WithheldReason,
    analyse,
)

N = 10_000
METRICS = (
    MetricPlan("spend", MetricKind.MEAN, MetricRole.OEC),
    MetricPlan("basket", MetricKind.RATIO, MetricRole.SECONDARY),
    MetricPlan(
        "crash", MetricKind.PROPORTION, MetricRole.GUARDRAIL, margin=Margin(MarginKind.ABSOLUTE, 0.05)
    ),
)
COLUMNS = ("spend", "basket", "basket:denominator", "crash")
PLAN = Design(
    (VariantPlan("c", 1), VariantPlan("t", 1)), "c", METRICS, expected_units=2 * N, planned_end_reached=False
)


def arm(*, spend: float = 5.0, variance: float = 16.0, crash: float = 0.1, n: int = N) -> Moments:
    spreads = np.array([variance, 4.0, 1.0, crash * (1 - crash) * n / (n - 1)])
    return Moments(COLUMNS, n, np.array([spend, 6.0, 3.0, crash]), np.diag(spreads * (n - 1)))


def seen(
    treatment: Moments | None = None, control: Moments | None = None, quality: QualityEvidence | None = None
) -> Evidence:
    arms = {"c": control or arm(), "t": treatment or arm()}
    counts = {key: moments.n for key, moments in arms.items()}
    return Evidence(counts, arms, 14, quality=quality or QualityEvidence())


def told(evidence: Evidence, name: CheckName, plan: Design = PLAN) -> list[QualityCheck]:
    found = analyse(evidence, plan)
    assert isinstance(found, Results)
    return [check for check in found.quality if check.name is name]


def outcome(evidence: Evidence, name: CheckName) -> Outcome:
    (check,) = told(evidence, name)
    return check.outcome


def test_sound_moments_alone_raise_no_question() -> None:
    found = analyse(seen(), PLAN)
    assert isinstance(found, Results)
    asked = {check.name for check in found.quality}
    assert asked == {CheckName.CROSSED_UNITS, CheckName.FULL_WEEK, CheckName.MORE_UNITS_THAN_EXPOSED}


def test_an_arm_with_twice_the_spread_is_told() -> None:
    for first, second in ((arm(variance=40), arm()), (arm(), arm(variance=40))):
        (check,) = told(seen(first, second), CheckName.VARIANCE_RATIO)
        assert (check.outcome, check.variant, check.metric) == (Outcome.WARN, "t", "spend")
        assert check.value == pytest.approx(2.5)


def test_a_rate_that_doubles_is_an_effect_and_no_odd_spread() -> None:
    assert told(seen(arm(crash=0.3)), CheckName.VARIANCE_RATIO) == []


def test_skew_in_a_small_arm_is_told() -> None:
    plan = replace(PLAN, variants=(VariantPlan("c", 19), VariantPlan("t", 1)))
    small, skewed = arm(n=1_000, variance=900), arm(n=19_000, variance=900)
    (check,) = told(seen(small, skewed), CheckName.SKEWED_SPLIT, plan)
    assert (check.outcome, check.variant, check.metric) == (Outcome.WARN, "t", "spend")
    assert told(seen(arm(n=1_000), arm(n=19_000)), CheckName.SKEWED_SPLIT, plan) == []


def test_a_metric_that_never_varies_is_told() -> None:
    (check,) = told(seen(arm(variance=0)), CheckName.CONSTANT_METRIC)
    assert (check.outcome, check.value, check.metric) == (Outcome.WARN, 1, "spend")


def test_a_rate_is_constant_only_when_no_arm_has_events() -> None:
    assert told(seen(arm(crash=0)), CheckName.CONSTANT_METRIC) == []
    (check,) = told(seen(arm(crash=0), arm(crash=0)), CheckName.CONSTANT_METRIC)
    assert (check.value, check.metric) == (2, "crash")


@pytest.mark.parametrize(
    ("name", "odd", "sound"),
    [
        (
            CheckName.JOIN_LOSS,
            QualityEvidence(join_lost={"c": 500, "t": 900}),
            QualityEvidence(join_lost={"c": 500, "t": 510}),
        ),
        (
            CheckName.BOT_SHARE,
            QualityEvidence(bots={"t": 100}),
            QualityEvidence(bots={"c": 99, "t": 100}),
        ),
        (
            CheckName.DUPLICATE_EXPOSURES,
            QualityEvidence(duplicates=(500, 20_000)),
            QualityEvidence(duplicates=(5, 20_000)),
        ),
        (
            CheckName.NULL_SHARE,
            QualityEvidence(null_shares={"spend": (0.3, 0.1)}),
            QualityEvidence(null_shares={"spend": (0.11, 0.1)}),
        ),
        (
            CheckName.ODD_DAY,
            QualityEvidence(daily={("spend", "t"): [(0.1, 0.1), (0.0, 0.1), (2.0, 0.1)]}),
            QualityEvidence(daily={("spend", "t"): [(0.1, 0.1), (0.0, 0.1)]}),
        ),
        (
            CheckName.STATIONARITY,
            QualityEvidence(sequences={("spend", "t"): [Interval(2, 1, 3, 0.95), Interval(5, 4, 6, 0.95)]}),
            QualityEvidence(sequences={("spend", "t"): [Interval(2, 1, 3, 0.95), Interval(3, 2, 4, 0.95)]}),
        ),
        (
            CheckName.PRE_PERIOD,
            QualityEvidence(before={"c": arm(), "t": arm(spend=6)}),
            QualityEvidence(before={"c": arm(), "t": arm(spend=5.01)}),
        ),
    ],
)
def test_what_the_evidence_shows_is_judged(
    name: CheckName, odd: QualityEvidence, sound: QualityEvidence
) -> None:
    assert told(seen(quality=odd), name)[0].outcome is Outcome.WARN
    assert told(seen(quality=sound), name)[0].outcome is Outcome.PASS


def test_before_exposure_only_metrics_that_both_arms_had_are_compared() -> None:
    whole, part = arm(), Moments(("spend",), N, np.array([5.0]), np.array([[16.0 * N]]))
    by_metric = [
        c.metric
        for c in told(seen(quality=QualityEvidence(before={"c": whole, "t": whole})), CheckName.PRE_PERIOD)
    ]
    assert by_metric == ["spend", "basket", "crash"]
    partly = told(seen(quality=QualityEvidence(before={"c": whole, "t": part})), CheckName.PRE_PERIOD)
    assert [check.metric for check in partly] == ["spend"]
    assert told(seen(quality=QualityEvidence(before={"c": whole})), CheckName.PRE_PERIOD) == []


def test_a_lift_too_good_to_be_true_is_no_ship_candidate_until_acknowledged() -> None:
    usual = QualityEvidence(past_lift_sds={"spend": 0.01})
    evidence = seen(arm(spend=6.5), quality=usual)
    (check,) = told(evidence, CheckName.SURPRISE)
    assert (check.outcome, check.variant, check.metric) == (Outcome.BLOCK, "t", "spend")
    # lift .3, its error by the delta method: sqrt(16 / N * (1 + 1.3²)) / 5
    error = (16 / N * (1 + 1.3**2)) ** 0.5 / 5
    assert check.value == pytest.approx(0.3 / (error**2 + 0.01**2) ** 0.5)
    verdicts = []
    for signs in (QualityEvidence(), usual, replace(usual, acknowledged=frozenset({"spend"}))):
        for ended in (False, True):
            found = analyse(replace(evidence, quality=signs), replace(PLAN, planned_end_reached=ended))
            verdicts.append(found.verdict if isinstance(found, Results) else None)
    ship = Verdict.SHIP_CANDIDATE
    assert verdicts == [ship, ship, Verdict.KEEP_RUNNING, Verdict.INCONCLUSIVE, ship, ship]


def test_without_a_lift_nothing_can_surprise() -> None:
    signs = QualityEvidence(past_lift_sds={"spend": 0.01})
    assert told(seen(control=arm(spend=-1), quality=signs), CheckName.SURPRISE) == []


def test_our_own_p_values_out_of_shape_withhold_the_results() -> None:
    skewed, even = [0.01] * 200, [(at + 0.5) / 200 for at in range(200)]
    found = analyse(seen(quality=QualityEvidence(null_p_values=skewed)), PLAN)
    assert isinstance(found, Withheld)
    assert found.reason is WithheldReason.QUALITY
    assert outcome(seen(quality=QualityEvidence(null_p_values=even)), CheckName.NULL_P_VALUES) is Outcome.PASS


def test_every_fault_of_the_signs_is_told_at_once() -> None:
    wrong = QualityEvidence(
        before={"x": arm()},
        join_lost={"t": N + 1},
        bots={"c": -1},
        duplicates=(3, 2),
        null_shares={"visits": (0.1, 0.1), "spend": (1.2, 0.0)},
        past_lift_sds={"spend": -0.1},
        acknowledged=frozenset({"visits"}),
        daily={("spend", "c"): [], ("spend", "t"): [(1.0, 0.0)]},
        sequences={("visits", "t"): []},
        null_p_values=[2.0],
    )
    with pytest.raises(DesignError) as raised:
        analyse(seen(quality=wrong), PLAN)
    assert raised.value.problems == (
        "before: 'x' is not a variant of the plan",
        "join_lost['t'] lies in 0 to the exposed units, 10000",
        "bots['c'] lies in 0 to the exposed units, 10000",
        "duplicates: the repeated exposures lie in 0 to all exposures",
        "null_shares: 'visits' is not a metric of the plan",
        "acknowledged: 'visits' is not a metric of the plan",
        "daily: 'spend' of 'c' is not compared in the plan",
        "sequences: 'visits' of 't' is not compared in the plan",
        "null_shares['spend'] lie in 0..1",
        "past_lift_sds['spend'] must be 0 or more",
        "daily['spend', 't']: standard errors are above 0",
        "null_p_values lie in 0..1",
    )
