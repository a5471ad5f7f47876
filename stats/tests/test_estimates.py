"""One arm: means, rates and ratios, or the reason why there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise_stats import (
    Estimate,
    Moments,
    Status,
    mean_estimate,
    proportion_estimate,
    ratio_estimate,
)


def column(values: list[float]) -> Moments:
    return Moments.from_rows(("x",), np.array(values).reshape(-1, 1))


def pair(rows: list[list[float]]) -> Moments:
    return Moments.from_rows(("y", "d"), rows)


def test_a_mean_has_the_sample_variance() -> None:
    found = mean_estimate(column([1.0, 2.0, 4.0]), "x")
    assert found.value == pytest.approx(7 / 3)
    assert found.unit_variance == pytest.approx(np.var([1, 2, 4], ddof=1))
    assert found.variance == pytest.approx(np.var([1, 2, 4], ddof=1) / 3)


def test_a_rate_has_the_binomial_variance() -> None:
    found = proportion_estimate(column([1.0] * 30 + [0.0] * 70), "x")
    assert found.value == pytest.approx(0.3)
    assert found.unit_variance == pytest.approx(0.3 * 0.7 * 100 / 99)


def test_a_column_of_other_values_is_not_a_rate() -> None:
    for values in ([0.0, 0.5, 1.0], [2.0, 0.0], [3.0, 3.0]):
        assert proportion_estimate(column(values), "x").status is Status.NOT_A_PROPORTION


def test_a_ratio_is_linearised_over_units() -> None:
    rng = np.random.default_rng(4)
    d = 1.0 + rng.poisson(4, 5_000)
    y = rng.binomial(d.astype(int), 0.3).astype(float)
    found = ratio_estimate(pair(np.column_stack((y, d)).tolist()), "y", "d")
    linear = (y - y.sum() / d.sum() * d) / d.mean()
    assert found.value == pytest.approx(y.sum() / d.sum())
    assert found.unit_variance == pytest.approx(np.var(linear, ddof=1))


def test_what_cannot_be_estimated_says_why() -> None:
    empty, one = Moments.empty(("y", "d")), pair([[1.0, 2.0]])
    assert mean_estimate(empty, "y").status is Status.NO_UNITS
    assert ratio_estimate(empty, "y", "d").status is Status.NO_UNITS
    assert mean_estimate(one, "y").status is Status.TOO_FEW_UNITS
    assert ratio_estimate(one, "y", "d").status is Status.TOO_FEW_UNITS
    assert ratio_estimate(pair([[1.0, 0.0], [2.0, 0.0]]), "y", "d").status is Status.ZERO_DENOMINATOR
    proportional = pair([[0.1 * d, d] for d in (1.0, 2.0, 7.0)])
    assert ratio_estimate(proportional, "y", "d").status is Status.ZERO_VARIANCE
    noisy = pair([[1.0, 0.1], [2.0, 9.0], [0.0, 1.0]])
    assert ratio_estimate(noisy, "y", "d").status is Status.NOISY_DENOMINATOR
    assert proportion_estimate(column([0.0, 0.0]), "x").status is Status.ZERO_VARIANCE


@given(st.floats(-1e12, 1e12), st.integers(2, 50), st.integers(1, 5))
def test_a_constant_column_has_no_variance_however_it_is_made(value: float, n: int, parts: int) -> None:
    shifted = Moments.from_shifted_sums(
        ("x",),
        n,
        shift=[value / 3],
        sums=[n * (value - value / 3)],
        products=[[n * (value - value / 3) ** 2]],
    )
    rows = column([value] * n)
    for _ in range(parts):
        rows = rows.merge(column([value] * n))
    for moments in (rows, shifted):
        found = mean_estimate(moments, "x")
        assert found == Estimate(moments.n, found.value, None, None, Status.ZERO_VARIANCE)
        assert found.value == pytest.approx(value)
