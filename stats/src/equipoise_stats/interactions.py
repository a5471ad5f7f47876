"""Two experiments on the same units: does one change the other's effect?

Knows cells, one per pair of variants. Also tells when two splits are not independent, which no
contrast can repair.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import special, stats

from equipoise_stats.estimates import Estimate, Status, Undefined
from equipoise_stats.families import benjamini_hochberg
from equipoise_stats.faults import require
from equipoise_stats.intervals import Interval, known, normal_critical
from equipoise_stats.moments import FloatArray
from equipoise_stats.sequences import SMALLEST_P

# Cells are keyed by the variant of the one and of the other experiment.
Cells = Mapping[tuple[str, str], Estimate]

SMALLEST_CELL = 1000
DEPENDENT_BELOW = 0.001


@dataclass(frozen=True, slots=True)
class Interaction:
    """The Wald test that effects add up over all cells: chi-squared, (a-1)(b-1) degrees."""

    statistic: float
    degrees_of_freedom: int
    p_value: float


@dataclass(frozen=True, slots=True)
class SimpleEffects:
    """B's effect while A is off and on, and their difference, the interaction of two variants."""

    while_off: Interval
    while_on: Interval
    interaction: Interval


@dataclass(frozen=True, slots=True)
class Independence:
    """Chi-squared of a table of units by two assignments; dependent: the two hashes are related."""

    statistic: float
    degrees_of_freedom: int
    p_value: float
    dependent: bool


def interaction(cells: Cells) -> Interaction | Undefined:
    """Test whether the cells' means are a row effect plus a column effect: (C mu)'(C V C')^-1 C mu.

    Raises InputError unless every pair of at least two variants each has a cell.
    """
    rows, columns = _variants(cells)
    reason = next((c.status for c in cells.values() if c.status is not Status.OK), None)
    if reason is not None:
        return Undefined(reason)
    order = [cells[(a, b)] for a in rows for b in columns]
    contrasts = np.kron(_against_first(len(rows)), _against_first(len(columns)))
    means = np.array([known(cell.value) for cell in order])
    spread = contrasts @ np.diag([known(cell.variance) for cell in order]) @ contrasts.T
    gap = contrasts @ means
    statistic = float(gap @ np.linalg.solve(spread, gap))
    df = len(contrasts)
    return Interaction(statistic, df, max(float(special.chdtrc(df, statistic)), SMALLEST_P))


def simple_effects(
    cells: Cells, *, a: tuple[str, str], b: tuple[str, str], alpha: float = 0.05
) -> SimpleEffects | Undefined:
    """B's effect by A's variant. a, b: (control, treatment) of each.

    I = mTT - mTC - mCT + mCC. Never divided by B's own effect, which may be 0.
    """
    wanted = [(x, y) for x in a for y in b]
    require(*((key in cells, f"cells: {key} is missing") for key in wanted))
    cc, ct, tc, tt = (cells[key] for key in wanted)
    reason = next((c.status for c in (cc, ct, tc, tt) if c.status is not Status.OK), None)
    if reason is not None:
        return Undefined(reason)
    critical = normal_critical(alpha / 2)
    return SimpleEffects(
        _contrast((ct,), (cc,), critical, alpha),
        _contrast((tt,), (tc,), critical, alpha),
        _contrast((tt, cc), (tc, ct), critical, alpha),
    )


def assignment_independence(table: Sequence[Sequence[int]]) -> Independence | Undefined:
    """Are two assignments of the same units independent? table: units by variants of A × B."""
    counts = np.asarray(table, dtype=np.float64)
    require(
        (counts.ndim == 2 and min(counts.shape) >= 2, "table: at least two variants each way"),  # noqa: PLR2004
        (bool((counts >= 0).all()), "table: counts are 0 or more"),
    )
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    if min(counts.shape) < 2:  # noqa: PLR2004 - nothing to compare
        return Undefined(Status.NO_UNITS)
    found = stats.chi2_contingency(counts, correction=False)
    p = max(float(found.pvalue), SMALLEST_P)
    return Independence(float(found.statistic), int(found.dof), p, p < DEPENDENT_BELOW)


class PairState(StrEnum):
    """What a nightly scan says of one pair of experiments."""

    INTERACTS = "interacts"
    CLEAR = "clear"
    TOO_SMALL = "too_small"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ScannedPair:
    """One pair: its test and the p-value adjusted over all pairs tested."""

    state: PairState
    test: Interaction | None
    adjusted_p_value: float | None


def scan_interactions(
    pairs: Mapping[str, Cells], *, rate: float = 0.05, smallest_cell: int = SMALLEST_CELL
) -> dict[str, ScannedPair]:
    """Test many pairs of experiments, false discoveries held at `rate` (Benjamini & Hochberg 1995).

    Pairs with a cell of fewer units than `smallest_cell` are not tested.
    """
    tests = {
        key: interaction(cells)
        for key, cells in pairs.items()
        if min(cell.n for cell in cells.values()) >= smallest_cell
    }
    done = {key: test for key, test in tests.items() if isinstance(test, Interaction)}
    adjusted = dict(zip(done, benjamini_hochberg([test.p_value for test in done.values()]), strict=True))
    found = {}
    for key in pairs:
        if key in done:
            state = PairState.INTERACTS if adjusted[key] <= rate else PairState.CLEAR
            found[key] = ScannedPair(state, done[key], adjusted[key])
        else:
            found[key] = ScannedPair(PairState.UNKNOWN if key in tests else PairState.TOO_SMALL, None, None)
    return found


def _variants(cells: Cells) -> tuple[tuple[str, ...], tuple[str, ...]]:
    rows, columns = (tuple(dict.fromkeys(key[side] for key in cells)) for side in (0, 1))
    require(
        (min(len(rows), len(columns)) >= 2, "cells: at least two variants of each experiment"),  # noqa: PLR2004
        *(((a, b) in cells, f"cells: ({a!r}, {b!r}) is missing") for a in rows for b in columns),
    )
    return rows, columns


def _against_first(variants: int) -> FloatArray:
    return np.column_stack((-np.ones(variants - 1), np.eye(variants - 1)))


def _contrast(
    plus: tuple[Estimate, ...], minus: tuple[Estimate, ...], critical: float, alpha: float
) -> Interval:
    value = sum(known(c.value) for c in plus) - sum(known(c.value) for c in minus)
    reach = critical * math.sqrt(sum(known(c.variance) for c in (*plus, *minus)))
    return Interval(value, value - reach, value + reach, 1 - alpha)
