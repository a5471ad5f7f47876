"""The ledger of looks, its p-values, and metrics that grow for units already seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from equipoise_stats import (
    Dependence,
    InputError,
    Ledger,
    Look,
    LookPlan,
    LookRule,
    LookState,
    Spending,
    correlated_bounds,
    equal_looks,
    group_sequential_bounds,
    look_correlation,
    union_bounds,
)

RULE = LookRule(LookPlan(), 0.05)


def taken(rule: LookRule, *times: float, ended: bool = False) -> list[Look]:
    looks: list[Look] = []
    for t in times:
        look = rule.next_look(looks, t, ended=ended and t == times[-1])
        assert look is not None
        looks.append(look)
    return looks


def test_the_ledger_gives_the_bounds_of_its_looks() -> None:
    looks = taken(RULE, *equal_looks(5))
    assert [look.critical for look in looks] == list(group_sequential_bounds(equal_looks(5)).critical)
    assert looks[-1].alpha_spent == 0.05
    assert [look.is_last for look in looks] == [False] * 4 + [True]


def test_a_look_without_new_units_is_skipped() -> None:
    looks = taken(RULE, 0.2)
    assert RULE.state_of(looks, 0.202, ended=False) is LookState.SKIPPED
    assert RULE.next_look(looks, 0.202, ended=False) is None


def test_at_the_declared_end_any_new_unit_makes_the_last_look() -> None:
    looks = taken(RULE, 0.2, 0.2001, ended=True)
    assert looks[-1].is_last
    assert looks[-1].alpha_spent == 0.05


def test_nothing_may_be_claimed_after_the_last_look() -> None:
    looks = taken(RULE, 0.5, 1.1)
    assert RULE.state_of(looks, 1.4, ended=True) is LookState.AFTER_THE_END
    assert RULE.next_look(looks, 1.4, ended=True) is None


def test_a_look_knows_whether_it_crossed() -> None:
    look = taken(RULE, 0.5)[0]
    assert not look.has_crossed
    assert replace(look, z=-4.0).has_crossed
    assert not replace(look, z=1.0).has_crossed


def test_a_ledger_starts_empty_and_is_asked_by_metric_and_treatment() -> None:
    ledger = Ledger({("revenue", "green"): tuple(taken(RULE, 0.5))})
    assert ledger.information("revenue", "green") == (0.5,)
    assert ledger.of("revenue", "red") == ()


@pytest.mark.parametrize("family", list(Spending))
@pytest.mark.parametrize("dependence", list(Dependence))
@pytest.mark.parametrize("two_sided", [True, False])
def test_the_p_value_reaches_a_share_of_alpha_just_where_the_bound_is_reached(
    family: Spending, dependence: Dependence, two_sided: bool
) -> None:
    for share in (1, 2, 5):
        rule = LookRule(LookPlan(family), 0.05, dependence, two_sided)
        bound = taken(replace(rule, alpha=0.05 / share), 0.4, 0.7)[-1].critical
        below, above = rule.p_values((0.4, 0.7), [bound - 1e-6, bound + 1e-6], ended=False)
        assert above < 0.05 / share < below


def test_p_values_fall_as_evidence_grows_and_stay_in_bounds() -> None:
    p = RULE.p_values(equal_looks(14), np.linspace(0, 60, 400), ended=False)
    assert p[0] == 1
    assert (np.diff(p) <= 0).all()
    assert (p > 0).all()


def test_a_first_look_that_cannot_cross_has_p_value_one() -> None:
    assert RULE.p_values((1e-6,), 30.0, ended=False) == 1.0


def test_a_last_look_alone_has_the_p_value_of_a_fixed_test() -> None:
    assert float(RULE.p_values((1.0,), 1.644853627, ended=False)) == pytest.approx(0.1, rel=1e-3)


def test_look_times_above_zero_are_asked_for() -> None:
    with pytest.raises(InputError, match="above 0"):
        LookRule(LookPlan(), 0.05).next_look([replace(taken(RULE, 0.5)[0], information=-1)], 0.5, ended=True)


def test_union_bounds_pay_for_any_dependence() -> None:
    last = [union_bounds(equal_looks(k)).critical[-1] for k in (2, 3, 4, 5, 14)]
    assert last == pytest.approx([1.99, 2.08, 2.16, 2.23, 2.58], abs=0.005)
    assert union_bounds((0.5,), ended=True).spent == (0.025,)
    assert union_bounds((0.5, 1.0), two_sided=False).spent[-1] == 0.05
    with pytest.raises(InputError, match="alpha"):
        union_bounds((1.0,), alpha=0)


def test_correlated_bounds_of_a_brownian_motion_are_the_group_sequential_ones() -> None:
    t = np.array(equal_looks(5))
    brownian = np.sqrt(np.minimum.outer(t, t) / np.maximum.outer(t, t))
    found = correlated_bounds(brownian, equal_looks(5), draws=200_000)
    assert found.critical[1:] == pytest.approx(group_sequential_bounds(equal_looks(5)).critical[1:], abs=0.03)


def test_looks_that_are_all_the_same_need_no_correction() -> None:
    found = correlated_bounds(np.ones((3, 3)), (0.98, 0.99, 1.0), draws=100_000)
    assert found.critical[-1] == pytest.approx(1.96, abs=0.03)


def test_correlated_bounds_ask_for_one_row_per_look() -> None:
    with pytest.raises(InputError) as refused:
        correlated_bounds([[float("nan")]], (0.5, 1.0))
    assert len(refused.value.problems) == 2


def test_units_that_stay_make_looks_correlate_as_their_values_do() -> None:
    # All units there from the first day, independent equal days: a Brownian motion in days.
    cov = np.minimum.outer([1, 2, 4], [1, 2, 4])
    found = look_correlation([[100] * 3, [90] * 3], np.array([cov, cov]))
    assert found[0] == pytest.approx([1, 0.5**0.5, 0.5])


def test_faulty_cumulative_covariances_are_refused() -> None:
    for units, covariances in (
        ([5, 5], np.ones((2, 2))),
        ([[5, 4]], np.ones((1, 2, 2))),
        ([[5, 5]], np.zeros((1, 2, 2))),
    ):
        with pytest.raises(InputError):
            look_correlation(units, covariances)
