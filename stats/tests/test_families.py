"""Corrections agree with statsmodels."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from equipoise_stats import benjamini_hochberg, benjamini_yekutieli, bonferroni, holm

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
