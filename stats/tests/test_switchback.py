"""Switchbacks: schedules keep their balance, estimates are unbiased over them, and re-drawing tells."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise_stats import (
    InputError,
    Pairing,
    SingleRegion,
    Status,
    SwitchbackDesign,
    SwitchbackEffect,
    SwitchbackPlan,
    Undefined,
    balance,
    carryover_test,
    draw_schedules,
    fixed_effects_fit,
    horvitz_thompson,
    optimal_points,
    switchback_design,
    switchback_effect,
    without_burn_in,
)

POINTS = optimal_points(12, 2)


def rng(seed: int = 5) -> np.random.Generator:
    return np.random.default_rng(seed)


def panel(design: SwitchbackDesign, *, effect: float = 2.0, seed: int = 1) -> np.ndarray:
    plan, noise = design.plan, rng(seed)
    level = noise.normal(100, 15, plan.regions)[:, None] + 10 * np.sin(plan.hours / 2)
    return level + effect * design.treated + noise.normal(0, 3, design.treated.shape)


def effect_of(found: object) -> SwitchbackEffect:
    assert isinstance(found, SwitchbackEffect)
    return found


@settings(max_examples=20)
@given(st.integers(1, 5), st.integers(0, 1000), st.sampled_from(Pairing))
def test_a_schedule_gives_both_arms_the_same_hours(regions: int, seed: int, pairing: Pairing) -> None:
    design = switchback_design(SwitchbackPlan(regions, 14, 12, seed, pairing))
    assert design.treated.shape == (regions, 168)
    found = balance(design)
    assert found.is_balanced
    assert found.by_hour == pytest.approx(0)
    assert found.fewest_switches >= 8
    share = design.treated.mean(axis=0)
    assert np.abs(share - 0.5).max() <= (0.5 if regions == 1 else 0.5 / regions * (regions % 2)) + 1e-9


def test_the_same_plan_has_the_same_schedule() -> None:
    plan = SwitchbackPlan(4, 14, 12, seed=3)
    first, again = switchback_design(plan), switchback_design(plan)
    assert (first.treated == again.treated).all()
    other = switchback_design(SwitchbackPlan(4, 14, 12, seed=4))
    assert (first.treated != other.treated).any()


def test_every_window_is_treated_in_half_of_the_draws() -> None:
    drawn = draw_schedules(SwitchbackPlan(3, 2, 12, seed=1), 4000, rng=rng())
    assert np.abs(drawn.mean(axis=0) - 0.5).max() < 0.04


def test_a_plan_that_cannot_be_balanced_is_refused() -> None:
    with pytest.raises(InputError, match="no balanced schedule"):
        switchback_design(SwitchbackPlan(2, 2, 1, seed=1))


def test_an_alternating_schedule_shows_its_lack_of_balance() -> None:
    plan = SwitchbackPlan(1, 14, 12, seed=1)
    alternating = SwitchbackDesign(plan, np.tile(np.array([0, 1], dtype=np.int8), 84)[None])
    assert balance(alternating).by_hour == 0.5
    assert not balance(alternating).is_balanced


def test_re_drawing_finds_an_effect_and_covers_it() -> None:
    design = switchback_design(SwitchbackPlan(4, 14, 12, seed=3))
    found = effect_of(switchback_effect(panel(design), design, rng=rng(), draws=500))
    assert found.p_value == pytest.approx(1 / 501)
    assert found.effect.lower < 2 < found.effect.upper
    assert found.clustered_error == pytest.approx(found.robust_error, rel=0.4)
    half = (found.effect.upper - found.effect.lower) / 2
    assert half == pytest.approx(1.96 * found.robust_error, rel=0.25)


def test_the_interval_holds_what_the_draws_do_not_reject() -> None:
    design = switchback_design(SwitchbackPlan(2, 2, 12, seed=3))
    outcome = panel(design, effect=1.0)
    found = effect_of(switchback_effect(outcome, design, rng=rng(), draws=999))
    for bound, rejected in ((found.effect.lower, 1e-6), (found.effect.upper, -1e-6)):
        for inside in (True, False):
            null = bound + (rejected if inside else -rejected)
            shifted = outcome - null * design.treated
            p = effect_of(switchback_effect(shifted, design, rng=rng(), draws=999)).p_value
            assert (p > 0.05) is inside


def test_windows_that_were_not_observed_are_left_out() -> None:
    design = switchback_design(SwitchbackPlan(4, 14, 12, seed=3))
    outcome = panel(design)
    outcome[0, :40] = np.nan
    found = effect_of(switchback_effect(outcome, design, rng=rng(), draws=200))
    assert found.effect.value == pytest.approx(2, abs=1)


def test_few_region_days_have_no_clustered_error() -> None:
    design = switchback_design(SwitchbackPlan(2, 14, 12, seed=3))
    assert effect_of(switchback_effect(panel(design), design, rng=rng(), draws=99)).clustered_error is None


def test_a_schedule_that_its_hours_explain_cannot_be_judged() -> None:
    design = switchback_design(SwitchbackPlan(1, 14, 12, seed=3))
    nothing = np.full(design.treated.shape, np.nan)
    nothing[0, :30] = 1.0
    unknown = Undefined(Status.NOT_IDENTIFIABLE)
    assert switchback_effect(nothing, design, rng=rng(), draws=99) == unknown
    assert switchback_effect(panel(design), design, rng=rng(), draws=5) == unknown
    tiny = switchback_design(SwitchbackPlan(2, 2, 9, seed=3))
    seen = np.full(tiny.treated.shape, np.nan)
    seen[:, :4] = rng().normal(size=(2, 4))
    assert switchback_effect(seen, tiny, rng=rng(), draws=99) == unknown


@given(st.integers(0, 50))
def test_the_fit_is_least_squares_with_dummies(seed: int) -> None:
    made = rng(seed)
    regions, periods = np.repeat(np.arange(4), 20), np.tile(np.arange(20) % 5, 4)
    w, y = made.integers(0, 2, 80).astype(float), made.normal(size=80)
    found = fixed_effects_fit(y, w, regions=regions, periods=periods)
    dummies = np.column_stack([regions == r for r in range(4)] + [periods == p for p in range(1, 5)]).astype(
        float
    )
    groups = regions * 4 + np.tile(np.arange(20) // 5, 4)
    expected = sm.OLS(y, np.column_stack((w, dummies))).fit(cov_type="cluster", cov_kwds={"groups": groups})
    assert found is not None
    assert found.effect == pytest.approx(expected.params[0])
    assert found.error(groups) == pytest.approx(expected.bse[0])


def test_burn_in_leaves_out_the_start_of_each_window() -> None:
    parts = np.arange(12.0).reshape(1, 3, 4)
    assert without_burn_in(parts, 2).tolist() == [[2.5, 6.5, 10.5]]
    with pytest.raises(InputError, match="leave a part"):
        without_burn_in(parts, 4)
    with pytest.raises(InputError, match="regions"):
        without_burn_in([1.0], 0)


def outcomes(baseline: np.ndarray, treated: np.ndarray) -> np.ndarray:
    """A direct effect of 1.5 and two carried ones: 2.25 in all."""
    lagged = [np.concatenate((np.zeros(k), treated[: 12 - k])) for k in range(3)]
    return baseline + 1.5 * lagged[0] + 0.5 * lagged[1] + 0.25 * lagged[2]


def all_regions(baseline: np.ndarray) -> list[SingleRegion]:
    blocks = np.searchsorted(POINTS, np.arange(1, 13), side="right") - 1
    schedules = (np.array(tosses)[blocks] for tosses in product((0, 1), repeat=len(POINTS)))
    return [SingleRegion(outcomes(baseline, w), w, POINTS) for w in schedules]


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_horvitz_thompson_is_unbiased_and_its_variance_never_too_small(seed: int) -> None:
    found = [horvitz_thompson(region, 2, rng=rng()) for region in all_regions(rng(seed).normal(0, 3, 12))]
    values = np.array([f.value for f in found])
    assert values.mean() == pytest.approx(2.25)
    claimed = np.mean([(f.standard_error or 0) ** 2 for f in found])
    assert claimed >= values.var() * (1 - 1e-9)


def test_other_points_have_no_conservative_variance() -> None:
    region = SingleRegion(rng().normal(size=8), np.array([1, 1, 0, 0, 1, 1, 0, 0]), (1, 3, 5, 7))
    found = horvitz_thompson(region, 1, rng=rng())
    assert found.effect is None
    assert found.standard_error is None
    assert horvitz_thompson(region, 0, rng=rng()).effect is None


def test_more_tosses_than_can_be_listed_are_drawn() -> None:
    points = optimal_points(160, 2)
    blocks = np.searchsorted(points, np.arange(1, 161), side="right") - 1
    treated = rng(2).integers(0, 2, len(points))[blocks]
    region = SingleRegion(5 * treated - 2.5 + rng().normal(size=160), treated, points)
    found = horvitz_thompson(region, 2, rng=rng(), draws=999)
    assert found.effect is not None
    assert found.p_value < 0.05
    assert carryover_test(region, 0, 2, rng=rng(), draws=999).p_value > 0.05


def test_a_carried_effect_is_noticed_and_an_instant_one_is_not() -> None:
    points = optimal_points(400, 4)
    blocks = np.searchsorted(points, np.arange(1, 401), side="right") - 1
    treated = rng(2).integers(0, 2, len(points))[blocks]
    lagged = np.concatenate((np.zeros(3), treated[:-3]))
    noise = rng().normal(size=400)
    carried = SingleRegion(8 * lagged + noise - 4, treated, points)
    instant = SingleRegion(8 * treated + noise - 4, treated, points)
    assert carryover_test(carried, 0, 4, rng=rng(), draws=499).p_value < 0.01
    assert carryover_test(instant, 0, 4, rng=rng(), draws=499).p_value > 0.05
    short = SingleRegion(rng().normal(size=12), np.repeat((1, 0, 1, 0), (4, 2, 2, 4)), POINTS)
    assert 0 < carryover_test(short, 1, 2, rng=rng()).p_value <= 1


def test_every_fault_of_a_switchback_is_told_at_once() -> None:
    with pytest.raises(InputError) as refused:
        SwitchbackPlan(0, 3, 0, -1)
    assert len(refused.value.problems) == 4
    with pytest.raises(InputError) as refused:
        SingleRegion(np.array([1.0, np.inf]), np.array([2, 0, 1]), (2, 2, 9))
    assert len(refused.value.problems) == 6
    with pytest.raises(InputError, match="switch at the points only"):
        SingleRegion(np.zeros(4), np.array([0, 1, 1, 1]), (1, 3))
    with pytest.raises(InputError, match="multiple of 3"):
        optimal_points(10, 3)
    with pytest.raises(InputError, match="carryover lies"):
        horvitz_thompson(SingleRegion(np.zeros(2), np.zeros(2), (1,)), 2, rng=rng())
    with pytest.raises(InputError, match="shorter one first"):
        carryover_test(SingleRegion(np.zeros(2), np.zeros(2), (1,)), 1, 1, rng=rng())
    assert optimal_points(3, 0) == (1, 2, 3)
    design = switchback_design(SwitchbackPlan(2, 2, 12, seed=3))
    with pytest.raises(InputError) as refused:
        switchback_effect(np.full((1, 2), np.inf), design, rng=rng(), draws=0)
    assert len(refused.value.problems) == 3
