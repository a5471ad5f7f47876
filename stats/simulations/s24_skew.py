"""S24: skewed metrics: fair in equal arms, unfair in the small arm of an unequal split."""

from __future__ import annotations

import numpy as np

from equipoise_stats import (
    Estimate,
    Interval,
    Moments,
    Outcome,
    cap_at,
    capped,
    mean_estimate,
    skew_of_split,
    welch,
)
from simulations.study import StudyResult, main, near, share

CI, FULL = 500, 10_000
BUYERS, SIGMA = 0.03, 1.5


def study(replications: int, seed: int) -> StudyResult:
    """Zero-inflated log-normal revenue in equal arms, and 1 % against 99 % of 100,000."""
    rng = np.random.default_rng(seed)
    rows = []
    for units in (2000, 20_000):
        plain, with_cap = [], []
        for _ in range(max(replications * 2000 // units, 200)):
            arms = [_revenue(rng, units) for _ in range(2)]
            cap = cap_at(arms)
            plain.append(_rejects(*(_mean(arm) for arm in arms)) != 0)
            with_cap.append(_rejects(*(_mean(capped(arm, cap)) for arm in arms)) != 0)
        rows.append(share(f"false positives, {units} an arm", plain, (0.02, 0.05)))
        rows.append(share(f"capped, {units} an arm", with_cap, (0.045, 0.06)))
    control = _mean(_revenue(rng, 99_000))
    small = [_mean(_revenue(rng, 1000)) for _ in range(4 * replications)]
    lower = [_rejects(arm, control) < 0 for arm in small]
    rows.append(share("lower tail of 1 % against 99 %", lower, (0.10, 0.25), is_foil=True))
    warned = [skew_of_split(arm, control).outcome is Outcome.WARN for arm in small]
    rows.append(near("warned of an unequal split of a skewed metric", float(np.mean(warned)), 1.0, 0.0))
    return StudyResult("S24 skew", replications, tuple(rows))


def _revenue(rng: np.random.Generator, units: int) -> np.ndarray:
    buyers = rng.binomial(units, BUYERS)
    return np.concatenate((rng.lognormal(3, SIGMA, buyers), np.zeros(units - buyers)))


def _mean(values: np.ndarray) -> Estimate:
    return mean_estimate(Moments.from_rows(("y",), values[:, None]), "y")


def _rejects(treatment: Estimate, control: Estimate) -> int:
    found = welch(treatment, control)
    assert isinstance(found, Interval)
    return int(found.lower > 0) - int(found.upper < 0)


if __name__ == "__main__":
    main(study, FULL)
