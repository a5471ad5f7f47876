"""Adjustment: equals the regression it stands for, loses nobody, and says when it cannot."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from equipoise_stats import (
    InputError,
    Moments,
    Quantity,
    Slopes,
    Status,
    adjust,
    adjust_within,
    comparable_strata,
    fill_missing,
    merge_sparse_strata,
)

Y, X, Z = Quantity("y"), Quantity("x"), Quantity("z")
NAMES = ("y", "x", "z")


def a_table(n: int = 400, seed: int = 1, *, slope: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x, z = rng.normal(10, 2, n), rng.random(n) < 0.3
    treated = np.arange(n) % 2
    y = 3 + slope * x + z + treated * (0.5 + 0.2 * (x - 10)) + rng.normal(0, 1, n)
    return treated, np.column_stack((y, x, z))


def arms_of(treated: np.ndarray, table: np.ndarray) -> dict[str, Moments]:
    return {key: Moments.from_rows(NAMES, table[treated == w]) for w, key in enumerate("CT")}


@given(st.integers(1, 50))
def test_the_interacted_adjustment_is_the_interacted_regression(seed: int) -> None:
    treated, table = a_table(seed=seed)
    found = adjust(arms_of(treated, table), Y, [X, Z])
    centred = table[:, 1:] - table[:, 1:].mean(axis=0)
    design = np.column_stack((np.ones(len(table)), treated, centred, centred * treated[:, None]))
    fitted = sm.OLS(table[:, 0], design).fit()
    assert found.slopes is Slopes.INTERACTED
    assert found.of("T").value - found.of("C").value == pytest.approx(fitted.params[1], rel=1e-6)
    assert found.of("C").value == pytest.approx(fitted.params[0], rel=1e-6)


def test_the_pooled_adjustment_is_the_regression_with_one_slope() -> None:
    treated, table = a_table(n=60)
    found = adjust(arms_of(treated, table), Y, [X, Z])
    fitted = sm.OLS(table[:, 0], np.column_stack((np.ones(60), treated, table[:, 1:]))).fit()
    assert found.slopes is Slopes.POOLED
    assert found.of("T").value - found.of("C").value == pytest.approx(fitted.params[1], rel=1e-6)


def test_adjusting_removes_what_the_covariate_explains() -> None:
    treated, table = a_table(n=20_000, slope=3.0)
    arms = arms_of(treated, table)
    plain, found = adjust(arms, Y), adjust(arms, Y, [X])
    share = found.within.trace() / plain.within.trace()
    explained = np.mean([np.corrcoef(table[treated == w, :2].T)[0, 1] ** 2 for w in (0, 1)])
    assert share == pytest.approx(1 - explained, abs=0.01)


@given(st.floats(-1e3, 1e3), st.floats(0.01, 1e4))
def test_the_units_of_a_covariate_do_not_matter(shift: float, scale: float) -> None:
    treated, table = a_table()
    moved = table * [1, scale, 1] + [0, shift, 0]
    one, other = adjust(arms_of(treated, table), Y, [X, Z]), adjust(arms_of(treated, moved), Y, [X, Z])
    assert other.of("T").value == pytest.approx(one.of("T").value, rel=1e-6)
    np.testing.assert_allclose(other.covariance, one.covariance, rtol=1e-5)


def test_covariates_that_say_nothing_or_the_same_twice_do_no_harm() -> None:
    treated, table = a_table()
    doubled = np.column_stack((table, table[:, 1], np.full(len(table), 7.0)))
    arms = {
        key: Moments.from_rows((*NAMES, "twin", "constant"), doubled[treated == w])
        for w, key in enumerate("CT")
    }
    one = adjust(arms, Y, [X, Z])
    other = adjust(arms, Y, [X, Z, Quantity("twin"), Quantity("constant")])
    assert Quantity("constant") not in other.covariates
    assert other.of("T").value == pytest.approx(one.of("T").value, rel=1e-5)


def test_a_covariate_that_is_constant_within_every_arm_changes_nothing() -> None:
    treated, table = a_table()
    table[:, 1] = treated
    arms = arms_of(treated, table)
    found = adjust(arms, Y, [X], slopes=Slopes.POOLED)
    assert found.of("T").value == pytest.approx(float(arms["T"].means[0]))


def test_an_arm_with_few_units_is_left_as_it_is() -> None:
    found = adjust(arms_of(*a_table(n=6)), Y, [X, Z, Quantity("x", "z")])
    assert found.slopes is Slopes.NONE
    assert found.covariates == ()


def test_arms_without_an_estimate_keep_their_reason() -> None:
    treated, table = a_table()
    arms = {**arms_of(treated, table), "new": Moments.empty(NAMES)}
    found = adjust(arms, Y, [X])
    assert found.of("new").status is Status.NO_UNITS
    assert found.of("T").status is Status.OK
    assert found.shared("new", "T") == 0
    nobody = adjust({"C": Moments.empty(NAMES), "T": Moments.empty(NAMES)}, Y, [X])
    assert {estimate.status for estimate in nobody.estimates} == {Status.NO_UNITS}


def test_a_perfectly_predicted_outcome_has_no_noise_left_to_test_against() -> None:
    treated, table = a_table()
    table[:, 0] = 2 * table[:, 1]
    arms = arms_of(treated, table)
    found = adjust(arms, Y, [X])
    assert {estimate.status for estimate in found.estimates} == {Status.ZERO_VARIANCE}
    assert found.of("T").variance is None


def test_strata_of_one_are_no_strata() -> None:
    arms = arms_of(*a_table())
    one, other = adjust(arms, Y, [X]), adjust_within([arms], Y, [X])
    assert one.estimates == other.estimates


def test_a_ramp_on_a_good_day_is_not_an_effect() -> None:
    """Crook et al. 2009: 1 % on a bad day, 50 % on a good one, no effect on either."""
    rng = np.random.default_rng(4)

    def day(level: float, control: int, treatment: int) -> dict[str, Moments]:
        rows = {"C": control, "T": treatment}
        return {k: Moments.from_rows(("y",), rng.normal(level, 1, (n, 1))) for k, n in rows.items()}

    epochs = (day(1.0, 99_000, 1_000), day(3.0, 50_000, 50_000))
    pooled = {key: epochs[0][key].merge(epochs[1][key]) for key in "CT"}
    naive, found = adjust(pooled, Y), adjust_within(epochs, Y)
    effect = found.of("T").value - found.of("C").value
    se = math.sqrt(found.covariance.trace() - 2 * found.shared("T", "C"))
    assert naive.of("T").value - naive.of("C").value > 1
    assert abs(effect) < 4 * se < 0.1


def test_covariates_are_adjusted_for_within_each_stratum() -> None:
    arms = [arms_of(*a_table(n=4000, seed=seed)) for seed in (1, 2)]
    found, plain = adjust_within(arms, Y, [X]), adjust_within(arms, Y)
    assert found.covariance[0, 0] < 0.7 * plain.covariance[0, 0]
    assert found.slopes is Slopes.INTERACTED


def test_a_stratum_too_small_for_an_arm_is_left_out_or_joined() -> None:
    large, small = (arms_of(*a_table(n=n)) for n in (400, 30))
    assert comparable_strata([large, small], "CT") == (large,)
    assert comparable_strata([{"C": large["C"]}], "CT") == ()
    joined = merge_sparse_strata([large, small])
    assert [sum(arm.n for arm in stratum.values()) for stratum in joined] == [430]
    assert len(merge_sparse_strata([large, small, small])) == 2
    assert merge_sparse_strata([large]) == (large,)
    assert merge_sparse_strata([small])[0]["C"].n == 15


def test_gaps_become_zeros_with_an_indicator() -> None:
    filled, missing = fill_missing([1.0, math.nan, 3.0])
    assert filled.tolist() == [1, 0, 3]
    assert missing.tolist() == [0, 1, 0]


def test_every_fault_of_an_adjustment_is_told_at_once() -> None:
    arms = arms_of(*a_table())
    with pytest.raises(InputError) as refused:
        adjust_within([arms, {"C": Moments.empty(NAMES)}], Y, [Y, X, X, Quantity("q")])
    assert len(refused.value.problems) == 5
    with pytest.raises(InputError, match="at least one"):
        adjust_within([], Y)
