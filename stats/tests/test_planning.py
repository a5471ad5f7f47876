"""Planning with covariates, clusters, several treatments, guardrails and returning visitors."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from judged_experiments import moments

from equipoise_stats import (
    Baseline,
    Clusters,
    GuardrailBaseline,
    InputError,
    Moments,
    PowerTarget,
    accumulate,
    clusters_needed,
    days_needed,
    dunnett_critical,
    dunnett_target,
    power_of_clusters,
    power_with_guardrails,
    ratio_baseline,
    units_for_all,
    units_per_arm,
    units_per_arm_of_guardrail,
    with_covariates,
)

TARGET = PowerTarget()


def test_covariates_save_the_units_that_they_explain() -> None:
    plain, adjusted = Baseline(5.0, 100.0), with_covariates(Baseline(5.0, 100.0), 0.4)
    saved = units_per_arm(0.1, adjusted.unit_variance) / units_per_arm(0.1, plain.unit_variance)
    assert saved == pytest.approx(0.6)
    with pytest.raises(InputError, match="explained"):
        with_covariates(plain, 1.0)


def test_a_ratio_is_planned_with_its_linearised_variance() -> None:
    found = ratio_baseline(moments(), "clicks", "clicks:denominator")
    # [1 - 2 R 0.4 + R² 2] / 9 with R = 0.6 / 3.
    assert found.value == pytest.approx(0.2)
    assert found.unit_variance == pytest.approx((1 - 2 * 0.2 * 0.4 + 0.04 * 2) / 9, rel=1e-3)
    with pytest.raises(InputError, match="cannot be planned"):
        ratio_baseline(Moments.empty(("y", "d")), "y", "d")


def test_few_clusters_have_the_power_of_a_t_test_on_their_means() -> None:
    one_each = Clusters(mean_size=1, icc=0)
    assert power_of_clusters(1.5, 1.0, 12, one_each) == pytest.approx(0.64958, abs=1e-5)


def test_similar_units_in_uneven_clusters_cost_more() -> None:
    assert Clusters(100, 0.05).design_effect == pytest.approx(5.95)
    assert Clusters(100, 0.05, 0.5).design_effect == pytest.approx(7.2)
    even, uneven = (clusters_needed(0.2, 1.0, Clusters(50, 0.05, cv)) for cv in (0, 1))
    assert even < uneven
    assert power_of_clusters(0.2, 1.0, even, Clusters(50, 0.05)) >= 0.8
    assert power_of_clusters(0.2, 1.0, even - 2, Clusters(50, 0.05)) < 0.8


def test_a_huge_effect_still_needs_four_clusters() -> None:
    assert clusters_needed(50.0, 1.0, Clusters(10, 0.1)) == 4


def test_impossible_clusters_are_named() -> None:
    with pytest.raises(InputError) as refused:
        Clusters(0, 2, -1)
    assert len(refused.value.problems) == 3
    with pytest.raises(InputError):
        power_of_clusters(1, 1, 2, Clusters(1, 0))


def test_dunnett_asks_for_fewer_units_than_bonferroni() -> None:
    three = PowerTarget(treatments=3)
    shared = dunnett_target(three)
    assert units_per_arm(0.1, 1.0, TARGET) < units_per_arm(0.1, 1.0, shared) < units_per_arm(0.1, 1.0, three)
    assert shared.reach == pytest.approx(dunnett_critical([0.5] * 3) + 0.8416212, abs=1e-5)


def test_guardrails_raise_the_power_that_each_needs() -> None:
    assert power_with_guardrails(0.8, 0) == pytest.approx(0.8)
    assert power_with_guardrails(0.8, 3) == pytest.approx(0.95)
    with pytest.raises(InputError) as refused:
        power_with_guardrails(1.0, -1)
    assert len(refused.value.problems) == 2


def test_the_largest_need_decides_and_is_named() -> None:
    oec = Baseline(5.0, 100.0)
    loose, tight = GuardrailBaseline(Baseline(0.5, 0.25), 0.1), GuardrailBaseline(Baseline(0.5, 0.25), 0.005)
    alone = units_for_all(0.5, oec, [])
    assert alone.guardrail is None
    assert alone.control_units == pytest.approx(units_per_arm(0.5, 100.0))
    assert units_for_all(0.5, oec, [loose]).guardrail is None
    found = units_for_all(0.5, oec, [loose, tight], inflation=1.04)
    assert found.guardrail == 1
    each = PowerTarget(power=1 - 0.2 / 3)
    assert found.control_units == pytest.approx(1.04 * units_per_arm_of_guardrail(0.5, 0.25, 0.005, each))


def test_returning_visitors_make_the_curve_concave() -> None:
    history = [1000, 700, 550, 480, 450, 430, 420]
    curve = accumulate(history, 28)
    assert curve[:7] == tuple(history)
    assert len(curve) == 28
    assert all(later <= earlier for earlier, later in pairwise(curve[7:]))
    assert curve[27] < 420


def test_history_longer_than_asked_is_cut() -> None:
    assert accumulate([10, 9, 8], 2) == (10, 9)


def test_the_weeks_follow_the_curve() -> None:
    history = [1000, 700, 550, 480, 450, 430, 420]
    assert days_needed(3600, history) == 7
    assert days_needed(6000, history) == 14
    assert days_needed(1e9, history) is None


def test_a_useless_history_is_refused() -> None:
    with pytest.raises(InputError):
        accumulate([1.0, -2.0], 10)
    with pytest.raises(InputError, match="first day"):
        accumulate(np.zeros(5).tolist(), 10)
