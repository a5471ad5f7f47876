"""Past looks, read again in one pass, say what the analysis said at each of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise_stats import (
    ArmRows,
    Design,
    Evidence,
    InputError,
    Interval,
    MetricKind,
    MetricPlan,
    MetricRole,
    Moments,
    Results,
    VariantPlan,
    analyse,
    replay,
)

UNITS = 20_000


def arm(n: float, mean: float, variance: float) -> ArmRows:
    return ArmRows(np.array([n]), np.array([mean]), np.array([variance]))


def analysed(n: int, means: tuple[float, float], variance: float) -> Results:
    arms = {
        key: Moments(("spend",), n, np.array([mean]), np.array([[variance * (n - 1)]]))
        for key, mean in zip("ct", means, strict=True)
    }
    design = Design(
        (VariantPlan("c", 1), VariantPlan("t", 1)),
        "c",
        (MetricPlan("spend", MetricKind.MEAN, MetricRole.OEC),),
        UNITS,
        planned_end_reached=False,
    )
    found = analyse(Evidence(dict.fromkeys("ct", n), arms, 8), design)
    assert isinstance(found, Results)
    return found


@given(
    st.integers(100, 10**6),
    st.tuples(st.floats(0.5, 20), st.floats(0.5, 20)),
    st.floats(0.01, 400),
)
def test_a_replayed_look_is_the_analysis_of_that_look(
    n: int, means: tuple[float, float], variance: float
) -> None:
    row = analysed(n, means, variance).of("spend", "t")
    found = replay(arm(n, means[1], variance), arm(n, means[0], variance), expected_units=UNITS)
    assert isinstance(row.effect, Interval)
    effect = row.effect.value, row.effect.lower, row.effect.upper
    assert (found.effect[0], found.lower[0], found.upper[0]) == pytest.approx(effect, rel=1e-9, abs=1e-9)
    assert found.p_value[0] == pytest.approx(row.p_value, rel=1e-9)
    assert bool(found.lift.bounded[0]) is isinstance(row.lift, Interval)
    if isinstance(row.lift, Interval):
        bounds = row.lift.lower, row.lift.upper
        assert (found.lift.lower[0], found.lift.upper[0]) == pytest.approx(bounds, rel=1e-9, abs=1e-9)


def test_a_row_without_an_answer_is_left_out() -> None:
    n = np.array([99.0, 5_000, 5_000, 5_000, 5_000])
    mean = np.array([5.0, 5, 5, np.nan, -2])
    variance = np.array([4.0, np.nan, 0, 4, 4])
    found = replay(ArmRows(n, mean + 1, variance), ArmRows(n, mean, variance), expected_units=UNITS)
    assert found.rows.tolist() == [4]
    assert found.excludes_zero.tolist() == [True]
    assert not found.lift.bounded[0]  # nothing is relative to a negative control


def test_every_fault_of_rows_is_told_at_once() -> None:
    with pytest.raises(InputError) as told:
        ArmRows(np.array([-1.0]), np.array([1.0]), np.array([-2.0]))
    assert told.value.problems == ("n: 0 or more", "variance: 0 or more, NaN when unknown")
    with pytest.raises(InputError) as told:
        replay(arm(200, 1, 1), ArmRows(*np.full((3, 2), 200.0)), expected_units=np.zeros(3), alpha=1)
    assert [problem.partition(":")[0] for problem in told.value.problems[:3]] == [
        "treatment and control",
        "expected_units",
        "expected_units",
    ]
    assert "alpha" in told.value.problems[3]
