"""S3: confidence sequences, read daily or hourly, when nothing differs."""

from __future__ import annotations

import numpy as np

from equipoise_stats import equal_looks, overall_error, sequence_bounds
from simulations.paths import about, brownian
from simulations.study import Row, StudyResult, main

CI, FULL = 2_000, 40_000


def study(replications: int, seed: int) -> StudyResult:
    """Any-look false positives by number of looks and tuning n* (in planned units)."""
    rows = []
    for looks, tuned_at, published in ((14, 1.0, 0.010), (336, 1.0, 0.017), (336, 0.25, 0.028)):
        times = equal_looks(looks)
        bounds = sequence_bounds(times, tuned_at=tuned_at)
        exact = overall_error(times, bounds)
        label = f"{looks} looks, n* = {tuned_at:g} N"
        rows.append(Row(f"{label}, exact", exact, published - 0.002, published + 0.002))
        size = max(replications // max(1, looks // 28), 400)
        crossed = (np.abs(brownian(size, looks, seed)) > np.array(bounds)).any(axis=1)
        rows.append(about(label, crossed, exact))
    for tuned_at in (0.01, 0.05, 4.0, 20.0):
        times = equal_looks(336)
        exact = overall_error(times, sequence_bounds(times, tuned_at=tuned_at))
        rows.append(Row(f"336 looks, n* = {tuned_at:g} N, exact", exact, 0.0, 0.05))
    return StudyResult("S3 Sequences hold alpha at any look", replications, tuple(rows))


if __name__ == "__main__":
    main(study, FULL)
