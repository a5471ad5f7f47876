"""Exact evidence at any time: it is worth 1 on average when nothing differs, and never a NaN."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from equipoise_stats import (
    InputError,
    anytime_t_multiplier,
    bernoulli_sequence,
    concentration_for,
    log_e_value_of_split,
    one_sided_boundary,
    quantile_p_value,
    sequence_power,
    slope_weights,
    tolerated_share,
    wilson,
)


@given(n=st.integers(1, 200), share=st.floats(0.05, 0.95), concentration=st.floats(1, 200))
def test_evidence_of_a_split_has_expectation_one_under_the_planned_share(
    n: int, share: float, concentration: float
) -> None:
    seen = np.arange(n + 1)
    e = np.exp(log_e_value_of_split(seen, n, share, concentration=concentration))
    assert float(e @ stats.binom.pmf(seen, n, share)) == pytest.approx(1, rel=1e-6)


def test_a_margin_moves_the_share_that_is_tolerated() -> None:
    assert tolerated_share(0.5, 0.0) == 0.5
    assert tolerated_share(0.5, 1.0) == pytest.approx(2 / 3)
    # Twice the rate in a 1 % canary.
    assert tolerated_share(0.01, 1.0) == pytest.approx(0.02 / 1.01)


@given(n=st.integers(1, 3000), part=st.floats(0, 1), expected=st.floats(1, 1e6))
def test_a_rate_lies_within_its_bounds(n: int, part: float, expected: float) -> None:
    events = round(n * part)
    found = bernoulli_sequence(events, n, expected_n=expected)
    assert 0 <= found.lower <= found.value <= found.upper <= 1


def test_one_unit_says_nothing_about_a_rate() -> None:
    found = bernoulli_sequence(1, 1, expected_n=1000)
    assert (found.lower, found.upper) == (0, 1)


def test_impossible_counts_are_named() -> None:
    with pytest.raises(InputError) as refused:
        bernoulli_sequence(3, 0, expected_n=0)
    assert len(refused.value.problems) == 3


def test_the_tuning_of_a_boundary_may_differ_from_its_alpha() -> None:
    assert one_sided_boundary(100, 100, 0.01) > one_sided_boundary(100, 100, 0.05)
    assert one_sided_boundary(100, 100, tuned_for=0.05) == one_sided_boundary(100, 100)
    assert one_sided_boundary(100, 100, tuned_for=0.01) != one_sided_boundary(100, 100)


def test_the_t_sequence_nears_the_normal_one_and_is_silent_at_first() -> None:
    normal = math.sqrt((1 + 1 / 1e5) * (2 * math.log(20) + math.log1p(1e5)))
    assert anytime_t_multiplier(1e5, 2) == pytest.approx(normal, rel=1e-3)
    assert anytime_t_multiplier(3, 2) is None
    with pytest.raises(InputError, match="coefficients"):
        anytime_t_multiplier(2, 2)


def test_quantiles_of_equal_arms_are_not_told_apart_and_of_shifted_ones_are() -> None:
    arm = np.random.default_rng(1).exponential(size=2000)
    assert quantile_p_value(arm, arm, 0.9, expected_n=500) == 1
    assert quantile_p_value(arm, arm * 2, 0.9, expected_n=500) < 1e-4


def test_ties_make_no_evidence() -> None:
    assert quantile_p_value(np.zeros(500), np.zeros(700), 0.5, expected_n=100) == 1


def test_quantiles_need_units_and_a_level() -> None:
    with pytest.raises(InputError) as refused:
        quantile_p_value([], [1.0], 1.0, expected_n=100)
    assert len(refused.value.problems) == 2


@pytest.mark.parametrize(
    ("asked", "faults"),
    [
        (lambda: concentration_for(0.0, 1.0), 2),
        (lambda: one_sided_boundary(-1.0, 0.0, 0.5, tuned_for=1.0), 4),
        (lambda: tolerated_share(float("nan"), -1.0), 2),
        (lambda: wilson(0.0, 0, -1.0), 2),
        (lambda: slope_weights(1), 1),
        (lambda: sequence_power(float("nan")), 1),
    ],
)
def test_what_is_no_number_of_anything_is_refused_with_every_fault(
    asked: Callable[[], object], faults: int
) -> None:
    with pytest.raises(InputError) as refused:
        asked()
    assert len(refused.value.problems) == faults
