"""Proxies: the noise that metrics share is no relation, and a weak one is not claimed."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise_stats import (
    InputError,
    PastExperiments,
    ProxyReport,
    Status,
    Undefined,
    judge_proxy,
    liml_slope,
)

NOISE = np.array([[1.0, 0.8], [0.8, 1.0]])


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def past(n: int, *, slope: float, spread: float = 1.0, direct: float = 0.5, seed: int = 1) -> PastExperiments:
    made = rng(seed)
    proxy = made.normal(0, spread, n)
    north = slope * proxy + made.normal(0, direct * spread, n)
    return PastExperiments(
        np.column_stack((proxy, north)) + made.multivariate_normal([0, 0], NOISE, n), NOISE
    )


def judged(found: object) -> ProxyReport:
    assert isinstance(found, ProxyReport)
    return found


def test_a_relation_opposite_to_that_of_users_is_found() -> None:
    found = judged(judge_proxy(past(4000, slope=-0.4), rng=rng(), draws=200))
    naive = np.corrcoef(past(4000, slope=-0.4).effects.T)[0, 1]
    assert naive > 0.1
    assert found.slope == pytest.approx(-0.4, abs=0.15)
    assert found.slope_interval is not None
    assert found.slope_interval.lower < found.slope < found.slope_interval.upper < 0
    assert found.correlation_interval is not None
    assert found.correlation_interval.upper < 0


def test_signs_agree_among_experiments_that_moved_the_north_star() -> None:
    found = judged(judge_proxy(past(300, slope=1.0, spread=5), rng=rng(), draws=50))
    assert found.sign_agreement is not None
    assert found.sign_agreement > 0.85
    assert 0.5 < found.sensitivity[0] < 1


def test_weak_experiments_do_not_identify_a_relation() -> None:
    assert judge_proxy(past(40, slope=1, spread=0.01), rng=rng()) == Undefined(Status.NOT_IDENTIFIABLE)
    assert judge_proxy(past(29, slope=1), rng=rng()) == Undefined(Status.TOO_FEW_EXPERIMENTS)


def test_a_relation_that_resampling_loses_has_no_interval() -> None:
    for seed in range(40):
        found = judge_proxy(past(40, slope=0.9, spread=0.5, seed=seed), rng=rng(), draws=100)
        if isinstance(found, ProxyReport) and found.slope_interval is None:
            assert found.correlation_interval is None
            return
    raise AssertionError("no weak relation among the seeds")


def test_no_north_star_moved_means_no_agreement() -> None:
    # Spread wider than its noise, yet never as far as 1.96 of it.
    effects = rng().uniform(-1.9, 1.9, (400, 2))
    found = judged(judge_proxy(PastExperiments(effects, np.eye(2)), rng=rng(), draws=20))
    assert found.sign_agreement is None
    assert found.sensitivity == (0, 0)


def test_a_proxy_that_carries_all_of_the_effect_has_its_slope_with_weak_experiments_too() -> None:
    for spread in (0.5, 10):
        found = liml_slope(past(4000, slope=0.7, spread=spread, direct=0))
        assert found == pytest.approx(0.7, abs=0.2 / spread)


def test_every_fault_of_past_experiments_is_told_at_once() -> None:
    with pytest.raises(InputError) as refused:
        PastExperiments(np.array([[np.nan, 1, 2]]), np.ones((3, 3)))
    assert len(refused.value.problems) == 3
    with pytest.raises(InputError, match="more than 0"):
        PastExperiments(np.ones((3, 2)), np.zeros((2, 2)))
    with pytest.raises(InputError) as refused:
        judge_proxy(past(30, slope=1), rng=rng(), draws=0, alpha=1)
    assert len(refused.value.problems) == 2
