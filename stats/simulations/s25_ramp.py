"""S25: a ramp from 1 % to 50 % while days differ: pooled arms tell the opposite of the truth."""

from __future__ import annotations

import numpy as np

from equipoise_stats import (
    AllocationEpoch,
    Moments,
    Quantity,
    SrmVerdict,
    adjust_within,
    judge_srm,
    judge_srm_over_epochs,
    mean_estimate,
)
from simulations.paths import at_most
from simulations.study import Row, StudyResult, main

CI, FULL = 600, 10_000
UNITS = 20_000
# Share of treatment and mean of the control: the second epoch is a poor weekend.
EPOCHS = ((0.01, 10.0), (0.50, 8.0))
EFFECT, SD = 0.3, 5.0


def study(replications: int, seed: int) -> StudyResult:
    """Bias and coverage of the stratified effect; sign of the pooled one; false SRM locks."""
    rng = np.random.default_rng(seed)
    found = [_experiment(rng) for _ in range(replications)]
    stratified, error, pooled = (np.array([row[k] for row in found]) for k in range(3))
    bias = float(stratified.mean() - EFFECT)
    noise = 3 * float(stratified.std()) / replications**0.5
    missed = np.abs(stratified - EFFECT) > 1.959963985 * error
    naive = float(np.mean([row[4] for row in found]))
    rows = (
        Row("bias of the stratified effect", bias, -noise, noise),
        at_most("stratified intervals that miss", missed, 0.05),
        Row("pooled effects below 0, truth above", float((pooled < 0).mean()), 0.99, 1.0, is_foil=True),
        at_most("false locks, epoch by epoch", np.array([row[3] for row in found]), 0.001),
        Row("locks against today's weights", naive, 1.0, 1.0, is_foil=True),
    )
    return StudyResult("S25 Change of allocation", replications, rows)


def _experiment(rng: np.random.Generator) -> tuple[float, float, float, bool, bool]:
    strata, epochs = [], []
    for share, level in EPOCHS:
        treated = int(rng.binomial(UNITS, share))
        epochs.append(AllocationEpoch((UNITS - treated, treated), (1 - share, share)))
        arms = {"control": _arm(rng, UNITS - treated, level), "new": _arm(rng, treated, level + EFFECT)}
        strata.append(arms)
    found = adjust_within(strata, Quantity("m"))
    both = [found.of(arm) for arm in ("new", "control")]
    effect = (both[0].value or 0.0) - (both[1].value or 0.0)
    v = found.covariance
    error = float(v[0, 0] + v[1, 1] - 2 * v[0, 1]) ** 0.5
    whole = [strata[0][arm].merge(strata[1][arm]) for arm in ("new", "control")]
    pooled = [mean_estimate(arm, "m").value or 0.0 for arm in whole]
    counts = [sum(epoch.counts[arm] for epoch in epochs) for arm in (0, 1)]
    locked = judge_srm_over_epochs(epochs).verdict is SrmVerdict.LOCKED
    naive = judge_srm(counts, (1, 1)).verdict is SrmVerdict.LOCKED
    return effect, error, pooled[0] - pooled[1], locked, naive


def _arm(rng: np.random.Generator, n: int, level: float) -> Moments:
    """Moments of n normal units, drawn as such: mean and sum of squares are independent."""
    mean = rng.normal(level, SD / n**0.5)
    return Moments(("m",), n, np.array([mean]), np.array([[SD**2 * rng.chisquare(n - 1)]]))


if __name__ == "__main__":
    main(study, FULL)
