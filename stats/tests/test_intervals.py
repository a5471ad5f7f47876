"""Intervals agree with outside libraries, and the lift never contradicts the effect."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from judged_experiments import number, rate
from scipy import stats as reference
from statsmodels.stats.proportion import confint_proportions_2indep

from equipoise_stats import (
    Estimate,
    Interval,
    Status,
    TwoRates,
    Undefined,
    confidence_sequence,
    fieller_lift,
    two_proportions,
    two_sided_multiplier,
    welch,
)
from equipoise_stats.intervals import known
from equipoise_stats.sequences import log_e_value_of_events

EMPTY = Estimate(0, None, None, None, Status.NO_UNITS)


def interval(found: Interval | Undefined) -> Interval:
    assert isinstance(found, Interval)
    return found


def test_welch_agrees_with_scipy() -> None:
    rng = np.random.default_rng(7)
    t, c = rng.normal(5.2, 2, 150), rng.normal(5, 3, 90)
    arms = [number(float(x.mean()), float(x.std(ddof=1)), len(x)) for x in (t, c)]
    expected = reference.ttest_ind(t, c, equal_var=False).confidence_interval(0.9)
    found = interval(welch(*arms, alpha=0.1))
    assert (found.lower, found.upper) == pytest.approx((expected.low, expected.high))


def test_rates_with_few_events_take_newcombe_and_others_welch() -> None:
    few = interval(two_proportions(rate(9, 1000), rate(3, 1000)))
    low, high = confint_proportions_2indep(9, 1000, 3, 1000, method="newcomb", compare="diff")
    assert (few.lower, few.upper) == pytest.approx((low, high))
    many = two_proportions(rate(300, 1000), rate(270, 1000))
    assert many == welch(rate(300, 1000), rate(270, 1000))
    assert two_proportions(rate(0, 500), rate(0, 500)) != Undefined(Status.ZERO_VARIANCE)
    assert two_proportions(EMPTY, rate(3, 10)) == Undefined(Status.NO_UNITS)


def test_the_sequence_is_wider_than_the_fixed_interval() -> None:
    arms = rate(396, 3000), rate(522, 3461)
    sequence = interval(confidence_sequence(*arms, expected_units=6000))
    fixed = interval(welch(*arms))
    assert sequence.lower < fixed.lower < fixed.upper < sequence.upper
    assert confidence_sequence(EMPTY, arms[1], expected_units=10) == Undefined(Status.NO_UNITS)


def test_a_lift_needs_a_control_that_is_surely_positive() -> None:
    treatment = number(1.0, 1.0, 1000)
    reasons = {
        0.0: Status.ZERO_CONTROL,
        -2.0: Status.NEGATIVE_CONTROL,
        0.01: Status.NOISY_CONTROL,
    }
    for value, reason in reasons.items():
        found = fieller_lift(treatment, number(value, 1.0, 1000), critical=1.96)
        assert found == Undefined(reason)
    assert fieller_lift(EMPTY, treatment, critical=1.96) == Undefined(Status.NO_UNITS)
    assert TwoRates(5, 1000, 0, 1000).lift() == Undefined(Status.ZERO_CONTROL)
    assert TwoRates(5, 1000, 1, 1000).lift() == Undefined(Status.NOISY_CONTROL)


@given(
    st.floats(0.1, 100),
    st.floats(0.1, 100),
    st.floats(0.01, 50),
    st.floats(0.01, 50),
    st.floats(1.0, 6.0),
)
def test_lift_and_effect_never_disagree(
    mt: float, mc: float, sd_t: float, sd_c: float, critical: float
) -> None:
    t, c = number(mt, sd_t, 500), number(mc, sd_c, 700)
    lift = fieller_lift(t, c, critical=critical)
    assume(isinstance(lift, Interval))
    lift = interval(lift)
    gap = abs(mt - mc) - critical * np.sqrt(known(t.variance) + known(c.variance))
    assume(abs(gap) > 1e-9 * (mt + mc))
    assert lift.excludes_zero == (gap > 0)
    assert lift.lower <= lift.value <= lift.upper
    if lift.excludes_zero:
        assert (lift.lower > 0) == (mt > mc)


@given(st.integers(0, 60), st.integers(1, 60), st.integers(100, 400), st.integers(100, 400))
def test_lift_effect_and_p_value_of_few_events_never_disagree(x: int, y: int, n: int, m: int) -> None:
    rates = TwoRates(x, n, y, m)
    effect, lift, p = rates.difference(), rates.lift(), rates.p_value()
    assert effect.lower <= effect.value <= effect.upper
    assume(abs(p - 0.05) > 1e-9)
    assert effect.excludes_zero == (p < 0.05)
    if isinstance(lift, Interval):
        assert lift.lower <= lift.value + 1e-12
        assert lift.excludes_zero == effect.excludes_zero


def test_everybody_against_nobody_has_a_p_value_above_zero() -> None:
    assert 0 < TwoRates(100_000, 100_000, 0, 100_000).p_value() < 1e-300


def test_a_number_that_is_not_there_cannot_be_used() -> None:
    with pytest.raises(ValueError, match="look at its status"):
        known(None)


def test_the_sequence_is_tightest_near_the_expected_units() -> None:
    n = np.array([0.2, 1.0, 5.0])
    assert (two_sided_multiplier(n, 1.0) / np.sqrt(n))[0] > two_sided_multiplier(1.0, 1.0)
    early, tuned, late = two_sided_multiplier(n, 1.0)
    assert tuned < early
    assert tuned < late


@pytest.mark.parametrize(
    ("treated", "events", "share"), [(0, 5_000, 0.5), (300, 5_000, 0.5), (9, 900, 0.9), (2, 6, 0.5)]
)
def test_few_events_in_the_treatment_are_no_evidence_of_harm(treated: int, events: int, share: float) -> None:
    # The mixture over p > share of a likelihood ratio below 1, by quadrature near the share.
    p = share + np.linspace(0, 1, 2_000_001)[1:-1] ** 3 * (1 - share)
    log_ratio = treated * np.log(p / share) + (events - treated) * np.log((1 - p) / (1 - share))
    prior = reference.beta(10 * share, 10 * (1 - share))
    expected = np.trapezoid(np.exp(log_ratio) * prior.pdf(p), p) / prior.sf(share)
    found = log_e_value_of_events(treated, events, share)
    assert found == pytest.approx(np.log(expected), rel=1e-3)
    assert found < 0


def test_only_events_in_the_treatment_are_evidence_of_harm() -> None:
    assert log_e_value_of_events(5_000, 5_000, 0.5) > 700
