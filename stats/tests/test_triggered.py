"""Triggered analysis: refuted when the trigger depends on the arm, diluted to everybody's effect."""

from __future__ import annotations

import numpy as np
import pytest
from judged_experiments import number

from equipoise_stats import (
    Estimate,
    InputError,
    Interval,
    Moments,
    Status,
    TriggerCounts,
    Undefined,
    check_trigger,
    diluted_effect,
    diluted_lift,
    diluted_ratio_effect,
    mean_estimate,
    metric_share,
)

EVEN = (TriggerCounts(50_000, 9000), TriggerCounts(50_000, 9050))
NOBODY = Estimate(0, None, None, None, Status.NO_UNITS)


def test_a_trigger_that_one_arm_meets_more_often_is_wrong() -> None:
    same = (number(3.0, 4, 40_000), number(3.0, 4, 40_000))
    assert check_trigger(EVEN, same).is_valid
    uneven = (TriggerCounts(50_000, 9000), TriggerCounts(50_000, 9900))
    assert not check_trigger(uneven, same).is_valid


def test_a_trigger_that_leaves_an_effect_behind_is_wrong() -> None:
    moved = (number(3.2, 4, 40_000), number(3.0, 4, 40_000))
    assert not check_trigger(EVEN, moved).is_valid


def test_without_untriggered_units_the_counts_decide_alone() -> None:
    found = check_trigger(EVEN, (NOBODY, NOBODY))
    assert found.complement_z is None
    assert found.is_valid
    assert not check_trigger((TriggerCounts(9, 0), TriggerCounts(9, 0)), (NOBODY, NOBODY)).is_valid


def everybody(seed: int = 1) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A tenth of units trigger and carry a fifth of the metric; +20 % for them."""
    rng = np.random.default_rng(seed)
    triggered = rng.random(200_000) < 0.1
    y = rng.gamma(2, np.where(triggered, 2.25, 1.0))
    d = rng.poisson(np.where(triggered, 4, 2)) + 1.0
    return {
        "C": np.column_stack((y, d)),
        "T": np.column_stack((y * (1 + 0.2 * triggered), d + triggered)),
    }, triggered


def test_the_diluted_numbers_are_those_of_all_units() -> None:
    rows, triggered = everybody()
    part = {w: Moments.from_rows(("y", "d"), rows[w][triggered]) for w in "CT"}
    whole = {w: Moments.from_rows(("y", "d"), rows[w]) for w in "CT"}
    t, c = (part[w].means[0] for w in "TC")
    share = metric_share(mean_estimate(part["C"], "y"), mean_estimate(whole["C"], "y"))
    assert isinstance(share, float)
    assert share == pytest.approx(0.2, abs=0.01)
    effect = diluted_effect(Interval(t - c, t - c - 1, t - c + 1, 0.95), triggered.mean())
    assert effect.value == pytest.approx(whole["T"].means[0] - whole["C"].means[0])
    assert effect.upper - effect.lower == pytest.approx(2 * triggered.mean())
    lift = diluted_lift(Interval(t / c - 1, 0, 1, 0.95), share)
    assert lift.value == pytest.approx(whole["T"].means[0] / whole["C"].means[0] - 1)
    ratio = diluted_ratio_effect(part["T"], part["C"], whole["C"], numerator="y", denominator="d")
    truth = whole["T"].means[0] / whole["T"].means[1] - whole["C"].means[0] / whole["C"].means[1]
    assert ratio == pytest.approx(truth)


def test_a_share_of_nothing_is_undefined() -> None:
    assert metric_share(NOBODY, number(1, 1, 10)) == Undefined(Status.NO_UNITS)
    assert metric_share(number(1, 1, 10), NOBODY) == Undefined(Status.NO_UNITS)
    assert metric_share(number(1, 1, 10), number(0, 1, 10)) == Undefined(Status.ZERO_CONTROL)
    assert metric_share(number(1, 1, 10), number(-1, 1, 10)) == Undefined(Status.NEGATIVE_CONTROL)
    empty, flat = Moments.empty(("y", "d")), Moments.from_rows(("y", "d"), [[1.0, 0.0], [2.0, 0.0]])
    names = {"numerator": "y", "denominator": "d"}
    assert diluted_ratio_effect(empty, flat, flat, **names) == Undefined(Status.NO_UNITS)
    assert diluted_ratio_effect(flat, flat, flat, **names) == Undefined(Status.ZERO_DENOMINATOR)


def test_every_fault_of_a_trigger_is_told_at_once() -> None:
    with pytest.raises(InputError) as refused:
        TriggerCounts(0, 3)
    assert len(refused.value.problems) == 2
    with pytest.raises(InputError, match="trigger_rate"):
        diluted_effect(Interval(1, 0, 2, 0.95), 1.5)
    with pytest.raises(InputError, match="metric_share"):
        diluted_lift(Interval(1, 0, 2, 0.95), -1)
    small, large = (Moments.from_rows(("y", "d"), np.ones((n, 2))) for n in (2, 3))
    with pytest.raises(InputError, match="among them"):
        diluted_ratio_effect(large, large, small, numerator="y", denominator="d")
