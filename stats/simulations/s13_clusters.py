"""S13: the method for the number of clusters holds its level; the normal one does not."""

from __future__ import annotations

import numpy as np

from equipoise_stats import ClusterEffect, ClusterTable, cluster_effect, delta_effect
from simulations.study import StudyResult, main, share

CI, FULL = 1000, 20_000
ALPHA = 0.05
# What each may reject: permutations of 8 clusters cannot reach 5 %, nor far above it.
EXPECTED = {8: (0.02, 0.05), 10: (0.035, 0.05), 20: (0.04, 0.06), 40: (0.045, 0.06), 80: (0.045, 0.06)}


def study(replications: int, seed: int) -> StudyResult:
    """Unequal clusters without effect, 6 to 80 of them."""
    rng = np.random.default_rng(seed)
    rows = []
    for clusters, expected in EXPECTED.items():
        found = [cluster_effect(_table(rng, clusters), rng=rng) for _ in range(replications)]
        rejected = [isinstance(f, ClusterEffect) and f.p_value <= ALPHA for f in found]
        rows.append(share(f"false positives, {clusters} clusters", rejected, expected))
    foil = []
    for _ in range(replications):
        found_normal = delta_effect(_table(rng, 6))
        if isinstance(found_normal, ClusterEffect):
            foil.append(abs(found_normal.effect.value) > 1.96 * found_normal.standard_error)
    rows.append(share("the same with a normal quantile, 6 clusters", foil, (0.12, 0.18), is_foil=True))
    return StudyResult("S13 clusters", replications, tuple(rows))


def _table(rng: np.random.Generator, clusters: int) -> ClusterTable:
    sizes = rng.integers(20, 60, clusters).astype(float)
    means = 10 + rng.normal(0, 1, clusters) + rng.normal(0, 3, clusters) / np.sqrt(sizes)
    treated = np.arange(clusters) % 2 == 0
    return ClusterTable(sizes * means, sizes, treated)


if __name__ == "__main__":
    main(study, FULL)
