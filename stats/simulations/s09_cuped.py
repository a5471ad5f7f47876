"""S9: adjustment takes away what covariates explain, and its intervals still cover."""

from __future__ import annotations

import math

import numpy as np

from equipoise_stats import Adjustment, Moments, Quantity, adjust, fill_missing
from equipoise_stats.intervals import known
from simulations.study import Row, StudyResult, main, near, share

CI, FULL = 1200, 20_000
Y, X, MISSING = Quantity("y"), Quantity("x"), Quantity("missing")
NEW_SHARE = 0.4
_Z = 1.959963984540054


def study(replications: int, seed: int) -> StudyResult:
    """Correlations .3 to .9, 40 % new units, and slopes of 0 and 2 in the two arms."""
    rng = np.random.default_rng(seed)
    rows = [_variance_ratio(rng, rho) for rho in (0.3, 0.5, 0.7, 0.9)]
    rejected = [_rejects(rng) for _ in range(replications)]
    rows.append(share("false positives with 40 % new units", rejected, (0.05, 0.05)))
    held = [_covers(rng) for _ in range(replications)]
    rows.append(share("coverage with different slopes", [h[0] for h in held], (0.95, 0.95)))
    without = [h[1] for h in held]
    rows.append(share("the same without the superpopulation term", without, (0.834, 0.834), is_foil=True))
    return StudyResult("S9 covariates", replications, tuple(rows))


def _variance_ratio(rng: np.random.Generator, rho: float) -> Row:
    n = 40_000
    x = rng.normal(size=n)
    y = rho * x + math.sqrt(1 - rho**2) * rng.normal(size=n)
    arms = _arms(np.column_stack((y, x)), ("y", "x"))
    ratio = _spread(adjust(arms, Y, [X])) / _spread(adjust(arms, Y))
    return near(f"variance left at correlation {rho}", ratio, 1 - rho**2, 0.02)


def _rejects(rng: np.random.Generator, n: int = 600) -> bool:
    new = rng.random(n) < NEW_SHARE
    before = rng.gamma(2, 3, n)
    filled, missing = fill_missing(np.where(new, np.nan, before))
    y = np.where(new, 4.0, 1 + 0.8 * before) + rng.normal(0, 2, n)
    found = adjust(_arms(np.column_stack((y, filled, missing)), ("y", "x", "missing")), Y, [X, MISSING])
    return abs(_effect(found)) > _Z * math.sqrt(_spread(found))


def _covers(rng: np.random.Generator, n: int = 600) -> tuple[bool, bool]:
    treated = np.arange(n) % 2
    x = rng.normal(size=n)
    y = 2 * treated * x + rng.normal(size=n)
    found = adjust(_arms(np.column_stack((y, x)), ("y", "x")), Y, [X])
    distance = abs(_effect(found))
    inside = _Z * math.sqrt(float(np.trace(found.within)))
    return distance <= _Z * math.sqrt(_spread(found)), distance <= inside


def _arms(table: np.ndarray, names: tuple[str, ...]) -> dict[str, Moments]:
    return {"C": Moments.from_rows(names, table[::2]), "T": Moments.from_rows(names, table[1::2])}


def _effect(found: Adjustment) -> float:
    return known(found.of("T").value) - known(found.of("C").value)


def _spread(found: Adjustment) -> float:
    return float(np.trace(found.covariance) - 2 * found.shared("T", "C"))


if __name__ == "__main__":
    main(study, FULL)
