"""Quantiles: rows and histograms agree, clusters widen, thin tails are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from equipoise_stats import (
    Histogram,
    InputError,
    Interval,
    Moments,
    Ordered,
    QuantileEstimate,
    Status,
    Undefined,
    cap_at,
    cap_of_histogram,
    capped,
    event_quantile,
    event_quantile_of,
    exceedance,
    order_statistic_ranks,
    quantile_difference,
    ratio_estimate,
    unit_quantile,
)

WHOLE = st.lists(st.integers(-50, 50), min_size=1, max_size=300)


def histogram(values: list[int]) -> Histogram:
    return Histogram(*np.unique(np.array(values), return_counts=True))


def latencies(seed: int = 3, users: int = 500) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(users), 1 + rng.poisson(19, users))
    return np.exp(4 + rng.normal(0, 0.6, users)[of] + rng.normal(0, 0.4, len(of))), of


def quantile(found: object) -> QuantileEstimate:
    assert isinstance(found, QuantileEstimate)
    return found


@given(WHOLE, st.floats(0.01, 0.99))
def test_a_histogram_says_the_same_as_all_values(values: list[int], q: float) -> None:
    assert unit_quantile(histogram(values), q) == unit_quantile(Ordered.of(values), q)


@given(WHOLE, WHOLE)
def test_histograms_merge_in_any_order(one: list[int], other: list[int]) -> None:
    found, turned = histogram(one).merge(histogram(other)), histogram(other).merge(histogram(one))
    whole = histogram(one + other)
    for merged in (found, turned):
        assert merged.values.tolist() == whole.values.tolist()
        assert merged.counts.tolist() == whole.counts.tolist()


@given(WHOLE, st.floats(0.05, 0.95))
def test_the_cap_of_a_histogram_is_that_of_its_values(values: list[int], share: float) -> None:
    assert cap_of_histogram(histogram(values), share) == pytest.approx(cap_at([values], share))


def test_nobody_counts_for_more_than_the_cap() -> None:
    assert capped([1, 5, 100], cap_at([[1, 5], [100, 2]], 0.5)).tolist() == [1, 3.5, 3.5]


def test_the_ranks_hold_the_quantile_as_often_as_promised() -> None:
    for n in (50, 400, 5000):
        ranks = order_statistic_ranks(n, 0.9)
        assert ranks is not None
        held = stats.binom.cdf(ranks[1] - 1, n, 0.9) - stats.binom.cdf(ranks[0] - 1, n, 0.9)
        assert held >= 0.95


def test_too_few_values_have_no_quantile() -> None:
    assert unit_quantile(Ordered.of([]), 0.5) == Undefined(Status.NO_UNITS)
    assert unit_quantile(Ordered.of(range(20)), 0.99) == Undefined(Status.TOO_FEW_UNITS)
    values, users = latencies(users=100)
    assert event_quantile_of([], [], 0.9) == Undefined(Status.NO_UNITS)
    assert event_quantile_of(values, users, 0.999) == Undefined(Status.TOO_FEW_EVENTS)
    assert event_quantile_of(values, users // 2, 0.9) == Undefined(Status.TOO_FEW_UNITS)


def test_a_tail_that_one_user_makes_has_no_upper_bound() -> None:
    values, users = np.ones(4000), np.arange(4000) // 10
    values[:60] = 100 + np.arange(60)
    found = event_quantile_of(values, users // 3, 0.985)
    assert found == Undefined(Status.TOO_FEW_EVENTS)


def test_a_quantile_at_which_nobody_exceeds_has_no_variance() -> None:
    users = np.arange(400) // 2
    assert event_quantile_of(np.ones(400), users, 0.5) == Undefined(Status.ZERO_VARIANCE)


def test_users_with_many_events_widen_the_bounds() -> None:
    values, users = latencies()
    clustered = quantile(event_quantile_of(values, users, 0.95))
    independent = quantile(event_quantile_of(values, np.arange(len(values)), 0.95))
    assert clustered.design_effect > 3
    assert independent.design_effect == pytest.approx(1, abs=0.01)
    assert clustered.upper - clustered.lower > 1.5 * (independent.upper - independent.lower)


def test_a_sketch_widens_the_bounds_by_its_rank_error() -> None:
    values, users = latencies()
    ordered = Ordered.of(values)
    beyond = exceedance(values, users, threshold=float(np.quantile(values, 0.95)))
    exact = quantile(event_quantile(ordered, beyond, 0.95))
    sketched = quantile(event_quantile(ordered, beyond, 0.95, rank_error=0.005))
    assert sketched.lower < exact.lower < exact.value < exact.upper < sketched.upper
    assert sketched.standard_error == exact.standard_error


def test_the_difference_of_quantiles_has_a_side_for_each_tail() -> None:
    control = quantile(event_quantile_of(*latencies(1), 0.95))
    treatment = quantile(event_quantile_of(*latencies(2), 0.95))
    found = quantile_difference(treatment, control)
    assert isinstance(found, Interval)
    assert found.lower < found.value < found.upper
    assert found.upper - found.value != pytest.approx(found.value - found.lower, rel=1e-3)
    missing = Undefined(Status.TOO_FEW_EVENTS)
    assert quantile_difference(missing, control) == quantile_difference(control, missing) == missing


def test_the_exceedance_rate_is_a_ratio_over_units() -> None:
    values, users = latencies()
    found = exceedance(values, users, threshold=200.0)
    assert isinstance(found, Moments)
    rate = ratio_estimate(found, "exceeding", "events")
    assert rate.value == pytest.approx(float((values > 200).mean()))
    assert rate.n == 500


def test_every_fault_of_quantiles_is_told_at_once() -> None:
    with pytest.raises(InputError) as refused:
        order_statistic_ranks(10, 1.0, alpha=0)
    assert len(refused.value.problems) == 2
    with pytest.raises(InputError) as refused:
        Histogram(np.array([2.0, 1.0, np.inf]), np.array([1.5, -1, 3]))
    assert len(refused.value.problems) == 2 + 1
    with pytest.raises(InputError) as refused:
        exceedance([1.0, np.nan], [1], threshold=np.inf)
    assert len(refused.value.problems) == 3
    with pytest.raises(InputError, match="finite"):
        Ordered.of([np.nan])
    with pytest.raises(InputError) as refused:
        cap_at([], 1.5)
    assert len(refused.value.problems) == 2
    one = quantile(unit_quantile(Ordered.of(range(100)), 0.5))
    other = quantile(unit_quantile(Ordered.of(range(100)), 0.5, alpha=0.1))
    with pytest.raises(InputError, match="same confidence"):
        quantile_difference(one, other)
