"""The wizard's arithmetic, against published sample sizes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from statsmodels.stats.power import tt_ind_solve_power

from equipoise_server.analysis.reads import power_plan
from equipoise_server.analysis.values import PowerQuestion
from equipoise_server.metrics.values import MetricKind

RATE = PowerQuestion(MetricKind.CONVERSION, 0.1, None, 0.05, 0.05, 0.8, (1, 1), 2_000)
MEAN = PowerQuestion(MetricKind.SUM, 50.0, 20.0, 0.02, 0.05, 0.8, (1, 1), 2_000)


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
