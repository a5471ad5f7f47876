"""Sample ratio mismatch: verdicts, small samples, and arms without weight."""

from __future__ import annotations

import itertools
import math

import pytest
from scipy import stats as reference

from equipoise_stats import SrmMethod, SrmVerdict, judge_srm


def exact_by_enumeration(counts: list[int], shares: list[float]) -> float:
    total = sum(counts)
    model = reference.multinomial(total, shares)
    seen = model.pmf(counts) * (1 + 1e-7)
    outcomes = (
        (*head, total - sum(head))
        for head in itertools.product(range(total + 1), repeat=len(counts) - 1)
        if sum(head) <= total
    )
    return sum(p for p in map(model.pmf, outcomes) if p <= seen)


def test_the_verdict_follows_the_thresholds() -> None:
    assert judge_srm([50_000, 50_100], [1, 1]).verdict is SrmVerdict.PASS
    assert judge_srm([50_000, 49_000], [1, 1]).verdict is SrmVerdict.WARN
    assert judge_srm([50_000, 48_000], [1, 1]).verdict is SrmVerdict.LOCKED


def test_small_samples_are_tested_exactly() -> None:
    three = judge_srm([9, 1, 2], [1, 1, 1])
    assert three.method is SrmMethod.EXACT_MULTINOMIAL
    assert three.p_value == pytest.approx(exact_by_enumeration([9, 1, 2], [1 / 3] * 3))
    two = judge_srm([7, 1], [1, 1])
    assert two.p_value == pytest.approx(reference.binomtest(7, 8, 0.5).pvalue)


def test_sparse_arms_of_large_samples_are_pooled() -> None:
    pair = judge_srm([100_000, 3, 0], [0.99996, 0.00002, 0.00002])
    assert pair.method is SrmMethod.POOLED_SPARSE_ARMS
    expected = reference.binomtest(3, 100_003, 0.00004).pvalue
    assert pair.p_value == pytest.approx(expected, rel=1e-6)
    three = judge_srm([60_000, 40_000, 5, 4], [0.6, 0.39991, 0.00005, 0.00004])
    assert three.method is SrmMethod.POOLED_SPARSE_ARMS
    pooled = [100_009 * share for share in (0.6, 0.39991, 0.00009)]
    fit = reference.chisquare([60_000, 40_000, 9], pooled)
    assert three.p_value == pytest.approx(fit.pvalue, rel=1e-6)


def test_without_units_or_a_second_arm_nothing_is_claimed() -> None:
    for counts, weights in (([0, 0], [1, 1]), ([10, 0], [1, 0])):
        found = judge_srm(counts, weights)
        assert found.verdict is SrmVerdict.UNKNOWN
        assert found.p_value is None
        assert found.log_e_value is None


def test_evidence_over_a_thousand_locks_at_any_look() -> None:
    found = judge_srm([50_000, 47_000], [1, 1])
    assert found.log_e_value is not None
    assert found.log_e_value > math.log(1000)
    assert 0 < judge_srm([10**7, 1], [1, 1]).p_value < 1e-300  # type: ignore[operator]  # known here


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="one weight per count"):
        judge_srm([1, 2], [1])
    with pytest.raises(ValueError, match="0 or more"):
        judge_srm([-1, 2], [1, 1])
