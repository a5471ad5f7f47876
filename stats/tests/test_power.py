"""Planning: how many units, how long, and how small an effect."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.power import NormalIndPower, TTestIndPower

from equipoise_stats import (
    Baseline,
    Clusters,
    Duration,
    InputError,
    PowerTarget,
    clusters_needed,
    detectable_by_week,
    detectable_effect,
    detectable_lift_of_rate,
    duration,
    power_of_clusters,
    power_of_effect,
    power_of_rates,
    power_of_t_test,
    units_per_arm,
    units_per_arm_of_guardrail,
    units_per_arm_of_rates,
    units_per_arm_of_t_test,
)


@given(st.floats(0.01, 1), st.floats(0.2, 5), st.integers(1, 6))
def test_the_effect_that_units_were_planned_for_is_the_detectable_one(
    effect: float, ratio: float, treatments: int
) -> None:
    target = PowerTarget(power=0.9, treatments=treatments)
    n = units_per_arm(effect, 3.0, target, treatment_per_control=ratio)
    assert detectable_effect(3.0, n, target, treatment_per_control=ratio) == pytest.approx(effect)


def test_power_agrees_with_statsmodels() -> None:
    target = PowerTarget(alpha=0.1, power=0.9)
    expected = NormalIndPower().power(0.1, 800, 0.1, alternative="larger")
    assert power_of_effect(0.1, 1.0, 800, PowerTarget(alpha=0.2)) == pytest.approx(expected)
    n = TTestIndPower().solve_power(0.3, None, 0.1, 0.9)
    assert units_per_arm_of_t_test(0.3, 1.0, target) == pytest.approx(n, rel=1e-5)


def test_an_effect_that_nobody_could_miss_needs_two_units() -> None:
    assert units_per_arm_of_t_test(1000.0, 1.0) == 2


def test_few_units_need_many_more_than_the_normal_approximation() -> None:
    target = PowerTarget(alpha=1e-3)
    n = units_per_arm_of_t_test(4.0, 1.0, target)
    assert n > units_per_arm(4.0, 1.0, target) + 2
    assert power_of_t_test(4.0, 1.0, n, target) == pytest.approx(0.8)


def test_more_treatments_need_more_units() -> None:
    assert units_per_arm(0.1, 1.0, PowerTarget(treatments=3)) > units_per_arm(0.1, 1.0)


def test_a_rate_near_one_may_have_no_detectable_rise() -> None:
    assert detectable_lift_of_rate(0.98, 50) is None
    assert detectable_lift_of_rate(0.5, 5000) is not None


def test_durations_are_whole_weeks_and_at_least_one() -> None:
    assert duration(100, [1000]) == Duration(1, 7)
    assert duration(7_001, [1000]) == Duration(8, 14)
    assert duration(0, []) == Duration(0, 7)
    assert duration(100, [50, 0]) is None
    assert duration(100, []) is None


def test_every_week_detects_less() -> None:
    rows = detectable_by_week(Baseline(0.1, 0.09), [1000, 600, 400], weeks=8)
    assert [row.week for row in rows] == list(range(1, 9))
    assert rows[0].control_units == pytest.approx((1000 + 600 + 400 * 5) / 2)
    assert rows[0].effect == pytest.approx(detectable_effect(0.09, 1800))
    assert all(a.effect > b.effect for a, b in itertools.pairwise(rows))
    assert rows[3].lift == pytest.approx(rows[3].effect / 0.1)


def test_a_small_control_and_a_negative_baseline_are_planned_too() -> None:
    target = PowerTarget(treatments=2)
    (row,) = detectable_by_week(Baseline(-2.0, 9.0), [700], target, weeks=1, control_share=0.2)
    assert row.lift is None
    assert row.effect == pytest.approx(detectable_effect(9.0, 980, target, treatment_per_control=2.0))
    assert detectable_by_week(Baseline(1.0, 1.0), [0.0]) == ()


@pytest.mark.parametrize(
    ("asked", "fields"),
    [
        (lambda: units_per_arm(0.0, -1.0, treatment_unit_variance=-1.0, treatment_per_control=0.0), 4),
        (lambda: detectable_effect(-1.0, 0.0, treatment_per_control=-2.0), 3),
        (lambda: power_of_effect(0.1, 0.0, -5.0), 2),
        (lambda: power_of_t_test(0.1, 0.0, 1.0), 2),
        (lambda: units_per_arm_of_t_test(0.0, -1.0), 2),
        (lambda: power_of_rates(0.0, 1.0, 0.0), 3),
        (lambda: units_per_arm_of_rates(0.2, 0.2), 1),
        (lambda: units_per_arm_of_rates(0.0, 2.0), 2),
        (lambda: detectable_lift_of_rate(1.0, float("nan")), 2),
        (lambda: units_per_arm_of_guardrail(0.0, -1.0, 0.0), 3),
        (lambda: duration(float("nan"), [-1.0]), 2),
        (lambda: detectable_by_week(Baseline(0.1, 0.09), [1000], control_share=1.0), 1),
        (lambda: power_of_clusters(0.1, 0.0, 2, Clusters(50, 0.05)), 2),
        (lambda: clusters_needed(0.0, 0.0, Clusters(50, 0.05)), 2),
    ],
)
def test_what_cannot_be_planned_is_refused_with_every_fault(asked: Callable[[], object], fields: int) -> None:
    with pytest.raises(InputError) as refused:
        asked()
    assert len(refused.value.problems) == fields


def test_an_impossible_promise_is_refused_with_all_its_faults() -> None:
    with pytest.raises(InputError, match=r"alpha lies .*; power lies .*; treatments is"):
        PowerTarget(alpha=0, power=1, treatments=0)
