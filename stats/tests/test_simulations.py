"""A/A simulations with fixed seeds, through moments and the real analysis kernels."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise_stats import one_sided_multiplier, two_sided_multiplier

LOOKS, EXPERIMENTS, UNITS = 14, 4000, 14_000


def paths(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """z by experiment and look when nothing differs; units by look."""
    rng = np.random.default_rng(seed)
    steps = rng.standard_normal((EXPERIMENTS, LOOKS))
    look = np.arange(1, LOOKS + 1)
    return steps.cumsum(axis=1) / np.sqrt(look), UNITS / LOOKS * look


def share_ever(crossed: np.ndarray) -> float:
    return float(crossed.any(axis=1).mean())


@pytest.mark.simulation
def test_peeking_at_a_fixed_test_is_wrong_one_time_in_five() -> None:
    z, _ = paths(1)
    assert share_ever(np.abs(z) > 1.96) == pytest.approx(0.2196, abs=0.02)


@pytest.mark.simulation
def test_the_confidence_sequence_holds_alpha_over_all_looks() -> None:
    z, n = paths(2)
    assert share_ever(np.abs(z) > two_sided_multiplier(n, UNITS)) == pytest.approx(0.01, abs=0.006)
    for tuned_to in (UNITS / 20, UNITS / 4, UNITS * 4):
        assert share_ever(np.abs(z) > two_sided_multiplier(n, tuned_to)) < 0.05


@pytest.mark.simulation
def test_the_alarm_holds_its_alpha_over_all_looks() -> None:
    z, n = paths(3)
    assert share_ever(z < -one_sided_multiplier(n, UNITS / LOOKS, 0.01)) < 0.01


@pytest.mark.simulation
def test_a_sequence_closed_by_a_fixed_test_spends_little_more_than_alpha() -> None:
    z, n = paths(4)
    crossed = np.abs(z) > two_sided_multiplier(n, UNITS)
    crossed[:, -1] |= np.abs(z[:, -1]) > 1.96
    assert share_ever(crossed) < 0.065
