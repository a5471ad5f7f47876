"""S6: Fieller covers the lift with balanced tails and never contradicts the absolute test."""

from __future__ import annotations

import numpy as np

from equipoise_stats import fieller_bounds
from simulations.study import StudyResult, main, near, share

CI, FULL = 20_000, 200_000
_Z = 1.959963984540054


def study(replications: int, seed: int) -> StudyResult:
    """Rates of 5 % with 2,000 units an arm, and of 1 % with 500 and a lift of 50 %."""
    rng = np.random.default_rng(seed)
    rows = []
    for name, rate, n, lift in (("5 %, n = 2000", 0.05, 2000, 0.0), ("1 %, n = 500", 0.01, 500, 0.5)):
        c, t = (rng.binomial(n, p, replications) / n for p in (rate, rate * (1 + lift)))
        some = c > 0
        c, t = c[some], t[some]
        vc, vt = c * (1 - c) / (n - 1), t * (1 - t) / (n - 1)
        found = fieller_bounds(t, vt, control=c, control_variance=vc, critical=_Z)
        held = (t - (1 + lift) * c) ** 2 <= _Z**2 * (vt + (1 + lift) ** 2 * vc)
        error = np.sqrt(vt / c**2 + t**2 * vc / c**4)
        delta = t / c - 1
        rows.append(near(f"Fieller coverage, {name}", held.mean(), 0.95, 0.006))
        covered, above = np.abs(delta - lift) <= _Z * error, (delta + _Z * error < lift).tolist()
        rows.append(near(f"delta coverage, {name}", covered.mean(), 0.93, 0.022, is_foil=True))
        rows.append(share(f"delta misses above, {name}", above, (0.035, 0.11), is_foil=True))
        absolute = np.abs(t - c) > _Z * np.sqrt(vt + vc)
        relative = (found.lower > 0) | (found.upper < 0)
        agree = (absolute == relative)[found.bounded]
        rows.append(near(f"agrees with the absolute test, {name}", agree.mean(), 1.0, 0.0))
        if lift == 0:
            sides = (("below", found.lower > lift), ("above", found.upper < lift))
            rows += [near(f"Fieller misses {side}, {name}", x.mean(), 0.025, 0.006) for side, x in sides]
    return StudyResult("S6 relative lift", replications, tuple(rows))


if __name__ == "__main__":
    main(study, FULL)
