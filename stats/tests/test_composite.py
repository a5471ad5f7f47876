"""A composite OEC knows how its metrics move together, and how much the weights decide."""

from __future__ import annotations

import math

import numpy as np
import pytest

from equipoise_stats import (
    Component,
    Composite,
    InputError,
    Moments,
    Quantity,
    Scale,
    Status,
    Undefined,
    composite_effect,
    mean_estimate,
    ratio_estimate,
    sensitivity,
    welch,
)

A, B, R = Quantity("a"), Quantity("b"), Quantity("a", "b")


def arms(lift: float = 0.05, n: int = 20_000) -> tuple[Moments, Moments]:
    rng = np.random.default_rng(3)

    def arm(factor: float) -> Moments:
        a = rng.gamma(4, 1, n) * factor
        return Moments.from_rows(("a", "b"), np.column_stack((a, 2 + 0.5 * a + rng.normal(0, 0.3, n))))

    return arm(1 + lift), arm(1.0)


def composed(found: object) -> Composite:
    assert isinstance(found, Composite)
    return found


def test_one_metric_on_its_own_scale_is_its_plain_effect() -> None:
    t, c = arms()
    found = composed(composite_effect(t, c, [Component(A, 1)], critical=1.96, scale=Scale.ABSOLUTE))
    plain = welch(mean_estimate(t, "a"), mean_estimate(c, "a"))
    assert found.effect.value == pytest.approx(plain.value)
    assert found.effect.lower == pytest.approx(plain.lower, abs=1e-4)


def test_a_standardised_effect_is_in_standard_deviations_of_the_control() -> None:
    t, c = arms()
    found = composed(composite_effect(t, c, [Component(A, 2)], critical=1.96, scale=Scale.STANDARDISED))
    sd = math.sqrt(mean_estimate(c, "a").unit_variance or 0)
    assert found.effect.value == pytest.approx(2 * (t.means[0] - c.means[0]) / sd)


def test_metrics_that_move_together_are_noisier_than_independent_ones() -> None:
    t, c = arms()
    found = composed(composite_effect(t, c, [Component(A, 0.5), Component(B, 0.5)], critical=1.96))
    alone = math.sqrt(0.25 * found.covariance[0, 0] + 0.25 * found.covariance[1, 1])
    assert found.standard_error > 1.2 * alone
    against = composed(composite_effect(t, c, [Component(A, 0.5), Component(B, -0.5)], critical=1.96))
    assert against.standard_error < alone


def test_a_ratio_may_be_a_component() -> None:
    t, c = arms()
    found = composed(composite_effect(t, c, [Component(R, 1)], critical=1.96))
    t_ratio, c_ratio = ratio_estimate(t, "a", "b"), ratio_estimate(c, "a", "b")
    assert found.effect.value == pytest.approx(t_ratio.value / c_ratio.value - 1)


def test_a_composite_without_a_baseline_is_undefined() -> None:
    t, c = arms()
    for level, reason in ((0.0, Status.ZERO_CONTROL), (-1.0, Status.NEGATIVE_CONTROL)):
        moved = Moments(c.names, c.n, np.array([level, 1.0]), c.comoments)
        found = composite_effect(t, moved, [Component(A, 1)], critical=1.96)
        assert found == Undefined(reason)
        absolute = composite_effect(t, moved, [Component(A, 1)], critical=1.96, scale=Scale.ABSOLUTE)
        assert isinstance(absolute, Composite)
    nobody = Moments.empty(c.names)
    assert composite_effect(nobody, c, [Component(A, 1)], critical=2) == Undefined(Status.NO_UNITS)


def test_a_decision_that_hangs_on_the_weights_is_shown_to() -> None:
    t, c = arms(0.05)
    robust, wavering = (Component(A, 0.5), Component(B, 0.5)), (Component(A, 0.48), Component(B, -0.52))
    shares = []
    for components in (robust, wavering):
        found = composed(composite_effect(t, c, components, critical=1.96))
        shares.append(sensitivity(found, components, critical=1.96, rng=np.random.default_rng(1)))
    assert shares[0] == 1
    assert shares[1] < 1


def test_one_weight_or_one_that_rules_all_has_nothing_to_perturb() -> None:
    t, c = arms()
    rng = np.random.default_rng(1)
    only = (Component(A, 2),)
    found = composed(composite_effect(t, c, only, critical=1.96))
    assert sensitivity(found, only, critical=1.96, rng=rng) == 1


def test_every_fault_of_a_composite_is_told_at_once() -> None:
    t, c = arms()
    with pytest.raises(InputError) as refused:
        composite_effect(t, c, [Component(A, 0), Component(A, 1)], critical=2)
    assert len(refused.value.problems) == 2
    with pytest.raises(InputError, match="at least one"):
        composite_effect(t, c, [], critical=2)
    found = composed(composite_effect(t, c, [Component(A, 1)], critical=1.96))
    rng = np.random.default_rng(1)
    with pytest.raises(InputError) as refused:
        sensitivity(found, [Component(A, 1), Component(B, 1)], critical=2, rng=rng, draws=0, wobble=2)
    assert len(refused.value.problems) == 3
