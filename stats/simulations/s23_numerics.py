"""S23: moments keep the variance of large numbers, in any order of merging."""

from __future__ import annotations

import numpy as np

from equipoise_stats import Moments, mean_estimate, merge_all
from simulations.study import StudyResult, main, near

CI, FULL = 200_000, 100_000_000
_PART = 1_000_000


def study(replications: int, seed: int) -> StudyResult:
    """Means of 1e9 and 1e12 with a standard deviation of 1, in parts merged in random order."""
    rng = np.random.default_rng(seed)
    rows = []
    for level in (1e9, 1e12):
        parts, exact = _parts(rng, level, replications)
        spreads = []
        for _ in range(3):
            order = rng.permutation(len(parts))
            found = mean_estimate(merge_all(parts[at] for at in order), "x").unit_variance
            spreads.append((found or 0.0) / exact - 1)
        # Near 1e12 a float holds steps of 1e-4, which are part of the values themselves.
        rows.append(near(f"error of the variance at {level:g}", max(spreads, key=abs), 0.0, 1e-6))
        rows.append(near(f"difference between orders at {level:g}", np.ptp(spreads), 0.0, 1e-6))
    return StudyResult("S23 numerics", replications, tuple(rows))


def _parts(rng: np.random.Generator, level: float, n: int) -> tuple[list[Moments], float]:
    parts, shifted = [], Moments.empty(("x",))
    for at in range(0, n, _PART):
        values = level + rng.standard_normal((min(_PART, n - at), 1))
        parts += [Moments.from_rows(("x",), part) for part in np.array_split(values, 7)]
        # The exact answer: the same floats without their level, which subtracts exactly.
        shifted = shifted.merge(Moments.from_rows(("x",), values - level))
    return parts, mean_estimate(shifted, "x").unit_variance or 0.0


if __name__ == "__main__":
    main(study, FULL)
