"""Interactions: additive experiments are clear, others are found, and related hashes stand out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged_experiments import number

from equipoise_stats import (
    Estimate,
    Independence,
    InputError,
    Interaction,
    PairState,
    SimpleEffects,
    Status,
    Undefined,
    assignment_independence,
    interaction,
    scan_interactions,
    simple_effects,
)

NOBODY = Estimate(0, None, None, None, Status.NO_UNITS)


def cells(extra: float = 0.0, n: int = 5000) -> dict[tuple[str, str], Estimate]:
    return {
        ("off", "off"): number(10.0, 5, n),
        ("off", "on"): number(10.4, 5, n),
        ("on", "off"): number(10.5, 5, n),
        ("on", "on"): number(10.9 + extra, 5, n),
    }


def wald_of(found: object) -> Interaction:
    assert isinstance(found, Interaction)
    return found


@given(st.lists(st.floats(-5, 5), min_size=5, max_size=5))
def test_effects_that_add_up_do_not_interact(levels: list[float]) -> None:
    rows, columns = [0.0, *levels[:2]], [0.0, *levels[2:]]
    made = {(str(a), str(b)): number(rows[a] + columns[b], 1 + a, 50 + b) for a in range(3) for b in range(4)}
    found = wald_of(interaction(made))
    assert found.degrees_of_freedom == 6
    assert found.statistic == pytest.approx(0, abs=1e-9)


def test_the_effect_of_one_is_told_with_the_other_off_and_on() -> None:
    found = simple_effects(cells(-0.8), a=("off", "on"), b=("off", "on"))
    assert isinstance(found, SimpleEffects)
    assert found.while_off.value == pytest.approx(0.4)
    assert found.while_on.value == pytest.approx(-0.4)
    assert found.interaction.value == pytest.approx(-0.8)
    assert found.interaction.excludes_zero


def test_a_cell_without_units_leaves_the_pair_undefined() -> None:
    missing = {**cells(), ("on", "on"): NOBODY}
    assert interaction(missing) == Undefined(Status.NO_UNITS)
    assert simple_effects(missing, a=("off", "on"), b=("off", "on")) == Undefined(Status.NO_UNITS)


def test_a_nightly_scan_names_what_interacts_and_what_it_could_not_test() -> None:
    flat = Estimate(5000, 1.0, None, None, Status.ZERO_VARIANCE)
    found = scan_interactions(
        {
            "clear": cells(),
            "clash": cells(-2),
            "small": cells(n=900),
            "flat": {**cells(), ("on", "on"): flat},
        }
    )
    assert {key: pair.state for key, pair in found.items()} == {
        "clear": PairState.CLEAR,
        "clash": PairState.INTERACTS,
        "small": PairState.TOO_SMALL,
        "flat": PairState.UNKNOWN,
    }
    clash = found["clash"]
    assert clash.test is not None
    assert clash.adjusted_p_value == pytest.approx(2 * clash.test.p_value)
    assert scan_interactions({}) == {}


def test_two_splits_by_one_hash_are_dependent() -> None:
    related = assignment_independence([[5000, 0], [0, 5000]])
    assert isinstance(related, Independence)
    assert related.dependent
    apart = assignment_independence([[2500, 2490, 0], [2510, 2500, 0]])
    assert isinstance(apart, Independence)
    assert (apart.dependent, apart.degrees_of_freedom) == (False, 1)
    assert assignment_independence([[10, 12], [0, 0]]) == Undefined(Status.NO_UNITS)


def test_every_fault_of_a_pair_is_told_at_once() -> None:
    with pytest.raises(InputError) as refused:
        interaction({("a", "x"): NOBODY, ("b", "y"): NOBODY})
    assert len(refused.value.problems) == 2
    with pytest.raises(InputError) as refused:
        simple_effects({}, a=("a", "b"), b=("x", "y"))
    assert len(refused.value.problems) == 4
    with pytest.raises(InputError, match="0 or more"):
        assignment_independence([[1, -1], [1, 1]])
    with pytest.raises(InputError, match="two variants"):
        assignment_independence(np.ones((1, 2)).tolist())
