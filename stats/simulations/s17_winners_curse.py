"""S17: winners look better than they are; shrinkage and the selection term undo it."""

from __future__ import annotations

import numpy as np

from equipoise_stats import TriedExperiment, shrunk_lifts, total_without_selection
from simulations.study import StudyResult, main, near

CI, FULL = 40_000, 400_000
_SE, _LAUNCH = 0.01, 1.96


def study(replications: int, seed: int) -> StudyResult:
    """True lifts N(0, tau²) with tau of one and of half a standard error; launch at z > 1.96."""
    rng = np.random.default_rng(seed)
    rows = []
    for tau, inflation in ((_SE, 2.0), (_SE / 2, 5.0)):
        truth = rng.normal(0, tau, replications)
        tried = [TriedExperiment(float(r), _SE) for r in truth + rng.normal(0, _SE, replications)]
        total = total_without_selection(tried, _LAUNCH)
        won = np.array(total.launched)
        real = truth[won].sum()
        shrunk = np.array([t.lift for t in shrunk_lifts(tried, tau**2)])[won].sum()
        noise = 3 * np.sqrt(won.sum()) * _SE / abs(real)
        case, slack = f"over true, tau = {tau / _SE:g} se", 0.05 + inflation * noise
        rows.append(near(f"naive {case}", total.total / real, inflation, slack, is_foil=True))
        rows.append(near(f"shrunk {case}", shrunk / real, 1.0, 0.03 + noise))
        known = total_without_selection([TriedExperiment(float(a), _SE) for a in truth], _LAUNCH)
        unbiased = total.total - sum(known.bias_terms)
        rows.append(near(f"total without selection {case}", unbiased / real, 1.0, 0.05 + noise))
    return StudyResult("S17 winner's curse", replications, tuple(rows))


if __name__ == "__main__":
    main(study, FULL)
