"""Unit tables: windows anchored at exposure, order of steps, credit given once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise_stats import (
    Event,
    Exposure,
    InputError,
    UnitTable,
    Window,
    credited,
    first_exposures,
    funnel,
    proportion_estimate,
    retention,
    windowed_values,
)

WEEK = Window(closes=7, as_of=30)
TIMES = st.floats(0, 20)


def values(table: UnitTable) -> list[list[float]]:
    return [list(row) for row in table.values]


def test_a_unit_stays_in_the_variant_it_met_first() -> None:
    met = [Exposure("a", "T", 2), Exposure("a", "C", 1), Exposure("a", "T", 3)]
    assert first_exposures(met)["a"].variant == "C"


@given(st.lists(TIMES, max_size=20), TIMES)
def test_only_events_within_the_window_count(times: list[float], exposed: float) -> None:
    events = [Event("a", "order", at) for at in times] + [Event("stranger", "order", exposed)]
    found = windowed_values([Exposure("a", "C", exposed)], events, WEEK)
    inside = sum(exposed <= at < exposed + 7 for at in times)
    assert values(found) == [[inside]]


def test_the_window_holds_its_start_and_not_its_end() -> None:
    events = [Event("a", "order", 1), Event("a", "order", 8)]
    assert values(windowed_values([Exposure("a", "C", 1)], events, WEEK)) == [[1]]


def test_only_units_whose_window_has_closed_decide() -> None:
    met = [Exposure("a", "C", 0), Exposure("b", "C", 5)]
    found = windowed_values(met, [Event("b", "order", 6)], Window(7, as_of=9))
    assert found.matured == (True, False)
    assert found.matured_share == 0.5
    assert found.moments()["C"].n == 1
    assert found.moments(matured_only=False)["C"].n == 2
    nobody = windowed_values([], [], WEEK)
    assert nobody.matured_share is None
    assert nobody.moments() == {}


def test_an_arm_without_matured_units_has_none_rather_than_zeros() -> None:
    found = windowed_values([Exposure("a", "C", 5)], [], Window(7, as_of=9))
    assert found.moments()["C"].n == 0


def test_retention_asks_whether_a_unit_came_back_in_time() -> None:
    met = [Exposure("a", "C", 0), Exposure("b", "C", 0), Exposure("c", "C", 0)]
    back = [Event("a", "visit", 0.5), Event("b", "visit", 3), Event("b", "visit", 4)]
    found = retention(met, back, Window(opens=1, closes=8, as_of=30)).moments()["C"]
    assert proportion_estimate(found, "retained").value == pytest.approx(1 / 3)


@given(st.permutations(["view", "cart", "buy", "view", "cart"]))
def test_a_later_step_is_never_reached_without_the_earlier_ones(order: list[str]) -> None:
    events = [Event("a", name, at / 10) for at, name in enumerate(order)]
    row = values(funnel([Exposure("a", "C", 0)], events, ("view", "cart", "buy"), WEEK))[0]
    assert row == sorted(row, reverse=True)


def test_a_conversion_is_credited_once_and_to_a_click_first() -> None:
    windows = {"click_days": 7, "view_days": 1}
    assert credited(5, clicks=[0], views=[4.5], **windows) == "click"
    assert credited(8, clicks=[0], views=[7.5], **windows) == "view"
    assert credited(8, clicks=[0], views=[6], **windows) is None
    assert credited(8, clicks=[9], **windows) is None


def test_every_fault_of_a_window_is_told_at_once() -> None:
    with pytest.raises(InputError) as refused:
        Window(opens=-1, closes=-2, as_of=0)
    assert len(refused.value.problems) == 2
    with pytest.raises(InputError, match="needs steps"):
        funnel([], [], (), WEEK)
    with pytest.raises(InputError, match="differ"):
        funnel([], [], ("a", "a"), WEEK)
