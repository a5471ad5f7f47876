"""S5: do intervals still cover when the experiment stops at its first crossing?"""

from __future__ import annotations

import numpy as np

from equipoise_stats import equal_looks, group_sequential_bounds, sequence_bounds
from simulations.paths import Floats, Hits, about, brownian, first
from simulations.study import Row, StudyResult, main, near

CI, FULL = 2_000, 40_000
LOOKS = 14


def study(replications: int, seed: int) -> StudyResult:
    """Coverage of repeated, sequence and naive intervals at the stop; how far the stop overstates."""
    times = np.array(equal_looks(LOOKS))
    planned = np.array(group_sequential_bounds(times.tolist()).critical)
    sequence = np.array(sequence_bounds(times.tolist()))
    naive = np.full(LOOKS, 1.959963985)
    rows = []
    for drift, covered, by_naive in ((0.0, 0.951, 0.781), (2.8, 0.982, 0.941)):
        z = brownian(replications, LOOKS, seed, drift=drift)
        repeated = _covers(z, drift, times, planned)
        rows.append(about(f"repeated interval, drift {drift}", repeated, covered, slack=0.004))
        held = float(np.mean(_covers(z, drift, times, sequence)))
        rows.append(Row(f"sequence, drift {drift}", held, 0.985, 1.0))
        plain = _covers(z, drift, times, naive)
        rows.append(about(f"naive interval, drift {drift}", plain, by_naive, slack=0.004))
    crossed = np.abs(z) >= planned
    at = first(crossed)
    estimate = z[np.arange(len(z)), at] / np.sqrt(times[at])
    shown = float(estimate[crossed.any(axis=1)].mean())
    rows.append(near("mean estimate when stopped, truth 2.8", shown, 3.6, 0.1))
    return StudyResult("S5 Coverage when stopped early", replications, tuple(rows))


def _covers(z: Floats, drift: float, times: Floats, bounds: Floats) -> Hits:
    at = first(np.abs(z) >= bounds)
    return np.asarray(np.abs(z[np.arange(len(z)), at] - drift * np.sqrt(times[at])) <= bounds[at])


if __name__ == "__main__":
    main(study, FULL)
