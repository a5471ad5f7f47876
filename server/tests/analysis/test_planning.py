"""The wizard's arithmetic, against published sample sizes."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import pytest
from statsmodels.stats.power import tt_ind_solve_power

from equipoise_server.analysis.reads import power_plan
from equipoise_server.analysis.values import GuardrailQuestion, PowerAnswer, PowerQuestion
from equipoise_server.experiments.values import Looks, Spending
from equipoise_server.metrics.values import Margin, MarginKind, MetricKind

ONE_LOOK = Looks(count=1)
RATE = PowerQuestion(MetricKind.CONVERSION, 0.1, None, 0.05, 0.05, 0.8, (1, 1), 2_000, 28, ONE_LOOK)
MEAN = PowerQuestion(MetricKind.SUM, 50.0, 20.0, 0.02, 0.05, 0.8, (1, 1), 2_000, 28, ONE_LOOK)
LATENCY = GuardrailQuestion("latency", MetricKind.MEAN, 100.0, 40.0, Margin(MarginKind.RELATIVE, 0.02))


def test_a_mean_needs_what_the_t_test_needs() -> None:
    answer = power_plan(MEAN)
    assert answer.units_per_arm == pytest.approx(
        tt_ind_solve_power(effect_size=1.0 / 20.0, alpha=0.05, power=0.8), rel=1e-3
    )
    assert answer.units_per_arm is not None
    assert answer.total_units == 2 * answer.units_per_arm


def test_days_are_whole_weeks_and_the_mde_shrinks_with_them() -> None:
    answer = power_plan(RATE)
    assert answer.total_units is not None
    assert answer.days == -(-answer.total_units // 2_000)
    assert answer.recommended_days is not None
    assert answer.recommended_days % 7 == 0
    assert answer.recommended_days >= answer.days
    mdes = [week.mde_relative for week in answer.by_week]
    assert len(mdes) == 8
    assert all(mde is not None for mde in mdes)
    assert mdes == sorted(mdes, key=lambda mde: -(mde or 0.0))
    assert answer.missing == ()


def test_more_arms_and_unequal_weights_need_more_units() -> None:
    plain = power_plan(RATE).total_units
    three = power_plan(replace(RATE, weights=(1, 1, 1))).total_units
    lopsided = power_plan(replace(RATE, weights=(9, 1))).total_units
    assert plain is not None
    assert three is not None
    assert lopsided is not None
    assert three > plain * 1.5
    assert lopsided > plain * 2


@pytest.mark.parametrize(
    ("question", "missing"),
    [
        (replace(RATE, baseline=None), "today's share (between 0 % and 100 %)"),
        (replace(RATE, baseline=1.0), "today's share (between 0 % and 100 %)"),
        (replace(MEAN, deviation=None), "the standard deviation per unit"),
        (replace(MEAN, baseline=0.0), "today's mean (above zero)"),
        (replace(RATE, mde_relative=None), "the smallest change worth finding"),
        (replace(RATE, mde_relative=-0.1), "a smallest change above zero"),
        (replace(RATE, daily_units=None), "new units a day"),
        (replace(RATE, weights=(1,)), "at least two arms with weights above zero"),
        (replace(RATE, alpha=0.0), "alpha and power between 0 and 1"),
    ],
)
def test_what_is_missing_is_said_and_never_guessed(question: PowerQuestion, missing: str) -> None:
    answer = power_plan(question)
    assert missing in answer.missing
    assert answer.days is None


def test_without_a_smallest_change_the_weeks_still_tell_what_could_be_found() -> None:
    assert len(power_plan(replace(RATE, mde_relative=None)).by_week) == 8


def units(question: PowerQuestion) -> int:
    found = power_plan(question).units_per_arm
    assert found is not None
    return found


def test_planned_looks_cost_little_and_no_planned_end_costs_much() -> None:
    looks = units(replace(MEAN, looks=Looks()))
    pocock = units(replace(MEAN, looks=Looks(4, Spending.POCOCK)))
    sequences = units(replace(MEAN, looks=None))
    assert units(MEAN) < looks < 1.06 * units(MEAN)
    assert looks < pocock < sequences
    assert sequences > 1.5 * units(MEAN)
    assert power_plan(replace(MEAN, looks=Looks())).inflation == pytest.approx(looks / units(MEAN), rel=1e-3)


def test_units_of_the_last_days_do_not_count_when_looks_wait_for_them() -> None:
    plain, waiting = power_plan(RATE), power_plan(replace(RATE, window_days=7.0))
    assert plain.days is not None
    assert waiting.days == plain.days + 7
    assert [week.mde_relative is None for week in waiting.by_week] == [True] + 7 * [False]
    assert waiting.by_week[2].mde_relative == pytest.approx(plain.by_week[1].mde_relative)


def test_covariates_save_units_and_clusters_cost_them() -> None:
    assert units(replace(MEAN, reduction=0.3)) == pytest.approx(0.7 * units(MEAN), rel=1e-3)
    clustered = power_plan(replace(MEAN, cluster_size=20.0, cluster_correlation=0.05))
    assert clustered.units_per_arm == pytest.approx((1 + 19 * 0.05) * units(MEAN), rel=1e-3)
    assert clustered.total_units is not None
    assert clustered.clusters == -(-clustered.total_units // 20)


def guarded(*guardrails: GuardrailQuestion) -> PowerAnswer:
    return power_plan(replace(MEAN, guardrails=guardrails))


def test_the_chance_that_a_harmless_change_is_blocked_is_told() -> None:
    tight = replace(LATENCY, margin=Margin(MarginKind.RELATIVE, 0.005))
    answer = guarded(LATENCY, tight)
    wide, narrow = answer.guardrails
    assert wide.blocked is not None
    assert narrow.blocked is not None
    assert wide.blocked < 0.01
    assert narrow.blocked > 0.3
    assert wide.units_per_arm is not None
    assert narrow.units_per_arm is not None
    assert narrow.units_per_arm > 10 * wide.units_per_arm
    assert answer.decided_by == "latency"
    assert answer.all_pass is not None
    assert answer.all_pass == pytest.approx((1 - wide.blocked) * (1 - narrow.blocked), rel=0.05)


def test_a_guardrails_need_is_that_of_non_inferiority() -> None:
    absolute = replace(LATENCY, margin=Margin(MarginKind.ABSOLUTE, 2.0))
    (found,) = guarded(absolute).guardrails
    reach = NormalDist().inv_cdf(0.95) + NormalDist().inv_cdf(0.9)
    assert found.units_per_arm == math.ceil(reach**2 * 2 * 40**2 / 2**2)


@pytest.mark.parametrize(
    ("guardrail", "missing"),
    [
        (replace(LATENCY, baseline=None), "what it is today"),
        (replace(LATENCY, deviation=None), "what it is today"),
        (replace(LATENCY, margin=None), "its margin"),
    ],
)
def test_a_guardrail_without_a_baseline_or_margin_says_what_is_missing(
    guardrail: GuardrailQuestion, missing: str
) -> None:
    answer = guarded(guardrail)
    assert answer.guardrails[0].missing == missing
    assert answer.all_pass is None


def test_several_treatments_share_alpha_by_dunnett_at_one_look() -> None:
    three = replace(MEAN, weights=(1, 1, 1))
    shared = tt_ind_solve_power(effect_size=1.0 / 20.0, alpha=0.025, power=0.8)
    assert 0.95 * shared < units(three) < shared


@pytest.mark.parametrize("looks", [Looks(0), Looks(-3), Looks(101)])
def test_a_plan_of_looks_that_cannot_be_is_told_in_words(looks: Looks) -> None:
    assert power_plan(replace(MEAN, looks=looks)).missing == ("1 to 100 looks",)


def test_covariates_that_explain_everything_are_told_in_words() -> None:
    assert "below 100 %" in power_plan(replace(MEAN, reduction=1.0)).missing[0]
