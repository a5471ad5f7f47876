"""Corrections agree with statsmodels; hierarchies and selections claim no more than they may."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from equipoise_stats import (
    InputError,
    benjamini_hochberg,
    benjamini_yekutieli,
    bonferroni,
    e_benjamini_hochberg,
    fcr_intervals,
    fixed_sequence,
    gatekeep,
    holm,
    weighted_bonferroni,
)

METHODS = {
    "bonferroni": bonferroni,
    "holm": holm,
    "fdr_bh": benjamini_hochberg,
    "fdr_by": benjamini_yekutieli,
}


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(1e-12, 1), min_size=1, max_size=12))
def test_adjusted_p_values_agree_with_statsmodels(p_values: list[float]) -> None:
    for name, adjust in METHODS.items():
        expected = multipletests(p_values, method=name)[1]
        assert adjust(p_values) == pytest.approx(expected)


def test_an_empty_family_has_nothing_to_adjust() -> None:
    assert [adjust([]) for adjust in METHODS.values()] == [()] * 4


def test_what_is_no_p_value_is_refused() -> None:
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="leave out what has none"):
            holm([0.5, wrong])


def test_weights_say_how_alpha_is_shared() -> None:
    assert weighted_bonferroni([0.01, 0.04], [1, 1]) == bonferroni([0.01, 0.04])
    assert weighted_bonferroni([0.02, 0.04], [4, 1]) == pytest.approx((0.025, 0.2))
    with pytest.raises(InputError) as refused:
        weighted_bonferroni([0.1], [0.0, 1.0])
    assert len(refused.value.problems) == 2


def test_a_fixed_order_stops_at_the_first_failure() -> None:
    assert fixed_sequence([0.01, 0.2, 0.001]) == (0.01, 0.2, 0.2)


def test_e_values_are_rejected_together_from_the_largest() -> None:
    assert e_benjamini_hochberg([math.log(x) for x in (50, 8, 21)], 0.1) == (True, False, True)
    assert e_benjamini_hochberg([1e4, 0.0], 0.05) == (True, False)
    assert e_benjamini_hochberg([]) == ()
    with pytest.raises(InputError):
        e_benjamini_hochberg([float("nan")], 1.0)


@given(st.lists(st.floats(-5, 20), min_size=1, max_size=30))
def test_more_evidence_never_loses_a_rejection(log_e: list[float]) -> None:
    before = e_benjamini_hochberg(log_e)
    after = e_benjamini_hochberg([x + 1 for x in log_e])
    assert all(now or not then for then, now in zip(before, after, strict=True))


def test_secondaries_wait_behind_their_gate() -> None:
    closed = gatekeep([0.2], [0.001], [0.01])
    assert (closed.gate_open, closed.secondary) == (False, (None,))
    ordered = gatekeep([0.01], [0.04, 0.01], in_fixed_order=True)
    assert ordered.secondary == (0.04, 0.04)
    assert not gatekeep([], [0.01]).gate_open


def test_nothing_selected_has_no_interval() -> None:
    found = fcr_intervals([0.1, 0.2], [1.0, 1.0])
    assert (found.intervals, found.critical) == ((None, None), None)
    with pytest.raises(InputError) as refused:
        fcr_intervals([0.1], [1.0, 0.0])
    assert len(refused.value.problems) == 2
