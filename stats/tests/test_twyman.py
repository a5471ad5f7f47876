"""Results too good and data too odd are said to be so; without history the check is unknown."""

from __future__ import annotations

import numpy as np
import pytest
from judged_experiments import number

from equipoise_stats import (
    CheckName,
    Estimate,
    InputError,
    Interval,
    Outcome,
    Status,
    constant_metric,
    differs_between_arms,
    duplicate_exposures,
    null_p_values,
    null_share_jump,
    odd_days,
    pre_period_balance,
    skew_of_split,
    stationarity,
    surprise,
    variance_ratio,
)

NOBODY = Estimate(0, None, None, None, Status.NO_UNITS)
FLAT = Estimate(10, 1.0, None, None, Status.ZERO_VARIANCE)


def test_a_lift_beyond_all_history_blocks_until_somebody_says_it_was_seen() -> None:
    assert surprise(0.4, 0.05, 0.02).outcome is Outcome.BLOCK
    assert surprise(0.4, 0.05, 0.02, acknowledged=True).outcome is Outcome.WARN
    assert surprise(0.04, 0.05, 0.02).outcome is Outcome.PASS


def test_an_effect_before_the_experiment_is_no_effect() -> None:
    assert pre_period_balance(number(10.5, 5, 4000), number(10, 5, 4000)).outcome is Outcome.WARN
    assert pre_period_balance(number(10.1, 5, 4000), number(10, 5, 4000)).outcome is Outcome.PASS
    assert pre_period_balance(NOBODY, number(10, 5, 4000)).outcome is Outcome.UNKNOWN


def test_an_arm_that_varies_twice_as_much_is_odd() -> None:
    assert variance_ratio(number(1, 2, 100), number(1, 1, 100)).outcome is Outcome.WARN
    assert variance_ratio(number(1, 1, 100), number(1, 1.2, 100)).outcome is Outcome.PASS
    assert variance_ratio(NOBODY, FLAT).value is None


@pytest.mark.parametrize("name", [CheckName.JOIN_LOSS, CheckName.BOT_SHARE])
def test_arms_that_lose_units_differently_are_odd(name: CheckName) -> None:
    assert differs_between_arms(name, (100, 220), (10_000, 10_000)).outcome is Outcome.WARN
    assert differs_between_arms(name, (100, 101), (10_000, 10_000)).outcome is Outcome.PASS
    assert differs_between_arms(name, (0, 0), (10_000, 10_000)).outcome is Outcome.PASS
    assert differs_between_arms(name, (0, 3), (0, 10)).outcome is Outcome.UNKNOWN


def test_a_sender_that_repeats_itself_is_noticed() -> None:
    assert duplicate_exposures(30, 1000).outcome is Outcome.WARN
    assert duplicate_exposures(3, 1000).outcome is Outcome.PASS
    assert duplicate_exposures(0, 0).outcome is Outcome.UNKNOWN


def test_values_that_vanish_are_noticed() -> None:
    assert null_share_jump(0.3, 0.1).outcome is Outcome.WARN
    assert null_share_jump(0.1, 0.1).outcome is Outcome.PASS
    assert null_share_jump(None, 0.1).outcome is Outcome.UNKNOWN


def test_a_constant_metric_measures_nothing() -> None:
    assert constant_metric({"C": FLAT, "T": number(1, 1, 10)}).outcome is Outcome.WARN
    assert constant_metric({"C": number(1, 1, 10)}).outcome is Outcome.PASS
    assert constant_metric({"C": NOBODY}).outcome is Outcome.UNKNOWN


def test_a_day_far_from_the_others_is_odd() -> None:
    steady = list(np.random.default_rng(1).normal(0.1, 0.05, 14))
    assert odd_days(steady, [0.05] * 14).outcome is Outcome.PASS
    assert odd_days([*steady, 0.6], [0.05] * 15).outcome is Outcome.WARN
    assert odd_days([0.1], [0.05]).outcome is Outcome.UNKNOWN


def test_null_comparisons_that_are_not_uniform_are_our_own_fault() -> None:
    p = np.random.default_rng(1).random(250)
    assert null_p_values(p.tolist()).outcome is Outcome.PASS
    assert null_p_values((p**2).tolist()).outcome is Outcome.BLOCK
    assert null_p_values([0.5]).outcome is Outcome.UNKNOWN


def test_intervals_that_share_no_point_mean_that_the_effect_moved() -> None:
    early, late = Interval(1, 0.5, 1.5, 0.95), Interval(2, 1.8, 2.2, 0.95)
    assert stationarity([early, late]).outcome is Outcome.WARN
    assert stationarity([early, late]).value == pytest.approx(0.3)
    assert stationarity([early]).outcome is Outcome.PASS
    assert stationarity([]).outcome is Outcome.UNKNOWN


def test_a_small_arm_of_a_skewed_metric_is_warned_about() -> None:
    skewed = number(5, 25, 99_000)
    assert skew_of_split(number(5, 25, 1000), skewed).outcome is Outcome.WARN
    assert skew_of_split(number(5, 25, 99_000), skewed).outcome is Outcome.PASS
    assert skew_of_split(number(5, 25, 20_000), skewed).outcome is Outcome.PASS
    assert skew_of_split(number(5, 1, 1000), number(5, 1, 99_000)).outcome is Outcome.PASS
    assert skew_of_split(number(5, 25, 1000), number(-5, 25, 9000)).outcome is Outcome.UNKNOWN


def test_every_fault_of_a_check_is_told_at_once() -> None:
    with pytest.raises(InputError) as refused:
        surprise(1, 0, -1)
    assert len(refused.value.problems) == 2
    with pytest.raises(InputError) as refused:
        differs_between_arms(CheckName.JOIN_LOSS, [5], [3])
    assert len(refused.value.problems) == 2
    with pytest.raises(InputError, match="standard error per day"):
        odd_days([1, 2], [1])
    with pytest.raises(InputError, match="p-values lie"):
        null_p_values([2])
