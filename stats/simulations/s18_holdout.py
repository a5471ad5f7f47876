"""S18: a holdout against everybody is sharper, and sees when launches undo one another."""

from __future__ import annotations

import math

import numpy as np

from equipoise_stats import TriedExperiment, holdout_variance, realised
from simulations.study import StudyResult, main, near, share

CI, FULL = 4000, 100_000
SURE = 1.96


def study(replications: int, seed: int) -> StudyResult:
    """Ten launches of 2 % each; without loss, and with 30 % lost to their interaction."""
    rng = np.random.default_rng(seed)
    against_all = math.sqrt(holdout_variance(1.0, 100_000, 0.05) / (2 / 5000))
    rows = [near("width against everybody, of an equal slice", against_all, 0.726, 0.001)]
    launches = [TriedExperiment(0.02, 0.002)] * 10
    promised = 1.02**10 - 1
    for lost, expected in ((0.0, (0.0, 0.05)), (0.3, (0.9, 1.0))):
        seen = promised * (1 - lost) + rng.normal(0, 0.012, replications)
        found = [realised(launches, float(lift), 0.012) for lift in seen]
        flagged = [f.falls_short or f.gap_z > SURE for f in found]
        rows.append(share(f"flagged with {lost:.0%} lost", flagged, expected))
    return StudyResult("S18 holdout", replications, tuple(rows))


if __name__ == "__main__":
    main(study, FULL)
