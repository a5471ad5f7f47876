"""S20: a Bayesian rule is calibrated over its prior, at any stop, and holds no alpha."""

from __future__ import annotations

import math

import numpy as np

from equipoise_stats import Prior, posterior
from simulations.paths import about, brownian
from simulations.study import Row, StudyResult, main

CI, FULL = 2_500, 40_000
LOOKS = 14
PRIOR = Prior(0.0, 0.05)
LAST_ERROR = 0.02  # the standard error of the lift at the last look


def study(replications: int, seed: int) -> StudyResult:
    """Share of true lifts above 0 when the rule shows 95 %; false wins when nothing differs."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(PRIOR.mean, PRIOR.sd, replications)
    shown, right = [], []
    for lift in truth.tolist():
        seen = _stop(rng, lift)
        if seen is not None:
            shown.append(seen)
            right.append(lift > 0)
    gap = float(np.mean(right)) - float(np.mean(shown))
    rows = [
        Row("true share minus shown share at the stop", gap, -0.02, 0.02),
        Row("true share when at least 95 % is shown", float(np.mean(right)), 0.93, 1.0),
    ]
    flat = (brownian(replications, LOOKS, seed) > 1.644853627).any(axis=1)
    mirrored = (np.abs(brownian(replications, LOOKS, seed)) > 1.644853627).any(axis=1)
    rows.append(Row("flat prior, 95 %, harmless called better", float(flat.mean()), 0.15, 0.25, is_foil=True))
    rows.append(about("flat prior, 95 % either way, nothing differs", mirrored, 0.382))
    return StudyResult("S20 Bayesian calibration", replications, tuple(rows))


def _stop(rng: np.random.Generator, lift: float) -> float | None:
    """P(lift > 0) at the first look where it is 95 % or more; None when it never is."""
    error = LAST_ERROR * math.sqrt(LOOKS)  # of one look's data
    steps = rng.normal(lift, error, LOOKS)
    for look in range(1, LOOKS + 1):
        found = posterior(float(steps[:look].mean()), error / math.sqrt(look), PRIOR)
        if found.probability_positive >= 0.95:
            return found.probability_positive
    return None


if __name__ == "__main__":
    main(study, FULL)
