"""S14: looks at a metric that keeps growing for units already seen ("peeking 2.0")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipoise_stats import (
    correlated_bounds,
    equal_looks,
    group_sequential_bounds,
    look_correlation,
    sequence_bounds,
    union_bounds,
)
from simulations.paths import Floats, about, at_most
from simulations.study import Row, StudyResult, main

CI, FULL = 400, 4_000
DAYS, UNITS = 14, 280
WEEKLY = (6, 13)
Days = NDArray[np.intp]
ENTRIES = ("day 1", "uniform", "front-loaded")


def study(replications: int, seed: int) -> StudyResult:
    """Any-look false positives by way of entry and correlation of a unit's days."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for entry in ENTRIES:
        for icc in (0.0, 0.5, 0.9):
            rows += _rows(rng, replications, entry, icc)
    return StudyResult("S14 Open-ended metrics", replications, tuple(rows))


def _rows(rng: np.random.Generator, replications: int, entry: str, icc: float) -> list[Row]:
    z = np.concatenate([_paths(rng, 100, entry, icc) for _ in range(max(replications // 100, 4))])
    times = equal_looks(DAYS)
    days = _entry_days(entry, UNITS)
    n = np.array([(days <= day).sum() for day in range(DAYS)])
    label = f"{entry}, icc {icc}"
    weekly = np.array(union_bounds([times[day] for day in WEEKLY]).critical)
    daily = np.array(correlated_bounds(_correlation(rng, entry, icc), times, draws=100_000).critical)

    by_week, by_day = (np.abs(z[:, WEEKLY]) >= weekly).any(axis=1), (np.abs(z) >= daily).any(axis=1)
    rows = [
        at_most(f"{label}: weekly looks, any dependence", by_week, 0.05),
        about(f"{label}: daily looks, estimated correlation", by_day, 0.05, slack=0.01),
    ]
    if entry == "uniform":
        sequence = np.array(sequence_bounds((n / n[-1]).tolist()))
        by_sequence = (np.abs(z) > sequence).any(axis=1)
        rows.append(at_most(f"{label}: sequence by units", by_sequence, 0.02))
    if (entry, icc) == ("uniform", 0.0):
        naive = float((np.abs(z) > 1.96).any(axis=1).mean())
        rows.append(Row(f"{label}: naive", naive, 0.22, 0.36, is_foil=True))
    if (entry, icc) == ("day 1", 0.0):
        rows.append(_by_unit_counts(z))
    return rows


def _by_unit_counts(z: Floats) -> Row:
    """All units are there on day 1, so unit counts make every look the final one."""
    final = group_sequential_bounds((1.0,)).critical[0]
    hits = (np.abs(z) >= final).any(axis=1)
    return Row("day 1: bounds by unit counts", float(hits.mean()), 0.12, 0.25, is_foil=True)


def _entry_days(entry: str, units: int) -> Days:
    if entry == "day 1":
        return np.zeros(units, dtype=np.intp)
    if entry == "uniform":
        return np.arange(units) * DAYS // units
    return np.asarray(np.minimum(-np.log1p(-(np.arange(units) + 0.5) / units) * 3, DAYS - 1)).astype(np.intp)


def _cumulative(
    rng: np.random.Generator,
    shape: tuple[int, int],
    days: Days,
    icc: float,
) -> Floats:
    """Each unit's total up to each day, (replications, units, days)."""
    own = rng.standard_normal((*shape, 1)) * icc**0.5
    daily = own + rng.standard_normal((*shape, DAYS)) * (1 - icc) ** 0.5
    present = days[:, None] <= np.arange(DAYS)
    return np.asarray((daily * present).cumsum(axis=2))


def _paths(rng: np.random.Generator, replications: int, entry: str, icc: float) -> Floats:
    days = _entry_days(entry, UNITS)
    present = (days[:, None] <= np.arange(DAYS)).astype(np.float64)
    n = present.sum(axis=0)
    means, variances = [], []
    for _ in range(2):
        total = _cumulative(rng, (replications, UNITS), days, icc)
        mean = total.sum(axis=1) / n
        square = ((total - mean[:, None, :]) ** 2 * present).sum(axis=1)
        means.append(mean)
        variances.append(square / (n - 1) / n)
    return np.asarray((means[0] - means[1]) / np.sqrt(variances[0] + variances[1]))


def _correlation(rng: np.random.Generator, entry: str, icc: float) -> Floats:
    """The looks' correlation as an analysis estimates it: from the units of one experiment."""
    units = 4_000
    days = _entry_days(entry, units)
    total = _cumulative(rng, (1, units), days, icc)[0]
    n = np.array([(days <= day).sum() for day in range(DAYS)])
    covariance = np.empty((DAYS, DAYS))
    for j in range(DAYS):
        there = total[days <= j]
        centred = there - there.mean(axis=0)
        covariance[j, j:] = covariance[j:, j] = centred[:, j] @ centred[:, j:] / (len(there) - 1)
    return look_correlation([n, n], np.array([covariance, covariance]))


if __name__ == "__main__":
    main(study, FULL)
