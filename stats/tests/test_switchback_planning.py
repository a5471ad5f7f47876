"""What a switchback could find is read from schedules drawn over weeks in which nothing was switched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from equipoise_stats import (
    InputError,
    Pairing,
    PowerTarget,
    Status,
    SwitchbackDesign,
    SwitchbackEffect,
    SwitchbackPlan,
    SwitchbackPower,
    Undefined,
    draw_schedules,
    switchback_effect,
    switchback_power,
)

PLAN = SwitchbackPlan(regions=6, days=14, windows_per_day=6, seed=1)


def rng(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


def past(plan: SwitchbackPlan = PLAN, *, sd: float = 3.0, lasting: float = 0.0, seed: int = 8) -> np.ndarray:
    """Weeks of windows: regions differ, hours differ, and what a window has too much may last."""
    dice = rng(seed)
    noise = dice.normal(0, sd, (plan.regions, plan.windows))
    for window in range(1, plan.windows):
        noise[:, window] += lasting * noise[:, window - 1]
    return dice.normal(100, 20, (plan.regions, 1)) + 10 * np.sin(plan.hours) + noise


def power_of(found: object) -> SwitchbackPower:
    assert isinstance(found, SwitchbackPower)
    return found


def test_windows_that_know_nothing_of_each_other_have_the_error_of_tossed_coins() -> None:
    found = power_of(switchback_power(past(), PLAN, rng=rng()))
    assert found.rough_error == pytest.approx(2 * 3.0 / np.sqrt(6 * 84), rel=0.1)
    assert found.standard_error == pytest.approx(found.rough_error, rel=0.12)
    assert found.mean == pytest.approx(past().mean())
    assert found.detectable_effect == pytest.approx(PowerTarget().reach * found.standard_error)


def test_what_two_days_of_a_pair_have_in_common_is_known_to_the_replay_alone() -> None:
    found = power_of(switchback_power(past(lasting=0.9), PLAN, rng=rng()))
    assert found.standard_error < 0.85 * found.rough_error


def test_the_effect_that_it_promises_is_found_as_often_as_promised() -> None:
    table = past(lasting=0.5)
    found = power_of(switchback_power(table, PLAN, rng=rng()))
    schedules = draw_schedules(PLAN, 60, rng=rng(21))
    seen = [
        switchback_effect(
            table + found.detectable_effect * treated, SwitchbackDesign(PLAN, treated), rng=rng(5), draws=300
        )
        for treated in schedules
    ]
    effects = [one for one in seen if isinstance(one, SwitchbackEffect)]
    assert len(effects) == 60
    assert sum(one.p_value <= 0.05 for one in effects) / 60 == pytest.approx(0.8, abs=0.16)


def test_longer_plans_find_less_and_whole_pairs_of_days_are_asked_for() -> None:
    found = power_of(switchback_power(past(), PLAN, rng=rng()))
    longer = power_of(switchback_power(past(), replace(PLAN, days=56), rng=rng()))
    assert longer.detectable_effect == pytest.approx(found.detectable_effect / 2)
    assert found.detectable_after(56) == pytest.approx(longer.detectable_effect)
    assert found.days_needed(found.detectable_effect) == 14
    assert found.days_needed(-found.detectable_effect / 2) == 56
    assert found.days_needed(1_000.0) == 2
    weeks = replace(PLAN, pairing=Pairing.WEEKS)
    paired = power_of(switchback_power(past(weeks), weeks, rng=rng()))
    assert paired.days_needed(paired.detectable_effect * 0.99) == 28


def test_a_shorter_past_tells_of_a_longer_plan() -> None:
    two_weeks = past()
    told = power_of(switchback_power(two_weeks, replace(PLAN, days=28), rng=rng()))
    month = replace(PLAN, days=28)
    known = power_of(switchback_power(past(month), month, rng=rng()))
    assert told.standard_error == pytest.approx(known.standard_error, rel=0.2)


def test_windows_that_were_not_seen_are_left_out() -> None:
    table = past()
    table[:, ::7] = np.nan
    found = power_of(switchback_power(table, PLAN, rng=rng()))
    assert found.rough_error == pytest.approx(2 * 3.0 / np.sqrt(np.isfinite(table).sum()), rel=0.1)


def test_what_cannot_be_told_has_a_reason() -> None:
    nothing = np.full((6, PLAN.windows), np.nan)
    assert switchback_power(nothing, PLAN, rng=rng()) == Undefined(Status.NOT_IDENTIFIABLE)
    still = np.full((6, PLAN.windows), 7.0)
    assert switchback_power(still, PLAN, rng=rng()) == Undefined(Status.ZERO_VARIANCE)


def test_every_fault_of_the_past_is_told_at_once() -> None:
    with pytest.raises(InputError) as refused:
        switchback_power(np.full((5, 19), np.inf), PLAN, rng=rng(), draws=1)
    assert len(refused.value.problems) == 4
    with pytest.raises(InputError, match="shape"):
        switchback_power(3.0, PLAN, rng=rng())
    found = power_of(switchback_power(past(), PLAN, rng=rng(), draws=60))
    with pytest.raises(InputError, match="days"):
        found.detectable_after(0)
    with pytest.raises(InputError, match="effect"):
        found.days_needed(0.0)
