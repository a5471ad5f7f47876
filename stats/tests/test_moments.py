"""Moments: made three ways, merged in any order, refused when impossible."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise_stats import Moments, MomentsError, mean_estimate, merge_all

NAMES = ("x", "y")
TABLES = st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e3, 1e3)), min_size=1, max_size=40)


def assert_same(left: Moments, right: Moments) -> None:
    scale = 1 + np.abs(right.means).max() ** 2 + np.abs(right.comoments).max()
    assert left.n == right.n
    np.testing.assert_allclose(left.means, right.means, rtol=1e-9, atol=1e-9 * scale)
    np.testing.assert_allclose(left.comoments, right.comoments, rtol=1e-9, atol=1e-9 * scale)


@given(TABLES, st.randoms(use_true_random=False))
def test_moments_merge_in_any_order(rows: list[tuple[float, float]], random: object) -> None:
    parts = [Moments.from_rows(NAMES, [row]) for row in rows]
    parts.append(Moments.empty(NAMES))
    random.shuffle(parts)  # type: ignore[attr-defined]  # hypothesis types randoms() as object
    assert_same(merge_all(parts), Moments.from_rows(NAMES, rows))


@given(TABLES)
def test_columns_may_come_in_another_order(rows: list[tuple[float, float]]) -> None:
    whole = Moments.from_rows(NAMES, rows)
    swapped = whole.select(("y", "x"))
    assert swapped.names == ("y", "x")
    assert_same(whole.merge(swapped), Moments.from_rows(NAMES, rows + rows))
    assert_same(swapped.select(NAMES), whole)


@given(TABLES, st.floats(-1e6, 1e6))
def test_shifted_sums_give_the_same_moments(rows: list[tuple[float, float]], pivot: float) -> None:
    shift = np.array([pivot, 1.0])
    table = np.array(rows) - shift
    found = Moments.from_shifted_sums(
        NAMES, len(rows), shift=shift, sums=table.sum(axis=0), products=table.T @ table
    )
    expected = Moments.from_rows(NAMES, rows)
    np.testing.assert_allclose(found.means, expected.means, rtol=1e-7, atol=1e-4)
    scale = float(np.abs(table).max()) ** 2 * len(rows)
    np.testing.assert_allclose(found.comoments, expected.comoments, atol=1e-9 * scale + 1e-9)


def test_a_mean_of_a_billion_keeps_the_variance_of_one() -> None:
    rng = np.random.default_rng(3)
    values = 1e9 + rng.standard_normal((40_000, 1))
    exact = float(np.var(values - 1e9, ddof=1))
    centred = values - 1e9
    made = (
        Moments.from_rows(("x",), values),
        merge_all(Moments.from_rows(("x",), part) for part in np.array_split(values, 77)),
        Moments.from_shifted_sums(
            ("x",), len(values), shift=[1e9], sums=centred.sum(0), products=centred.T @ centred
        ),
    )
    for moments in made:
        found = mean_estimate(moments, "x").unit_variance
        assert found == pytest.approx(exact, rel=1e-6)


def test_no_units_have_moments_that_change_nothing() -> None:
    some = Moments.from_rows(NAMES, [[1.0, 2.0], [3.0, 4.0]])
    nothing = Moments.from_rows(NAMES, np.empty((0, 2)))
    assert nothing.n == 0
    assert nothing.merge(some) is some
    assert some.merge(nothing) is some
    sums = Moments.from_shifted_sums(NAMES, 0, shift=[0, 0], sums=[0, 0], products=np.zeros((2, 2)))
    assert sums.n == 0


def test_moments_cannot_be_changed_afterwards() -> None:
    given_means = np.zeros(1)
    moments = Moments(("x",), 2, given_means, np.ones((1, 1)))
    given_means[0] = 9
    assert moments.means[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        moments.means[0] = 1


def test_every_fault_of_moments_is_told_at_once() -> None:
    with pytest.raises(MomentsError) as refused:
        Moments(("x", "x"), -1, np.array([np.nan]), np.full((1, 2), np.inf))
    assert len(refused.value.problems) == 6


def test_impossible_requests_are_refused() -> None:
    moments = Moments.from_rows(NAMES, [[1.0, 2.0]])
    with pytest.raises(MomentsError, match="no column 'z'"):
        moments.select(("x", "z"))
    with pytest.raises(MomentsError, match="same columns"):
        moments.merge(Moments.empty(("x",)))
    with pytest.raises(MomentsError, match="nothing to merge"):
        merge_all(())
    with pytest.raises(MomentsError, match="2 columns"):
        Moments.from_rows(NAMES, [[1.0], [2.0]])
    with pytest.raises(MomentsError, match="shape"):
        Moments.from_shifted_sums(NAMES, 3, shift=[0, 0], sums=[1.0], products=[[1.0]])
