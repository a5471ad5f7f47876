"""What looking early costs, against the figures of Jennison & Turnbull and of simulations."""

from __future__ import annotations

import pytest

from equipoise_stats import (
    InputError,
    PowerTarget,
    equal_looks,
    group_sequential_bounds,
    inflation_of_bounds,
    power_of_bounds,
    sequence_bounds,
    sequence_inflation,
    sequence_power,
    sequence_power_table,
    sequential_inflation,
)

DRIFT_80, DRIFT_90 = PowerTarget().reach, PowerTarget(power=0.9).reach


def test_daily_looks_for_two_weeks_cost_four_percent() -> None:
    assert sequential_inflation(equal_looks(14)) == pytest.approx(1.04, abs=0.005)


def test_a_group_sequential_plan_keeps_its_power_and_stops_early() -> None:
    bounds = group_sequential_bounds(equal_looks(14))
    for drift, power, share in ((DRIFT_80, 0.784, 0.77), (DRIFT_90, 0.892, 0.69)):
        found = power_of_bounds(bounds.information, bounds.critical, drift)
        assert found.power == pytest.approx(power, abs=0.005)
        assert found.expected_share == pytest.approx(share, abs=0.01)
        assert found.by_look[-1] == pytest.approx(found.power)


def test_a_sequence_costs_two_thirds_more_units() -> None:
    assert 1.65 <= sequence_inflation() <= 1.765
    assert 1.55 <= sequence_inflation(PowerTarget(power=0.9)) <= 1.76


@pytest.mark.parametrize(("tuned_at", "power"), [(1.0, 0.487), (0.05, 0.384), (20.0, 0.03)])
def test_a_mistuned_sequence_loses_power(tuned_at: float, power: float) -> None:
    assert sequence_power(DRIFT_80, tuned_at=tuned_at).power == pytest.approx(power, abs=0.012)


def test_the_table_has_a_row_for_each_pair() -> None:
    rows = sequence_power_table(looks=(2, 14), tuned_at=(1.0,))
    assert [(row.looks, row.tuned_at) for row in rows] == [(2, 1.0), (14, 1.0)]
    assert rows[1].power == pytest.approx(0.487, abs=0.012)
    assert rows[1].inflation == pytest.approx(sequence_inflation())


def test_impossible_plans_are_refused() -> None:
    with pytest.raises(InputError, match="tuned_at"):
        sequence_bounds((1.0,), tuned_at=0)
    with pytest.raises(InputError, match="power"):
        inflation_of_bounds((1.0,), (0.1,), PowerTarget(power=0.8))
