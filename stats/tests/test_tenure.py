"""Novelty and primacy are told apart on a balanced panel, and composition is not taken for either."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise_stats import (
    BalancedPanel,
    InputError,
    Moments,
    Status,
    TenureContrast,
    Trend,
    Undefined,
    balanced_panel,
    judge_tenure,
    weighted_days,
)

DAYS = tuple(f"day_{k}" for k in range(14))


def arms(effect: np.ndarray, seed: int = 1) -> tuple[Moments, Moments]:
    rng = np.random.default_rng(seed)
    panels = []
    for shift in (effect, np.zeros(14)):
        level = rng.gamma(4, 0.5, (3000, 1))
        panels.append(balanced_panel(level + shift + rng.normal(0, 1, (3000, 14))).moments())
    return panels[0], panels[1]


DAY = np.arange(14)


@pytest.mark.parametrize(
    ("effect", "trend"),
    [
        (0.5 * np.exp(-DAY / 3), Trend.NOVELTY),
        (np.full(14, 0.3), Trend.STABLE),
        (0.1 * (DAY - 4), Trend.PRIMACY),
        (0.02 + 0.05 * DAY, Trend.GROWING),
    ],
)
def test_the_course_of_an_effect_is_named(effect: np.ndarray, trend: Trend) -> None:
    found = judge_tenure(*arms(effect), DAYS)
    assert found.trend is trend
    for part, value in ((found.overall, effect.mean()), (found.after, effect[7:].mean())):
        assert isinstance(part, TenureContrast)
        assert part.effect.lower < value < part.effect.upper
    assert isinstance(found.second_minus_first, TenureContrast)
    assert found.second_minus_first.effect.value == pytest.approx(
        effect[7:].mean() - effect[:7].mean(), abs=0.05
    )


def test_the_slope_is_least_squares_of_the_daily_effects() -> None:
    t, c = arms(0.1 * DAY)
    found = judge_tenure(t, c, DAYS).slope
    assert isinstance(found, TenureContrast)
    assert found.effect.value == pytest.approx(np.polyfit(DAY, t.means - c.means, 1)[0])


def test_a_short_panel_has_no_second_week() -> None:
    t, c = arms(np.zeros(14))
    assert judge_tenure(t, c, DAYS[:10]).second_minus_first is None
    assert judge_tenure(t, c, DAYS[:10], after=0).trend is Trend.STABLE


def test_an_arm_without_units_has_no_course() -> None:
    t, _ = arms(np.zeros(14))
    found = judge_tenure(t, Moments.empty(DAYS), DAYS)
    assert found.trend is Trend.UNKNOWN
    assert found.slope == Undefined(Status.NO_UNITS)


def test_only_units_seen_on_every_day_are_kept() -> None:
    found = balanced_panel([[1, 2], [3, np.nan], [5, 6]])
    assert isinstance(found, BalancedPanel)
    assert found.kept.tolist() == [0, 2]
    assert found.moments().names == ("day_0", "day_1")


def test_every_fault_of_a_panel_is_told_at_once() -> None:
    t, c = arms(np.zeros(14))
    with pytest.raises(InputError) as refused:
        judge_tenure(t, c, DAYS[:1], after=3)
    assert len(refused.value.problems) == 2
    with pytest.raises(InputError, match="weights"):
        weighted_days(t, DAYS, [1.0])
    with pytest.raises(InputError, match="units × days"):
        balanced_panel([1.0])
