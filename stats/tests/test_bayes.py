"""The Bayesian option: shrinkage, losses, and a prior that past experiments make."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged_experiments import number, rate

from equipoise_stats import (
    Choice,
    InputError,
    Posterior,
    Prior,
    Status,
    Undefined,
    choose,
    posterior,
    posterior_lift,
    posterior_rates,
    prior_of_experiments,
)

effects = st.floats(-1, 1)
errors = st.floats(1e-4, 1)


@given(estimate=effects, error=errors, prior_sd=errors)
def test_the_posterior_lies_between_the_prior_and_the_data(
    estimate: float, error: float, prior_sd: float
) -> None:
    found = posterior(estimate, error, Prior(0.0, prior_sd))
    assert abs(found.mean) <= abs(estimate) + 1e-12
    assert found.sd <= min(error, prior_sd) * (1 + 1e-12)


@given(estimate=effects, error=errors)
def test_the_two_losses_differ_by_the_expected_lift(estimate: float, error: float) -> None:
    found = Posterior(estimate, error)
    assert found.loss_of_holding - found.loss_of_shipping == pytest.approx(estimate, abs=1e-12)
    assert min(found.loss_of_holding, found.loss_of_shipping) >= 0


@given(estimate=effects, error=errors, low=st.floats(-0.5, 0), high=st.floats(0, 0.5))
def test_the_regions_share_the_whole_posterior(
    estimate: float, error: float, low: float, high: float
) -> None:
    found = Posterior(estimate, error).rope(low, high)
    assert found.inside + found.above + found.below == pytest.approx(1)


def test_a_lift_without_a_baseline_has_no_posterior() -> None:
    assert posterior_lift(number(1, 1, 100), number(0, 1, 100)) == Undefined(Status.ZERO_CONTROL)
    assert posterior_lift(rate(0, 100), rate(5, 100)) == Undefined(Status.ZERO_VARIANCE)


def test_rates_agree_with_a_simulation() -> None:
    found = posterior_rates((12, 400), (6, 380))
    rng = np.random.default_rng(3)
    t, c = rng.beta(13, 389, 400_000), rng.beta(7, 375, 400_000)
    assert found.probability_better == pytest.approx((t > c).mean(), abs=0.003)
    assert found.loss_of_shipping == pytest.approx(np.maximum(c - t, 0).mean(), rel=0.02)
    assert found.loss_of_holding == pytest.approx(np.maximum(t - c, 0).mean(), rel=0.02)


def test_equal_rates_are_even() -> None:
    found = posterior_rates((0, 50), (0, 50))
    assert found.probability_better == pytest.approx(0.5)
    assert found.loss_of_shipping == pytest.approx(found.loss_of_holding)


def test_past_experiments_make_the_prior() -> None:
    rng = np.random.default_rng(4)
    error = rng.uniform(0.01, 0.03, 400)
    lifts = rng.normal(0.01, 0.04, 400) + rng.normal(0, error)
    found = prior_of_experiments(lifts.tolist(), error.tolist())
    assert isinstance(found, Prior)
    assert found.sd == pytest.approx(0.04, rel=0.1)
    assert found.mean == pytest.approx(0.01, abs=0.006)


def test_few_or_silent_experiments_make_no_prior() -> None:
    assert prior_of_experiments([0.1] * 19, [0.1] * 19) == Undefined(Status.TOO_FEW_EXPERIMENTS)
    assert prior_of_experiments([0.0] * 30, [0.1] * 30) == Undefined(Status.NOT_IDENTIFIABLE)


def test_a_choice_waits_for_half_of_the_units_and_for_a_small_loss() -> None:
    clear, unclear, harmful = Posterior(0.05, 0.01), Posterior(0.0, 0.05), Posterior(-0.05, 0.01)
    assert choose(clear, 0.001, 0.4) is Choice.KEEP_RUNNING
    assert choose(clear, 0.001, 0.5) is Choice.SHIP
    assert choose(harmful, 0.001, 0.5) is Choice.HOLD
    assert choose(unclear, 0.001, 0.9) is Choice.KEEP_RUNNING


def test_impossible_numbers_are_refused() -> None:
    with pytest.raises(InputError) as refused:
        Prior(float("inf"), 0)
    assert len(refused.value.problems) == 2
    for call in (
        lambda: posterior(0.1, 0.0),
        lambda: posterior_rates((2, 1), (0, 1)),
        lambda: posterior_rates((1, 2), (0, 1), (0, 1)),
        lambda: prior_of_experiments([0.1], [0.1, 0.0]),
        lambda: Posterior(0, 1).rope(1, -1),
        lambda: choose(Posterior(0, 1), 0, 1),
    ):
        with pytest.raises(InputError):
            call()
