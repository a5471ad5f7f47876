"""Few events: score, exact and log intervals, against likelihood and tests from outside."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged_experiments import number, rate
from scipy import stats
from statsmodels.stats.proportion import test_proportions_2indep as statsmodels_score

from equipoise_stats import (
    InputError,
    Interval,
    Status,
    TwoRates,
    Undefined,
    log_lift,
    miettinen_nurminen,
    poisson_rate_ratio,
    pooled_t,
    pooled_z,
    score_p_value,
    score_z,
)
from equipoise_stats.small_counts import _restricted

ARMS = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def log_likelihood(rates: TwoRates, p1: float, p2: float) -> float:
    t, c = (rates.treatment_events, rates.treatment_n), (rates.control_events, rates.control_n)
    return float(stats.binom.logpmf(*t, p1) + stats.binom.logpmf(*c, p2))


@given(ARMS, ARMS, st.floats(-0.9, 0.9))
def test_the_restricted_rates_are_the_likeliest(
    t: tuple[int, int], c: tuple[int, int], difference: float
) -> None:
    rates = TwoRates(*t, *c)
    p1, p2 = _restricted(rates, difference)
    found = log_likelihood(rates, p1, p2)
    assert p1 - p2 == pytest.approx(difference, abs=1e-9)
    for other in np.linspace(max(difference, 0), min(1 + difference, 1), 41):
        assert log_likelihood(rates, other, other - difference) <= found + 1e-6


def test_the_score_of_a_published_package_is_not_at_the_likeliest_rates() -> None:
    """statsmodels 0.15 answers z = 1.34661 here, at rates that are less likely than ours."""
    rates = TwoRates(870, 1000, 880, 1000)
    theirs = statsmodels_score(870, 1000, 880, 1000, value=-0.03, method="score", alternative="larger")
    ours = _restricted(rates, -0.03)
    assert log_likelihood(rates, *ours) > log_likelihood(rates, theirs.prop1_null, theirs.prop2_null)
    assert score_z(rates, -0.03) == pytest.approx(theirs.statistic, rel=2e-3)
    assert score_p_value(rates, -0.03) == pytest.approx(theirs.pvalue, rel=5e-3)


@given(ARMS, ARMS)
def test_the_score_interval_holds_its_rates_and_is_never_empty(
    t: tuple[int, int], c: tuple[int, int]
) -> None:
    rates = TwoRates(*t, *c)
    found, mirrored = miettinen_nurminen(rates), miettinen_nurminen(TwoRates(*c, *t))
    assert -1 <= found.lower <= found.value <= found.upper <= 1
    assert found.lower < found.upper
    assert mirrored.lower == pytest.approx(-found.upper, abs=1e-6)


@given(ARMS, ARMS)
def test_the_score_interval_and_its_p_value_agree(t: tuple[int, int], c: tuple[int, int]) -> None:
    rates = TwoRates(*t, *c)
    found = miettinen_nurminen(rates)
    if abs(abs(score_z(rates)) - 1.959964) > 1e-3:
        assert found.excludes_zero is (abs(score_z(rates)) > 1.959964)


def test_no_events_at_all_give_no_pooled_z() -> None:
    assert pooled_z(TwoRates(0, 10, 0, 10)) is None
    assert score_p_value(TwoRates(0, 100, 0, 100), -0.1) < 0.001


def test_the_pooled_t_of_unusable_arms_says_why() -> None:
    assert pooled_t(rate(0, 10), rate(3, 10)) == Undefined(Status.ZERO_VARIANCE)


def test_the_log_interval_is_symmetric_in_ratios() -> None:
    found = log_lift(number(12, 5, 900), number(10, 4, 1000), critical=1.96)
    assert isinstance(found, Interval)
    assert (1 + found.lower) * (1 + found.upper) == pytest.approx((1 + found.value) ** 2)
    narrower = log_lift(number(12, 5, 900), number(10, 4, 1000), critical=1.96, shared=0.01)
    assert isinstance(narrower, Interval)
    assert narrower.upper < found.upper


def test_a_log_interval_needs_positive_metrics() -> None:
    minus, plus = number(-1, 5, 100), number(1, 5, 100)
    assert log_lift(plus, minus, critical=2) == Undefined(Status.NEGATIVE_CONTROL)
    assert log_lift(minus, plus, critical=2) == Undefined(Status.NOT_POSITIVE)


def test_rates_per_exposure_without_control_events_have_no_ratio() -> None:
    assert poisson_rate_ratio((3, 0), (10, 10)) == Undefined(Status.ZERO_CONTROL)
    found = poisson_rate_ratio((0, 9), (10, 10))
    assert isinstance(found, tuple)
    assert found[0].value == found[0].lower == 0
    assert found[0].upper < 1
    assert 0 < found[1] < 0.01


def test_every_fault_of_few_counts_is_told_at_once() -> None:
    with pytest.raises(InputError) as refused:
        poisson_rate_ratio((-1, 2), (0, 1), alpha=2)
    assert len(refused.value.problems) == 3
    with pytest.raises(InputError) as refused:
        score_z(TwoRates(3, 0, 5, 4), 1.0)
    assert len(refused.value.problems) == 4
    assert math.isfinite(score_z(TwoRates(3, 3, 0, 4), 0.999))
