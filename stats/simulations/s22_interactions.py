"""S22: a nightly scan over many pairs finds what interacts and little else."""

from __future__ import annotations

import numpy as np

from equipoise_stats import Estimate, PairState, Status, scan_interactions
from simulations.study import StudyResult, main, share

CI, FULL = 80, 4000
PAIRS, TRUE, UNITS, ALPHA = 50, 5, 5000, 0.05


def study(replications: int, seed: int) -> StudyResult:
    """50 pairs a night, 5 of which interact by three standard errors."""
    rng = np.random.default_rng(seed)
    false_share, plain = [], []
    for _ in range(replications):
        found = scan_interactions({str(k): _cells(rng, truly=k < TRUE) for k in range(PAIRS)})
        hits = [int(key) for key, pair in found.items() if pair.state is PairState.INTERACTS]
        false_share.append(sum(k >= TRUE for k in hits) / max(len(hits), 1))
        plain += [
            p.test is not None and p.test.p_value < ALPHA for key, p in found.items() if int(key) < TRUE
        ]
    rows = (
        share("false discoveries", false_share, (0.0, 0.05)),
        share("power of a single test", plain, (0.851, 0.851)),
    )
    return StudyResult("S22 interactions", replications, rows)


def _cells(rng: np.random.Generator, *, truly: bool) -> dict[tuple[str, str], Estimate]:
    error = 1 / np.sqrt(UNITS)
    extra = 3 * 2 * error if truly else 0.0
    means = np.array([10.0, 10.1, 10.2, 10.3 + extra]) + rng.normal(0, error, 4)
    keys = [(a, b) for a in ("off", "on") for b in ("off", "on")]
    return {
        key: Estimate(UNITS, float(mean), error**2, 1.0, Status.OK)
        for key, mean in zip(keys, means, strict=True)
    }


if __name__ == "__main__":
    main(study, FULL)
