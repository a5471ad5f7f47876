"""S8: quantiles of events need the users' clustering; independent events find far too much."""

from __future__ import annotations

import math

import numpy as np

from equipoise_stats import QuantileEstimate, event_quantile_of
from simulations.study import StudyResult, main, share

CI, FULL = 300, 5000
USERS = 600


def study(replications: int, seed: int) -> StudyResult:
    """Latencies of 600 users an arm, about 10 events each; p95 and p99, nothing differs."""
    rng = np.random.default_rng(seed)
    rows = []
    for quantile in (0.95, 0.99):
        clustered, independent = [], []
        for _ in range(replications):
            t, c = (_arm(rng, quantile) for _ in range(2))
            gap = abs(t.value - c.value)
            clustered.append(gap > 1.96 * math.hypot(t.standard_error, c.standard_error))
            plain = (arm.standard_error / math.sqrt(arm.design_effect) for arm in (t, c))
            independent.append(gap > 1.96 * math.hypot(*plain))
        name = f"false positives of p{100 * quantile:.0f}"
        rows.append(share(f"{name}, clustered", clustered, (0.04, 0.07)))
        rows.append(share(f"{name}, independent", independent, (0.15, 0.32), is_foil=True))
    return StudyResult("S8 event quantiles", replications, tuple(rows))


def _arm(rng: np.random.Generator, quantile: float) -> QuantileEstimate:
    of = np.repeat(np.arange(USERS), 1 + rng.poisson(9, USERS))
    values = np.exp(4.5 + rng.normal(0, 0.6, USERS)[of] + rng.normal(0, 0.6, len(of)))
    found = event_quantile_of(values, of, quantile)
    if not isinstance(found, QuantileEstimate):
        raise TypeError(f"no quantile: {found}")
    return found


if __name__ == "__main__":
    main(study, FULL)
