"""S10: how soon a sample ratio mismatch locks, how often it does so wrongly, and where it is found."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from equipoise_stats import localise, srm_log_e_value
from equipoise_stats.srm import LOCK_BELOW, LOCK_E_VALUE
from simulations.paths import Floats, about, at_most
from simulations.study import Row, StudyResult, main, near

CI, FULL = 2_000, 20_000
CHI_SQUARED = 10.8276  # at p = .001, one degree of freedom
LOCK = math.log(LOCK_E_VALUE)


def study(replications: int, seed: int) -> StudyResult:
    """False locks, units until detection, power, localisation."""
    rng = np.random.default_rng(seed)
    rows = [*_false_locks(rng, replications)]
    runs = max(replications // 10, 200)
    for treated, units, expected in ((48 / 98, 500, (23.5e3, 44e3)), (0.495, 2_000, (86e3, 171e3))):
        by_chi2, by_e = _units_to_lock(rng, runs, treated, units)
        label = f"median units, treatment {treated:.2%}"
        rows.append(near(f"{label}, chi-squared", by_chi2, expected[0], 0.15 * expected[0]))
        rows.append(near(f"{label}, e-value", by_e, expected[1], 0.15 * expected[1]))
    rows += _power(rng, replications)
    rows.append(_localisation(rng, max(replications // 20, 100)))
    return StudyResult("S10 Sample ratio", replications, tuple(rows))


def _paths(rng: np.random.Generator, runs: int, checks: int, units: int, p: float) -> NDArray[np.int64]:
    return rng.binomial(units, p, (runs, checks)).cumsum(axis=1)


def _chi_squared(treated: NDArray[np.int64], n: NDArray[np.int64]) -> Floats:
    return np.asarray((2 * treated - n) ** 2 / n, dtype=np.float64)


def _limits(n: NDArray[np.int64]) -> Floats:
    """The smallest excess over n / 2 whose e-value locks, by look."""
    found = []
    for units in n.tolist():
        low, high = 0, units // 2
        while high - low > 1:
            middle = (low + high) // 2
            locked = srm_log_e_value([units // 2 + middle, units - units // 2 - middle], [1, 1]) >= LOCK
            low, high = (low, middle) if locked else (middle, high)
        found.append(float(high))
    return np.array(found)


def _locks_by_e(treated: NDArray[np.int64], n: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.asarray(np.abs(treated - n / 2) >= _limits(n))


def _false_locks(rng: np.random.Generator, replications: int) -> list[Row]:
    rows = []
    for checks, published in ((14, 0.0068), (336, 0.020)):
        n = 10_000 * np.arange(1, checks + 1)
        treated = _paths(rng, replications, checks, 10_000, 0.5)
        hits = (_chi_squared(treated, n) > CHI_SQUARED).any(axis=1)
        label = f"false locks, chi-squared p < {LOCK_BELOW} at {checks} checks"
        rows.append(about(label, hits, published, slack=0.001))
        by_e = _locks_by_e(treated, n).any(axis=1)
        rows.append(at_most(f"false locks, e-value at {checks} checks", by_e, 0.001))
    return rows


def _units_to_lock(rng: np.random.Generator, runs: int, p: float, units: int) -> tuple[float, float]:
    checks = 200
    n = units * np.arange(1, checks + 1)
    treated = _paths(rng, runs, checks, units, p)
    medians = []
    for locked in (_chi_squared(treated, n) > CHI_SQUARED, _locks_by_e(treated, n)):
        when = np.where(locked.any(axis=1), n[locked.argmax(axis=1)], 10 * n[-1])
        medians.append(float(np.median(when)))
    return medians[0], medians[1]


def _power(rng: np.random.Generator, replications: int) -> list[Row]:
    checks = 14
    n = (400_000 // checks) * np.arange(1, checks + 1)
    treated = _paths(rng, replications, checks, 400_000 // checks, 0.4975)
    by_chi2 = (_chi_squared(treated, n) > CHI_SQUARED).any(axis=1)
    by_e = _locks_by_e(treated, n).any(axis=1)
    return [
        about("power at 400,000 units of 49.75 %, chi-squared", by_chi2, 0.57, slack=0.06),
        about("power at 400,000 units of 49.75 %, e-value", by_e, 0.15, slack=0.05),
    ]


def _localisation(rng: np.random.Generator, runs: int) -> Row:
    """One of 12 slices loses 12 % of its treated units; is it named when its chi-squared is over 25?"""
    named, asked = 0, 0
    for _ in range(runs):
        counts = {name: _slices(rng, name) for name in ("platform", "country", "browser")}
        broken = counts["platform"]["platform0"]
        broken[1] = int(rng.binomial(broken[1], 0.88))
        if (broken[0] - broken[1]) ** 2 / sum(broken) <= 25:
            continue
        asked += 1
        top = localise(counts, (1, 1))[0]
        named += top.is_suspect and top.attributes == {"platform": "platform0"}
    return Row("planted slice named, its chi-squared over 25", named / asked, 0.95, 1.0)


def _slices(rng: np.random.Generator, name: str) -> dict[str, list[int]]:
    return {f"{name}{k}": rng.binomial(20_000, 0.5, 2).tolist() for k in range(4)}


if __name__ == "__main__":
    main(study, FULL)
