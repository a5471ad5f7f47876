"""Several treatments against one control, against published tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise_stats import (
    InputError,
    bonferroni,
    control_shares,
    dunnett,
    dunnett_critical,
    step_down_dunnett,
)
from equipoise_stats.intervals import t_p_value


@pytest.mark.parametrize(
    ("treatments", "df", "table"),
    # Dunnett 1964, table II, two-sided 5 %; equal arms.
    [(2, None, 2.21), (3, None, 2.35), (9, None, 2.69), (2, 20, 2.38), (5, 10, 2.99), (3, 60, 2.41)],
)
def test_the_published_bounds_are_reproduced(treatments: int, df: float | None, table: float) -> None:
    found = dunnett_critical([0.5] * treatments, degrees_of_freedom=df)
    assert found == pytest.approx(table, abs=0.01)


def test_equal_arms_share_half_of_the_noise() -> None:
    assert control_shares([2.0, 6.0], 2.0) == (0.5, 0.25)


@given(st.lists(st.tuples(st.floats(-6, 6), st.floats(0.05, 0.95)), min_size=1, max_size=6))
def test_dunnett_lies_between_no_correction_and_bonferroni(rows: list[tuple[float, float]]) -> None:
    z, shares = [row[0] for row in rows], [row[1] for row in rows]
    alone = [float(2 * t_p_value(x, 1e9)) / 2 for x in z]
    single, stepped = dunnett(z, shares), step_down_dunnett(z, shares)
    for raw, step, one, union in zip(alone, stepped, single, bonferroni(alone), strict=True):
        assert raw - 1e-7 <= step <= one + 1e-7 <= union + 2e-7


def test_evidence_beyond_the_digits_of_one_minus_p_stays_ordered() -> None:
    strong, stronger = dunnett([9.0, 12.0], [0.5, 0.5])
    assert 0 < stronger < strong < 1e-15


def test_faulty_comparisons_are_refused() -> None:
    with pytest.raises(InputError) as refused:
        dunnett([float("nan")], [1.0, 0.5])
    assert len(refused.value.problems) == 3
    with pytest.raises(InputError):
        control_shares([0.0], 0.0)
    with pytest.raises(InputError):
        dunnett_critical([], 1.0)
