"""Where a sample ratio mismatch comes from: which slice of the units, since when, at which stage.

Knows counts by arm alone; never sees a metric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

import numpy as np

from equipoise_stats.families import holm
from equipoise_stats.faults import InputError
from equipoise_stats.intervals import known
from equipoise_stats.srm import LOCK_BELOW, SrmVerdict, judge_srm, srm_log_e_value

Counts = Sequence[int]
# An onset needs evidence this much stronger than a mismatch from the first day on.
_ONSET_GAIN = 1.0


class Stage(StrEnum):
    """Where on their way units were lost or gained (Fabijan et al. 2019)."""

    ASSIGNMENT = "assignment"
    EXECUTION = "execution"
    LOG_PROCESSING = "log_processing"
    ANALYSIS = "analysis"


@dataclass(frozen=True, slots=True)
class Slice:
    """One value of one attribute, or of two crossed: its own test and what leaving it out changes.

    attributes: such as {"platform": "android_8"}. adjusted_p_value: Holm over the values of the
    same attributes. p_value_without: of all other units; None when there are none. drop: in
    chi-squared of the total when the slice is left out.
    """

    attributes: Mapping[str, str]
    counts: tuple[int, ...]
    p_value: float
    adjusted_p_value: float
    p_value_without: float | None
    drop: float

    @property
    def is_suspect(self) -> bool:
        """True when the slice itself is out of balance, after Holm."""
        return self.adjusted_p_value < LOCK_BELOW


def localise(counts: Mapping[str, Mapping[str, Counts]], weights: Sequence[float]) -> tuple[Slice, ...]:
    """Rank the values of all attributes, suspects first, then by their drop in chi-squared.

    counts: attribute → value → units by arm; attributes known before assignment only. Values
    without units are left out. Raises InputError.
    """
    problems = tuple(
        f"counts[{attribute!r}][{value!r}]: one count per weight"
        for attribute, values in counts.items()
        for value, found in values.items()
        if len(found) != len(weights)
    )
    if problems:
        raise InputError(problems)
    slices = [
        found
        for attribute, values in counts.items()
        for found in _slices({((attribute, value),): tuple(c) for value, c in values.items()}, weights)
    ]
    return _ranked(slices)


def localise_pairs(
    counts: Mapping[tuple[tuple[str, str], ...], Counts], weights: Sequence[float]
) -> tuple[Slice, ...]:
    """The same for cells of two attributes: ((attribute, value), (attribute, value)) → units by arm."""
    by_attributes: dict[tuple[str, ...], dict[tuple[tuple[str, str], ...], tuple[int, ...]]] = {}
    for cell, found in counts.items():
        names = tuple(attribute for attribute, _ in cell)
        by_attributes.setdefault(names, {})[cell] = tuple(found)
    slices = [s for cells in by_attributes.values() for s in _slices(cells, weights)]
    return _ranked(slices)


def pairs_to_cross(ranked: Sequence[Slice], attributes: int = 3) -> tuple[tuple[str, str], ...]:
    """Which attributes to cross next: all pairs of those that lead the ranking."""
    leading: dict[str, None] = {}
    for found in ranked:
        leading.update(dict.fromkeys(found.attributes))
    return tuple(combinations(tuple(leading)[:attributes], 2))


@dataclass(frozen=True, slots=True)
class Onset:
    """The first period of the mismatch, counted from 1; tests of the units before it and from it on.

    p_value_before: None when it starts with the first period.
    """

    period: int
    p_value_before: float | None
    p_value_after: float


def find_onset(new_units: Sequence[Counts], weights: Sequence[float]) -> Onset | None:
    """Since when the split is off: the change point of the evidence of new units by period.

    new_units: units first seen in each period, (periods, arms). The period from which on the
    units carry the most evidence of a mismatch; None without any evidence.
    """
    units = np.asarray(new_units, dtype=np.int64)
    evidence = [srm_log_e_value(units[k:].sum(axis=0).tolist(), weights) for k in range(len(units))]
    if not evidence or max(evidence) <= 0:
        return None
    best = int(np.argmax(evidence))
    if evidence[best] - evidence[0] < _ONSET_GAIN:
        best = 0
    before, after = (judge_srm(part.sum(axis=0).tolist(), weights) for part in (units[:best], units[best:]))
    return Onset(best + 1, before.p_value, known(after.p_value))


def find_stage(counts: Mapping[Stage, Counts], weights: Sequence[float]) -> Stage | None:
    """The first stage whose counts are locked; None when all pass.

    counts: units by arm that were assigned, exposed, logged and kept by the analysis, as far as
    they are known.
    """
    for stage in Stage:
        if stage in counts and judge_srm(counts[stage], weights).verdict is SrmVerdict.LOCKED:
            return stage
    return None


def _slices(
    cells: Mapping[tuple[tuple[str, str], ...], tuple[int, ...]], weights: Sequence[float]
) -> list[Slice]:
    judged = {cell: judge_srm(found, weights) for cell, found in cells.items()}
    tested = {cell: srm.p_value for cell, srm in judged.items() if srm.p_value is not None}
    total = np.sum(list(cells.values()), axis=0)
    whole = judge_srm(total.tolist(), weights)
    adjusted = holm(list(tested.values()))
    found = []
    for (cell, p), corrected in zip(tested.items(), adjusted, strict=True):
        rest = judge_srm((total - np.array(cells[cell])).tolist(), weights)
        drop = (whole.statistic or 0.0) - (rest.statistic or 0.0)
        found.append(Slice(dict(cell), cells[cell], p, corrected, rest.p_value, drop))
    return found


def _ranked(slices: Sequence[Slice]) -> tuple[Slice, ...]:
    return tuple(sorted(slices, key=lambda s: (not s.is_suspect, -s.drop, s.adjusted_p_value)))
