"""Launches: winners shrink, totals lose their selection, the holdout has the last word."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from judged_experiments import number

from equipoise_stats import (
    InputError,
    Interval,
    Status,
    TriedExperiment,
    Undefined,
    compound,
    holdout_lift,
    holdout_variance,
    realised,
    shrunk_lifts,
    spread_of_effects,
    total_without_selection,
)


def tried(n: int = 2000, tau: float = 0.01, se: float = 0.01) -> tuple[np.ndarray, list[TriedExperiment]]:
    rng = np.random.default_rng(2)
    truth = rng.normal(0, tau, n)
    return truth, [TriedExperiment(float(r), se) for r in truth + rng.normal(0, se, n)]


def test_winners_shrink_to_what_they_are_worth() -> None:
    truth, experiments = tried(20_000)
    tau2 = spread_of_effects(experiments)
    assert tau2 == pytest.approx(1e-4, rel=0.05)
    assert isinstance(tau2, float)
    won = np.array([e.lift / e.standard_error > 1.96 for e in experiments])
    shrunk = np.array([e.lift for e in shrunk_lifts(experiments, tau2)])
    naive = np.array([e.lift for e in experiments])
    assert naive[won].mean() / truth[won].mean() == pytest.approx(2, rel=0.05)
    assert shrunk[won].mean() / truth[won].mean() == pytest.approx(1, rel=0.05)


def test_lifts_that_are_all_noise_have_no_spread() -> None:
    quiet = [TriedExperiment(0.001, 0.01)] * 20
    assert spread_of_effects(quiet) == 0
    assert spread_of_effects(quiet[:19]) == Undefined(Status.TOO_FEW_EXPERIMENTS)


def test_the_total_of_launches_loses_its_selection() -> None:
    truth, experiments = tried(20_000)
    found = total_without_selection(experiments, 1.96)
    assert found.total > 1.5 * truth[np.array(found.launched)].sum()
    assert found.adjusted < found.total


def test_launches_that_reach_half_of_the_metric_count_half() -> None:
    assert compound([TriedExperiment(0.1, 0.01, 0.5)]).lift == pytest.approx(0.05)
    assert compound([]).lift == 0


def test_a_holdout_that_sees_too_little_asks_for_the_reason() -> None:
    launches = [TriedExperiment(0.01, 0.003)] * 3
    assert realised(launches, 0.02, 0.006).falls_short
    assert not realised(launches, 0.03, 0.006).falls_short
    nothing = realised([TriedExperiment(-0.01, 0.003)], 0.01, 0.006)
    assert (nothing.ratio, nothing.falls_short) == (None, False)


def test_a_small_holdout_against_everybody_beats_two_small_slices() -> None:
    everybody = holdout_variance(1.0, 100_000, 0.05)
    slices = 2 / 5000
    assert (everybody / slices) ** 0.5 == pytest.approx(0.726, abs=0.001)
    critical = NormalDist().inv_cdf(0.975)
    found = holdout_lift(number(10.3, 5, 95_000), number(10, 5, 5000), critical=critical)
    assert isinstance(found, Interval)
    assert found.lower < 0.03 < found.upper


def test_every_fault_of_launches_is_told_at_once() -> None:
    with pytest.raises(InputError) as refused:
        compound([TriedExperiment(float("nan"), 0)])
    assert len(refused.value.problems) == 2
    with pytest.raises(InputError) as refused:
        compound([TriedExperiment(-0.8, 0.1, 2)])
    assert len(refused.value.problems) == 2
    with pytest.raises(InputError) as refused:
        realised([], float("inf"), 0)
    assert len(refused.value.problems) == 2
    with pytest.raises(InputError, match="tau2"):
        shrunk_lifts([], 0)
    with pytest.raises(InputError) as refused:
        holdout_variance(-1, 0, 1)
    assert len(refused.value.problems) == 3
