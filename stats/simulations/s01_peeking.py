"""S1: what happens when a fixed test is read every day."""

from __future__ import annotations

import numpy as np

from equipoise_stats import equal_looks, overall_error
from simulations.paths import about, brownian
from simulations.study import StudyResult, main, near

CI, FULL = 2_000, 40_000
FIXED, FLAT_PRIOR = 1.959963985, 1.644853627  # P(lift > 0) = 95 % is a one-sided 5 % test


def study(replications: int, seed: int) -> StudyResult:
    """Any-look false positives of naive rules, simulated and exact."""
    rows = []
    for looks in (14, 28, 336):
        size = max(replications // max(1, looks // 28), 400)
        crossed = (np.abs(brownian(size, looks, seed)) > FIXED).any(axis=1)
        exact = overall_error(equal_looks(looks), FIXED)
        rows.append(about(f"p < .05 at any of {looks} looks", crossed, exact))
    rows.append(near("14 looks, exact", overall_error(equal_looks(14), FIXED), 0.220, 0.0005))
    rows.append(near("28 looks, exact", overall_error(equal_looks(28), FIXED), 0.275, 0.001))
    rows.append(near("336 looks, exact", overall_error(equal_looks(336), FIXED), 0.456, 0.006))
    winning = overall_error(equal_looks(14), FLAT_PRIOR)
    rows.append(near("95 % chance to win, 14 looks", winning, 0.382, 0.002))
    return StudyResult("S1 Naive peeking", replications, tuple(rows))


if __name__ == "__main__":
    main(study, FULL)
