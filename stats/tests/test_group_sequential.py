"""Group-sequential bounds: they hold alpha, whatever the looks and their spending."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise_stats import (
    InputError,
    LookPlan,
    Spending,
    equal_looks,
    exit_probabilities,
    group_sequential_bounds,
    overall_error,
)
from equipoise_stats.group_sequential import FARTHEST_BOUND

PLANS = [LookPlan(family, gamma) for family in Spending for gamma in (-4.0, 0.0, 1.0)]
steps = st.lists(st.floats(0.01, 1.0), min_size=1, max_size=12)


def times(gaps: list[float]) -> tuple[float, ...]:
    total = np.cumsum(gaps)
    return tuple((total / total[-1]).tolist())


@pytest.mark.parametrize("plan", PLANS)
@given(gaps=steps)
@settings(max_examples=15, deadline=None)
def test_looks_at_any_times_cross_with_probability_alpha_when_nothing_differs(
    plan: LookPlan, gaps: list[float]
) -> None:
    bounds = group_sequential_bounds(times(gaps), 0.05, plan)
    assert overall_error(bounds.information, bounds.critical) == pytest.approx(0.05, abs=1e-9)
    assert bounds.spent[-1] == 0.025


@given(gaps=steps)
@settings(max_examples=15, deadline=None)
def test_drift_and_its_mirror_cross_alike(gaps: list[float]) -> None:
    bounds = group_sequential_bounds(times(gaps))
    up, down = (exit_probabilities(bounds.information, bounds.critical, drift=d) for d in (2.0, -2.0))
    assert up == pytest.approx(down, abs=1e-12)


@pytest.mark.parametrize("plan", PLANS)
def test_a_one_sided_test_spends_alpha_on_its_side(plan: LookPlan) -> None:
    bounds = group_sequential_bounds(equal_looks(6), 0.05, plan, two_sided=False)
    crossed = exit_probabilities(bounds.information, bounds.critical, two_sided=False)
    assert crossed.cumsum() == pytest.approx(bounds.spent, abs=1e-9)


def test_one_look_at_the_end_is_the_fixed_test() -> None:
    assert group_sequential_bounds((1.0,)).critical == pytest.approx((1.959963984540054,))


def test_an_end_before_the_plan_spends_the_rest() -> None:
    planned = group_sequential_bounds((0.3, 0.6, 0.8))
    ended = group_sequential_bounds((0.3, 0.6, 0.8), ended=True)
    assert ended.critical[:2] == planned.critical[:2]
    assert ended.critical[2] < planned.critical[2]
    assert overall_error(ended.information, ended.critical) == pytest.approx(0.05)


def test_more_units_than_planned_are_one_last_look() -> None:
    bounds = group_sequential_bounds((0.5, 1.2))
    assert overall_error(bounds.information, bounds.critical) == pytest.approx(0.05)


def test_a_look_with_next_to_no_information_cannot_cross() -> None:
    assert group_sequential_bounds((1e-6, 1.0)).critical[0] == FARTHEST_BOUND


def test_looks_that_nearly_coincide_hardly_widen_the_bounds() -> None:
    close = group_sequential_bounds((0.5, 0.5 + 1e-9, 1.0))
    assert close.critical[-1] == pytest.approx(group_sequential_bounds((0.5, 1.0)).critical[-1], abs=0.01)


def test_the_bounds_of_later_looks_do_not_change_earlier_ones() -> None:
    short = group_sequential_bounds(equal_looks(14)[:5])
    assert group_sequential_bounds(equal_looks(14)).critical[:5] == short.critical


def test_the_chance_of_a_crossing_under_drift_is_the_power() -> None:
    bounds = group_sequential_bounds(equal_looks(14))
    # A drift of z_0.025 + z_0.2 has power 80 % in one fixed test.
    found = exit_probabilities(bounds.information, bounds.critical, drift=2.801585218)
    assert found.sum() == pytest.approx(0.784, abs=0.001)


def test_a_fixed_test_has_the_power_that_it_was_drawn_for() -> None:
    assert exit_probabilities((1.0,), (1.959963985,), drift=2.801585218).sum() == pytest.approx(0.8, abs=1e-5)


def test_bad_information_is_refused_with_a_sentence() -> None:
    for bad in ((), (0.5, 0.5), (0.0, 1.0), (0.5, 0.4), (1.0, float("inf"))):
        with pytest.raises(InputError, match="information"):
            group_sequential_bounds(bad)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(InputError, match="alpha"):
        group_sequential_bounds((1.0,), alpha=1.0)
    with pytest.raises(InputError, match="one bound per look"):
        exit_probabilities((0.5, 1.0), (2.0,))
    with pytest.raises(InputError, match="looks"):
        equal_looks(0)


def test_a_look_plan_names_every_fault() -> None:
    with pytest.raises(InputError) as refused:
        LookPlan(gamma=float("nan"), smallest_step=0.0)
    assert len(refused.value.problems) == 2
