"""Where a mismatch comes from, and a split whose weights changed on the way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from equipoise_stats import (
    AllocationEpoch,
    InputError,
    SrmVerdict,
    Stage,
    find_onset,
    find_stage,
    judge_srm,
    judge_srm_over_epochs,
    localise,
    localise_pairs,
    log_e_value_of_counts,
    pairs_to_cross,
)

HALVES = (0.5, 0.5)
PLATFORMS = {"ios": (20_110, 19_890), "android": (5_000, 4_310), "web": (24_930, 25_070)}
COUNTRIES = {"de": (25_000, 24_600), "fr": (25_040, 24_670)}


def test_a_ramp_judged_by_its_own_weights_is_no_mismatch() -> None:
    epochs = [AllocationEpoch((9_900, 100), (0.99, 0.01)), AllocationEpoch((5_010, 4_990), HALVES)]
    found = judge_srm_over_epochs(epochs)
    assert found.verdict is SrmVerdict.PASS
    assert found.degrees_of_freedom == 2
    assert found.log_e_value is not None
    assert judge_srm((14_910, 5_090), HALVES).verdict is SrmVerdict.LOCKED


def test_epochs_add_up_their_chi_squared() -> None:
    epochs = [AllocationEpoch((520, 480), HALVES), AllocationEpoch((300, 700), (0.3, 0.7))]
    alone = [judge_srm(epoch.counts, epoch.weights).statistic for epoch in epochs]
    assert judge_srm_over_epochs(epochs).statistic == pytest.approx(sum(x for x in alone if x is not None))


def test_one_epoch_is_the_plain_test() -> None:
    assert judge_srm_over_epochs([AllocationEpoch((520, 480), HALVES)]) == judge_srm((520, 480), HALVES)


def test_an_arm_closed_in_one_epoch_is_left_out_there() -> None:
    epochs = [AllocationEpoch((500, 510, 0), (1, 1, 0)), AllocationEpoch((300, 310, 305), (1, 1, 1))]
    assert judge_srm_over_epochs(epochs).degrees_of_freedom == 3


def test_no_epoch_with_units_is_unknown() -> None:
    assert judge_srm_over_epochs([AllocationEpoch((0, 0), HALVES)] * 2).verdict is SrmVerdict.UNKNOWN
    assert judge_srm_over_epochs([]).verdict is SrmVerdict.UNKNOWN


@given(n=st.integers(1, 40), prior=st.tuples(st.floats(0.5, 50), st.floats(0.5, 50)))
def test_evidence_of_counts_has_expectation_one(n: int, prior: tuple[float, float]) -> None:
    e = [math.exp(log_e_value_of_counts((k, n - k), (0.3, 0.7), prior)) for k in range(n + 1)]
    chance = stats.binom.pmf(np.arange(n + 1), n, 0.3)
    assert float(np.array(e) @ chance) == pytest.approx(1)


def test_the_slice_that_carries_the_mismatch_leads() -> None:
    ranked = localise({"platform": PLATFORMS, "country": COUNTRIES}, HALVES)
    assert ranked[0].attributes == {"platform": "android"}
    assert ranked[0].is_suspect
    assert not any(other.is_suspect for other in ranked[1:])
    assert ranked[0].p_value_without is not None
    assert ranked[0].p_value_without > 0.1


def test_leading_attributes_are_crossed() -> None:
    ranked = localise({"platform": PLATFORMS, "country": COUNTRIES}, HALVES)
    pairs = pairs_to_cross(ranked)
    assert pairs == (("platform", "country"),)
    cells = {
        (("platform", "android"), ("country", "de")): (2_500, 1_900),
        (("platform", "android"), ("country", "fr")): (2_500, 2_410),
        (("platform", "ios"), ("country", "de")): (10_000, 10_010),
    }
    assert localise_pairs(cells, HALVES)[0].attributes == {"platform": "android", "country": "de"}


def test_a_single_slice_has_nothing_left_beside_it() -> None:
    found = localise({"platform": {"web": (100, 110), "tv": (0, 0)}}, HALVES)
    assert [s.p_value_without for s in found] == [None]


def test_counts_that_do_not_fit_the_weights_are_named() -> None:
    with pytest.raises(InputError) as refused:
        localise({"platform": {"web": (1, 2, 3), "ios": (1,)}}, HALVES)
    assert len(refused.value.problems) == 2


def test_a_mismatch_from_launch_starts_with_the_first_day() -> None:
    found = find_onset([(1_000, 900), (1_010, 905), (990, 905)], HALVES)
    assert found is not None
    assert (found.period, found.p_value_before) == (1, None)


def test_a_split_in_balance_has_no_onset() -> None:
    assert find_onset([(1_000, 1_004), (990, 985)], HALVES) is None
    assert find_onset([], HALVES) is None


def test_the_first_locked_stage_is_named() -> None:
    counts = {Stage.ASSIGNMENT: (50_000, 50_010), Stage.EXECUTION: (48_000, 50_000)}
    assert find_stage(counts, HALVES) is Stage.EXECUTION
    assert find_stage({Stage.ASSIGNMENT: (50_000, 50_010)}, HALVES) is None
