"""S19: the diluted lift is that of all units; diluting by the share of units is off by two."""

from __future__ import annotations

import numpy as np

from equipoise_stats import Interval, Moments, diluted_lift, mean_estimate, metric_share
from simulations.study import StudyResult, main, near

CI, FULL = 40, 1000
LIFT, TRIGGERED = 0.2, 0.1


def study(replications: int, seed: int) -> StudyResult:
    """A tenth of units trigger and hold a fifth of the metric; they gain 20 %."""
    rng = np.random.default_rng(seed)
    ratios, foils = [], []
    for _ in range(replications):
        triggered = rng.random(50_000) < TRIGGERED
        control = rng.gamma(2, np.where(triggered, 2.25, 1.0))
        treatment = rng.gamma(2, np.where(triggered, 2.25 * (1 + LIFT), 1.0))
        t, c = (arm[triggered].mean() for arm in (treatment, control))
        lift = Interval(t / c - 1, t / c - 1.1, t / c - 0.9, 0.95)
        held = (control[triggered], control)
        part, whole = (mean_estimate(Moments.from_rows(("y",), rows[:, None]), "y") for rows in held)
        share = metric_share(part, whole)
        if not isinstance(share, float):
            raise TypeError(f"no share: {share}")
        ratios.append(diluted_lift(lift, share).value / (LIFT * 0.2))
        foils.append(diluted_lift(lift, float(triggered.mean())).value / (LIFT * 0.2))
    error = 3 * float(np.std(ratios)) / np.sqrt(replications)
    rows = (
        near("diluted over true, by share of the metric", np.mean(ratios), 1.0, 0.01 + error),
        near("diluted over true, by share of units", np.mean(foils), 0.5, 0.01 + error, is_foil=True),
    )
    return StudyResult("S19 dilution", replications, rows)


if __name__ == "__main__":
    main(study, FULL)
