"""S21: re-hashing one data set with new salts makes p-values uniform for every kind of metric."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from equipoise_stats import (
    Design,
    Evidence,
    Independence,
    MetricKind,
    MetricPlan,
    MetricRole,
    Moments,
    Results,
    VariantPlan,
    analyse,
    assignment_independence,
    judge_srm,
)
from simulations.study import Row, StudyResult, main, share

CI, FULL = 250, 1000
UNITS = 6000
NAMES = ("spend", "orders", "orders:denominator", "bought", "before")
METRICS = (
    MetricPlan("spend", MetricKind.MEAN, MetricRole.OEC),
    MetricPlan("orders", MetricKind.RATIO, MetricRole.DIAGNOSTIC),
    MetricPlan("bought", MetricKind.PROPORTION, MetricRole.DIAGNOSTIC),
    MetricPlan("before", MetricKind.MEAN, MetricRole.DIAGNOSTIC),
)
ADJUSTED = (MetricPlan("spend", MetricKind.MEAN, MetricRole.OEC, covariates=("before",)),)
UNIFORM = 0.01


def study(replications: int, seed: int) -> StudyResult:
    """6,000 shop-like units, split in halves by a hash of salt and unit; nothing differs."""
    rng = np.random.default_rng(seed)
    rows = _units(rng)
    found: dict[str, list[float]] = {name: [] for name in ("spend", "orders", "bought", "adjusted", "srm")}
    related: list[float] = []
    before = None
    for salt in rng.integers(1, 1 << 62, replications):
        treated = _hashed(int(salt)) >> np.uint64(63) == 1
        arms = {w: Moments.from_rows(NAMES, rows[treated == (w == "T")]) for w in "CT"}
        for name, p in _p_values(arms).items():
            found[name].append(p)
        srm = judge_srm([arms["C"].n, arms["T"].n], [1, 1])
        found["srm"].append(srm.p_value or 0.0)
        related += [_related(before, treated)] if before is not None else []
        before = treated
    uniform = [_uniform(name, p) for name, p in found.items()]
    rows_told = (*uniform, share("two salts are dependent", related, (0.0, 0.001)))
    return StudyResult("S21 re-salting", replications, rows_told)


def _units(rng: np.random.Generator) -> np.ndarray:
    before = rng.gamma(0.8, 10, UNITS)
    bought = rng.random(UNITS) < 0.2 + 0.1 * (before > 8)
    spend = bought * rng.lognormal(3, 0.8, UNITS) + 0.2 * before
    sessions = 1 + rng.poisson(3, UNITS)
    return np.column_stack((spend, rng.binomial(sessions, 0.2), sessions, bought, before))


def _hashed(salt: int) -> np.ndarray:
    """splitmix64 of units, then of those with the salt: what a split does, without strings."""
    units = _mixed(np.arange(UNITS, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return _mixed(units ^ _mixed(np.full(UNITS, salt, dtype=np.uint64)))


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(x ^ (x >> np.uint64(31)), dtype=np.uint64)


def _p_values(arms: dict[str, Moments]) -> dict[str, float]:
    # The gate has a row of its own: here the counts pass, so that every p-value is seen.
    evidence = Evidence(dict.fromkeys(arms, UNITS), arms, observed_days=14)
    found = {}
    for metrics, names in ((METRICS, ("spend", "orders", "bought")), (ADJUSTED, ("spend",))):
        variants = (VariantPlan("C", 1), VariantPlan("T", 1))
        design = Design(variants, "C", metrics, UNITS, planned_end_reached=True)
        analysis = analyse(evidence, design)
        if not isinstance(analysis, Results):
            continue
        for name in names:
            p = analysis.of(name, "T").p_value
            found["adjusted" if metrics is ADJUSTED else name] = 1.0 if p is None else p
    return found


def _related(one: np.ndarray, other: np.ndarray) -> bool:
    table = [[int(np.sum((one == a) & (other == b))) for b in (False, True)] for a in (False, True)]
    found = assignment_independence(table)
    return isinstance(found, Independence) and found.dependent


def _uniform(name: str, p_values: list[float]) -> Row:
    p = float(stats.kstest(p_values, "uniform").pvalue)
    return Row(f"Kolmogorov-Smirnov p of {name}", p, UNIFORM, 1.0)


if __name__ == "__main__":
    main(study, FULL)
