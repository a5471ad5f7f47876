"""Clusters: the number of them chooses the method, and labels may be shuffled."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from equipoise_stats import (
    ClusterEffect,
    ClusterMethod,
    ClusterTable,
    InputError,
    SrmVerdict,
    Status,
    Undefined,
    cluster_effect,
    cluster_srm,
    cr2_effect,
    delta_effect,
    means_effect,
    permutation_p_value,
)


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def a_table(clusters: int, seed: int = 1, *, effect: float = 0.0) -> ClusterTable:
    made = np.random.default_rng(seed)
    sizes = made.integers(5, 50, clusters).astype(float)
    treated = np.arange(clusters) % 2 == 0
    means = 10 + made.normal(0, 1, clusters) + effect * treated
    return ClusterTable(sizes * means, sizes, treated)


def effect_of(found: object) -> ClusterEffect:
    assert isinstance(found, ClusterEffect)
    return found


@pytest.mark.parametrize(
    ("clusters", "method", "permuted"),
    [
        (8, ClusterMethod.CLUSTER_MEANS, True),
        (16, ClusterMethod.CR2, True),
        (24, ClusterMethod.CR2, False),
        (40, ClusterMethod.DELTA, False),
    ],
)
def test_the_number_of_clusters_chooses_the_method(
    clusters: int, method: ClusterMethod, permuted: bool
) -> None:
    found = effect_of(cluster_effect(a_table(clusters), rng=rng()))
    assert (found.method, found.permuted) == (method, permuted)


def test_fewer_than_four_clusters_an_arm_have_no_answer() -> None:
    few = Undefined(Status.TOO_FEW_CLUSTERS)
    assert cluster_effect(a_table(7), rng=rng()) == few
    assert {f(a_table(3)) for f in (delta_effect, cr2_effect, means_effect)} == {few}


def test_equal_clusters_have_nothing_to_test_against() -> None:
    flat = ClusterTable(np.full(12, 20.0), np.full(12, 4.0), np.arange(12) % 2 == 0)
    assert cluster_effect(flat, rng=rng()) == Undefined(Status.ZERO_VARIANCE)


@given(st.integers(0, 100))
def test_the_delta_method_is_the_cluster_robust_regression_of_members(seed: int) -> None:
    table = a_table(20, seed)
    sizes = table.sizes.astype(int)
    of = np.repeat(np.arange(20), sizes)
    y, w = table.means[of], table.treated[of].astype(float)
    fit = sm.OLS(y, sm.add_constant(w)).fit(
        cov_type="cluster", cov_kwds={"groups": of, "use_correction": False}
    )
    found = effect_of(delta_effect(table))
    assert found.effect.value == pytest.approx(fit.params[1], abs=1e-9)
    assert found.standard_error == pytest.approx(fit.bse[1] * math.sqrt(10 / 9), rel=1e-9)


def test_equal_cluster_sizes_make_all_methods_one() -> None:
    y = np.random.default_rng(3).normal(5, 1, 20)
    table = ClusterTable(y * 4, np.full(20, 4.0), np.arange(20) % 2 == 0)
    errors = [effect_of(f(table)).standard_error for f in (delta_effect, cr2_effect, means_effect)]
    assert errors == pytest.approx([errors[0]] * 3)
    assert effect_of(cr2_effect(table)).degrees_of_freedom == pytest.approx(18)


def test_a_large_effect_is_found_with_eight_clusters_and_no_sooner_than_possible() -> None:
    found = effect_of(cluster_effect(a_table(8, effect=30), rng=rng()))
    assert found.p_value == pytest.approx(2 / 70)


def test_permutations_too_many_to_list_are_drawn() -> None:
    table = a_table(24, effect=5)
    assert permutation_p_value(table.means, table.treated, rng=rng(), draws=499) == 1 / 500
    listed = permutation_p_value(table.means[:14], table.treated[:14], rng=rng())
    assert 0 < listed < 0.01


def test_clusters_are_checked_for_their_number_and_for_their_sizes() -> None:
    even = cluster_srm(a_table(40))
    assert even.clusters.verdict is SrmVerdict.PASS
    assert even.sizes_p_value is not None
    assert even.sizes_p_value > 0.01
    treated = np.arange(40) < 20
    larger = cluster_srm(ClusterTable(np.ones(40), 10 + 20.0 * treated + np.arange(40) % 3, treated))
    assert larger.sizes_p_value is not None
    assert larger.sizes_p_value < 1e-6
    assert cluster_srm(ClusterTable(np.ones(8), np.ones(8), treated[16:24])).sizes_p_value is None
    assert cluster_srm(a_table(3)).sizes_p_value is None


def test_every_fault_of_a_cluster_table_is_told_at_once() -> None:
    with pytest.raises(InputError) as refused:
        ClusterTable(np.array([1.0, np.nan]), np.array([1.0, 0.0, 2.0]), np.array([1, 2]))
    assert len(refused.value.problems) == 4
    with pytest.raises(InputError) as refused:
        permutation_p_value([1.0, 2.0], [True, True], rng=rng(), draws=0)
    assert len(refused.value.problems) == 2
    with pytest.raises(InputError, match="treated_share"):
        cluster_srm(a_table(8), treated_share=1)
