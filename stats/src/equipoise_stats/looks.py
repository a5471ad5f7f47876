"""The ledger of scheduled looks: what each used of alpha, its bound, and the p-value it may give.

A look is added only by data at a scheduled time; reading a page is no look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

import numpy as np
from scipy import interpolate, special

from equipoise_stats.faults import require
from equipoise_stats.group_sequential import FARTHEST_BOUND, critical_values, spent_by_look
from equipoise_stats.moments import FloatArray
from equipoise_stats.open_ended import union_critical_values
from equipoise_stats.sequences import SMALLEST_P, Numbers
from equipoise_stats.spending import LookPlan


class Dependence(StrEnum):
    """How the looks of one metric hang together."""

    INDEPENDENT_INCREMENTS = "independent_increments"
    ANY = "any"


class LookState(StrEnum):
    """What a look is: one more, the last one again, too early for one more, or after the end."""

    TAKEN = "taken"
    REPEATED = "repeated"
    SKIPPED = "skipped"
    AFTER_THE_END = "after_the_end"


@dataclass(frozen=True, slots=True)
class Look:
    """One look at one metric × treatment.

    information: share of the plan, 0..1 and beyond when over-run. alpha_spent: cumulative, both
    sides. critical: bound on |z|. z: what was seen, None until it is known. is_last: spends the
    rest; nothing may be claimed after it.
    """

    information: float
    alpha_spent: float
    critical: float
    z: float | None
    is_last: bool

    @property
    def has_crossed(self) -> bool:
        """True when the bound was reached."""
        return self.z is not None and abs(self.z) >= self.critical

    def with_z(self, z: float) -> Look:
        """The same look with what was seen."""
        return Look(self.information, self.alpha_spent, self.critical, z, self.is_last)


@dataclass(frozen=True, slots=True)
class Ledger:
    """All looks taken so far, by (metric, treatment), oldest first. Keep it with the experiment."""

    looks: Mapping[tuple[str, str], tuple[Look, ...]] = field(default_factory=dict)

    def of(self, metric: str, treatment: str) -> tuple[Look, ...]:
        """The looks at one metric × treatment."""
        return self.looks.get((metric, treatment), ())

    def information(self, metric: str, treatment: str) -> tuple[float, ...]:
        """The information times of those looks."""
        return tuple(look.information for look in self.of(metric, treatment))


@dataclass(frozen=True, slots=True)
class LookRule:
    """How looks at one metric are judged. alpha: total; both sides if two-sided."""

    plan: LookPlan
    alpha: float
    dependence: Dependence = Dependence.INDEPENDENT_INCREMENTS
    two_sided: bool = True

    def state_of(self, earlier: Sequence[Look], information: float, *, ended: bool) -> LookState:
        """Whether these data are one more look.

        Information must rise by the plan's smallest step; at the declared end any rise will do.
        The same information is the last look again, so an analysis may be repeated.
        """
        last = earlier[-1] if earlier else None
        if last is not None and information == last.information:
            return LookState.REPEATED
        if last is not None and last.is_last:
            return LookState.AFTER_THE_END
        gained = information - (last.information if last else 0.0)
        enough = gained > 0 if ended else gained >= self.plan.smallest_step
        return LookState.TAKEN if enough else LookState.SKIPPED

    def next_look(self, earlier: Sequence[Look], information: float, *, ended: bool) -> Look | None:
        """The look to take now, or None when there is none to take.

        Under-run: at the declared end the rest of alpha is spent. Over-run: information 1 or
        more is the last look, whatever follows.
        """
        state = self.state_of(earlier, information, ended=ended)
        if state not in {LookState.TAKEN, LookState.REPEATED}:
            return None
        before = earlier if state is LookState.TAKEN else earlier[:-1]
        was_last = state is LookState.REPEATED and earlier[-1].is_last
        times = (*(look.information for look in before), information)
        require((times[0] > 0, f"information must be above 0, not {times[0]}"))
        is_last = ended or was_last or information >= 1
        return self.look_at(times, ended=is_last)

    def look_at(self, information: tuple[float, ...], *, ended: bool) -> Look:
        """The last of looks at these information times; its bound, and nothing seen yet."""
        return _judged(self, information, ended=ended)

    def p_values(self, information: tuple[float, ...], z: Numbers, *, ended: bool) -> FloatArray:
        """Repeated p-values of the last look: the smallest alpha whose bound |z| reaches.

        Jennison & Turnbull 2000, sec. 9.3. At most `alpha` exactly when |z| reaches the bound,
        for alpha and for its equal shares among up to 10 hypotheses.
        """
        sizes = np.abs(np.asarray(z, dtype=np.float64))
        bounds, scores = _bounds_by_alpha(self, information, ended=ended)
        if len(bounds) < 2:  # noqa: PLR2004 - nothing to interpolate
            return np.ones_like(sizes)
        reached = interpolate.PchipInterpolator(bounds, scores)(np.clip(sizes, bounds[0], bounds[-1]))
        sides = 2.0 if self.two_sided else 1.0
        p = np.clip(sides * special.ndtr(-reached), SMALLEST_P, 1.0)
        return np.where(sizes < bounds[0], 1.0, p)


# Knots of the p-value in its own z-scale; shares of alpha are added, so decisions are exact.
_KNOTS = (0.1, 0.3, 0.6, 1.0, 1.3, 1.6, 1.9, 2.2, 2.5, 2.8, 3.2, 3.7, 4.3, 5.0, 6.0, 7.5, 12.0, 37.0)
_MOST_SHARES = 10


@lru_cache(maxsize=4096)
def _judged(rule: LookRule, times: tuple[float, ...], *, ended: bool) -> Look:
    sides = 2 if rule.two_sided else 1
    tail = rule.alpha / sides
    spent = spent_by_look(times, (tail,), rule.plan, ended=ended)
    critical = float(_critical(rule, times, spent)[-1, 0])
    return Look(times[-1], sides * spent[-1][0], critical, None, ended)


@lru_cache(maxsize=1024)
def _bounds_by_alpha(
    rule: LookRule, times: tuple[float, ...], *, ended: bool
) -> tuple[FloatArray, FloatArray]:
    """Bounds of the last look, rising, and the z-scores of the alphas that they belong to."""
    sides = 2 if rule.two_sided else 1
    shares = -special.ndtri(rule.alpha / sides / np.arange(1, _MOST_SHARES + 1))
    scores = np.union1d(_KNOTS, shares)
    tails = tuple(special.ndtr(-scores).tolist())
    spent = spent_by_look(times, tails, rule.plan, ended=ended)
    bounds = np.maximum.accumulate(_critical(rule, times, spent)[-1])
    rises = np.concatenate(([True], np.diff(bounds) > 0)) & (bounds < FARTHEST_BOUND)
    return bounds[rises], scores[rises]


def _critical(rule: LookRule, times: tuple[float, ...], spent: tuple[tuple[float, ...], ...]) -> FloatArray:
    if rule.dependence is Dependence.ANY:
        return union_critical_values(spent)
    return critical_values(times, spent, two_sided=rule.two_sided)
