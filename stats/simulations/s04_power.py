"""S4: what daily looks cost in power and save in time."""

from __future__ import annotations

import numpy as np

from equipoise_stats import (
    PowerTarget,
    equal_looks,
    group_sequential_bounds,
    power_of_bounds,
    sequence_bounds,
    sequence_inflation,
    sequential_inflation,
)
from simulations.paths import about, brownian, first
from simulations.study import StudyResult, main, near

CI, FULL = 2_000, 40_000
LOOKS = 14


def study(replications: int, seed: int) -> StudyResult:
    """Power where a fixed test has 80 or 90 %, mean share of N at the stop, inflation."""
    times = equal_looks(LOOKS)
    planned = group_sequential_bounds(times).critical
    sequence = sequence_bounds(times)
    rows = []
    for power, by_looks, stop, by_sequence in ((0.8, 0.784, 0.77, 0.487), (0.9, 0.892, 0.69, 0.652)):
        drift = PowerTarget(power=power).reach
        z = brownian(replications, LOOKS, seed, drift=drift)
        crossed = np.abs(z) >= np.array(planned)
        exact = power_of_bounds(times, planned, drift)
        rows.append(about(f"planned looks, fixed {power:.0%}", crossed.any(axis=1), exact.power))
        rows.append(near(f"planned looks, fixed {power:.0%}, exact", exact.power, by_looks, 0.005))
        ends = float(np.mean((first(crossed) + 1) / LOOKS))
        rows.append(near(f"mean stop as share of N, fixed {power:.0%}", ends, stop, 0.02))
        found = (np.abs(z) > np.array(sequence)).any(axis=1)
        rows.append(about(f"sequence, fixed {power:.0%}", found, by_sequence, slack=0.005))
    rows.append(near("inflation of planned looks", sequential_inflation(times), 1.04, 0.005))
    rows.append(near("inflation of a sequence, 80 %", sequence_inflation(), 1.76, 0.01))
    inflation = sequence_inflation(PowerTarget(power=0.9))
    rows.append(near("inflation of a sequence, 90 %", inflation, 1.65, 0.03))
    return StudyResult("S4 Power and time", replications, tuple(rows))


if __name__ == "__main__":
    main(study, FULL)
