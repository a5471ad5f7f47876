"""What each comparison may claim in its family, and how far intervals reach that say the same.

Knows p-values of one look, families and gates. Refuses to know moments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from scipy import special

from equipoise_stats.comparison import Comparison, Pair
from equipoise_stats.dunnett import dunnett, dunnett_critical
from equipoise_stats.families import bonferroni, holm
from equipoise_stats.intervals import Interval, known, normal_critical
from equipoise_stats.plan import Design, Direction, IntervalRule, MetricRole
from equipoise_stats.results import Method, Significance

_Correction: TypeAlias = Callable[[Sequence[float]], tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Claim:
    """What one comparison may say. level: two-sided alpha of the interval that agrees with it."""

    adjusted: float | None
    significance: Significance
    level: float


def claims(
    pairs: Sequence[Pair], compared: Sequence[Comparison], design: Design, method: Method
) -> list[Claim]:
    """Adjust the OEC over treatments, then the secondaries of treatments whose OEC succeeded.

    The secondary family counts every secondary × treatment, also those behind a closed gate,
    so its size does not depend on the data.
    """
    alpha = design.alpha
    untested = {level: Claim(None, Significance.NOT_TESTED, level) for level in (alpha, 2 * alpha)}
    found = [untested[_level_of(pair, design)] for pair in pairs]
    open_gates = set()
    oec = [at for at, pair in enumerate(pairs) if pair.plan.role is MetricRole.OEC]
    adjusted, level = _oec_family([pairs[at] for at in oec], [compared[at] for at in oec], design, method)
    for at, p in zip(oec, adjusted, strict=True):
        found[at] = Claim(p, _significance(pairs[at], compared[at], p, alpha), level)
        if found[at].significance is Significance.BETTER:
            open_gates.add(pairs[at].treatment_key)
    second = [at for at, pair in enumerate(pairs) if pair.plan.role is MetricRole.SECONDARY]
    tested = [compared[at] for at in second]
    if design.intervals is IntervalRule.AGREEING:
        # What is behind a closed gate is not claimed, so it must not make way for what is.
        shut = [pairs[at].treatment_key not in open_gates for at in second]
        tested = [replace(c, p_value=1.0) if s else c for c, s in zip(tested, shut, strict=True)]
    for at, p in zip(second, _known_only(tested, holm), strict=True):
        is_open = pairs[at].treatment_key in open_gates
        told = _significance(pairs[at], compared[at], p, alpha) if is_open else Significance.GATE_CLOSED
        found[at] = Claim(p if is_open else None, told, alpha)
    if design.intervals is IntervalRule.AGREEING:
        _widen_secondaries(found, second, alpha)
    return found


def _oec_family(
    pairs: Sequence[Pair], compared: Sequence[Comparison], design: Design, method: Method
) -> tuple[Sequence[float | None], float]:
    """Adjusted p-values over treatments, and the level at which each interval agrees with them.

    Holm claims most; only one step gives intervals that say the same: Dunnett's at one planned
    look, equal shares of alpha where looks repeat.
    """
    if design.intervals is IntervalRule.EACH or len(pairs) == 1:
        return _known_only(compared, holm), design.alpha
    if method is Method.FIXED and all(one.p_value is not None for one in compared):
        shares = [_share_of_control(pair) for pair in pairs]
        if all(share is not None for share in shares):
            z = [normal_critical(known(one.p_value) / 2) for one in compared]
            noise = [known(share) for share in shares]
            return dunnett(z, noise), 2 * float(special.ndtr(-dunnett_critical(noise, design.alpha)))
    return _known_only(compared, bonferroni), design.alpha / len(pairs)


def _share_of_control(pair: Pair) -> float | None:
    """The control's part of a comparison's noise, without what an adjustment shares; None if unknown."""
    if pair.treatment.variance is None or pair.control.variance is None:
        return None
    treatment, control = pair.treatment.variance - pair.covariance, pair.control.variance - pair.covariance
    return control / (treatment + control) if min(treatment, control) > 0 else None


def _widen_secondaries(found: list[Claim], second: Sequence[int], alpha: float) -> None:
    """False coverage rate for what is claimed (Benjamini & Yekutieli 2005), equal shares for the rest.

    Holm's largest claimed p-value is at most R alpha / m, and what it leaves is above alpha / m.
    """
    decided = {Significance.BETTER, Significance.WORSE}
    claimed = sum(found[at].significance in decided for at in second)
    for at in second:
        parts = claimed if found[at].significance in decided else 1
        found[at] = Claim(found[at].adjusted, found[at].significance, parts * alpha / len(second))


def _level_of(pair: Pair, design: Design) -> float:
    """A guardrail is judged on one side, so its two-sided interval leaves alpha on either."""
    one_sided = design.intervals is IntervalRule.AGREEING and pair.plan.role is MetricRole.GUARDRAIL
    return 2 * design.alpha if one_sided else design.alpha


def _known_only(compared: Sequence[Comparison], correct: _Correction) -> list[float | None]:
    """Corrected p-values; what is unknown counts in the family as p = 1."""
    p_values = [one.p_value for one in compared]
    adjusted = correct([1.0 if p is None else p for p in p_values])
    return [a if p is not None else None for a, p in zip(adjusted, p_values, strict=True)]


def _significance(pair: Pair, comparison: Comparison, adjusted: float | None, alpha: float) -> Significance:
    if adjusted is None or not isinstance(comparison.effect, Interval):
        return Significance.UNKNOWN
    if adjusted > alpha:
        return Significance.NOT_SIGNIFICANT
    rises = comparison.effect.value > 0
    good = rises is (pair.plan.direction is Direction.INCREASE)
    return Significance.BETTER if good else Significance.WORSE
