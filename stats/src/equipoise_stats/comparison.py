"""Every metric × treatment against the control at once: effect, lift, p-value, MDE reached.

Rows that cannot be compared leave with a reason before any array is made, so none holds NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from equipoise_stats.estimates import Estimate, Status, Undefined
from equipoise_stats.intervals import (
    SMALL_COUNT,
    Interval,
    TwoRates,
    fieller_bounds,
    known,
    normal_critical,
    rare_events,
    small_rates,
    t_critical,
    t_p_value,
    unusable,
    unusable_baseline,
    welch_degrees_of_freedom,
)
from equipoise_stats.moments import FloatArray
from equipoise_stats.plan import MetricKind, MetricPlan
from equipoise_stats.ranks import TwoQuantiles
from equipoise_stats.results import DetectableChange, Method
from equipoise_stats.schedule import Scheduled
from equipoise_stats.sequences import log_e_value, mixing, p_value_of, two_sided_multiplier

# Below this many units in an arm no interval of a mean, rate or ratio is given.
MINIMUM_UNITS = 100


@dataclass(frozen=True, slots=True)
class Pair:
    """One metric × treatment.

    expected_units: planned for these two arms, or None. scheduled: with a planned end the look,
    or why there is none now. covariance: of the two estimates, when adjusted. watched: the arms
    for an alarm when they differ. pooled: events may be read off as value × n. reduction: the share
    of the effect's variance that adjusting took away. ranked: of a quantile, both arms' values.
    """

    plan: MetricPlan
    treatment_key: str
    treatment: Estimate
    control: Estimate
    expected_units: float | None
    scheduled: Scheduled | Undefined | None = None
    covariance: float = 0.0
    watched: tuple[Estimate, Estimate] | None = None
    pooled: bool = True
    reduction: float | None = None
    ranked: TwoQuantiles | None = None

    @property
    def at_the_end(self) -> bool:
        """True at the last of the scheduled looks."""
        return isinstance(self.scheduled, Scheduled) and self.scheduled.look.is_last


@dataclass(frozen=True, slots=True)
class Inference:
    """How intervals are made: the method, its alpha, and the power of the MDE reached."""

    method: Method
    alpha: float
    power: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one pair says: numbers, or the reason in `status`. z: effect over its standard error."""

    effect: Interval | Undefined
    lift: Interval | Undefined
    p_value: float | None
    log_e_value: float | None
    mde_reached: DetectableChange | None
    status: Status
    z: float | None = None


def compare(pairs: Sequence[Pair], inference: Inference) -> tuple[Comparison, ...]:
    """Compare all pairs; the answers are in the order of the pairs."""
    answers: dict[int, Comparison] = {}
    large: list[int] = []
    for at, pair in enumerate(pairs):
        rates = own_bounds(pair, inference.method)
        reason = (
            missing_look(pair)
            or missing_size(pair, inference.method)
            or _reason(pair, inference.method, rates)
        )
        if reason is not None:
            answers[at] = _nothing(reason)
        elif rates is not None:
            answers[at] = _small(rates, pair, inference)
        else:
            large.append(at)
    if large:
        rows = [pairs[at] for at in large]
        answers |= dict(zip(large, _large(rows, inference), strict=True))
    return tuple(answers[at] for at in range(len(pairs)))


def own_bounds(pair: Pair, method: Method) -> TwoRates | TwoQuantiles | None:
    """What has bounds of its own at the planned end: a rate too rare for a normal one, or a quantile."""
    if pair.ranked is not None:
        return None if is_running(pair, method) else pair.ranked
    if pair.plan.kind is not MetricKind.PROPORTION or not pair.pooled or is_running(pair, method):
        return None
    return small_rates(pair.treatment, pair.control)


def is_running(pair: Pair, method: Method) -> bool:
    """True while there is more to come: more looks, or no planned end."""
    if method is Method.GROUP_SEQUENTIAL:
        return not pair.at_the_end
    return method is Method.CONFIDENCE_SEQUENCE


def missing_size(pair: Pair, method: Method) -> Status | None:
    """Why a pair is too small for any interval, or None."""
    if pair.treatment.n == 0 or pair.control.n == 0:
        return Status.NO_UNITS
    if min(pair.treatment.n, pair.control.n) >= MINIMUM_UNITS:
        return None
    return Status.TOO_EARLY if is_running(pair, method) else Status.TOO_FEW_UNITS


def missing_look(pair: Pair) -> Status | None:
    """Why a planned end gives no look now, or None."""
    return pair.scheduled.reason if isinstance(pair.scheduled, Undefined) else None


def _reason(pair: Pair, method: Method, rates: TwoRates | TwoQuantiles | None) -> Status | None:
    """Why a pair that is large enough still gets no interval."""
    if pair.plan.kind is MetricKind.QUANTILE:
        early = Status.NOT_AT_THE_END if is_running(pair, method) else None
        return early or unusable(pair.treatment, pair.control)
    if rates is not None:
        # Nobody, or everybody, in both arms: the counts cannot tell the arms apart.
        same = pair.treatment.value == pair.control.value
        return Status.ZERO_VARIANCE if same and pair.treatment.variance is None else None
    if _is_rare(pair) and is_running(pair, method):
        return Status.TOO_EARLY
    if method is Method.CONFIDENCE_SEQUENCE and pair.expected_units is None:
        return Status.NO_EXPECTED_UNITS
    return unusable(pair.treatment, pair.control)


def _is_rare(pair: Pair) -> bool:
    arms = (pair.treatment, pair.control)
    if pair.plan.kind is not MetricKind.PROPORTION or any(arm.value is None for arm in arms):
        return False
    return min(rare_events(arm) for arm in arms) < SMALL_COUNT


def _nothing(reason: Status) -> Comparison:
    return Comparison(Undefined(reason), Undefined(reason), None, None, None, reason)


def _small(rates: TwoRates | TwoQuantiles, pair: Pair, inference: Inference) -> Comparison:
    critical = normal_critical(inference.alpha / 2)
    p_value = rates.p_value()
    z = math.copysign(normal_critical(p_value / 2), rates.effect)
    now = pair.scheduled
    if isinstance(now, Scheduled):
        critical = now.look.critical
        p_value = float(now.rule.p_values(now.times, z, ended=True))
    level = 2 * float(special.ndtr(-critical))
    effect, lift = rates.difference(level), rates.lift(level)
    half = (effect.upper - effect.lower) / 2
    change = half * (1 + normal_critical(1 - inference.power) / critical)
    mde = mde_at(pair, change)
    confident = replace(effect, confidence=1 - inference.alpha)
    if isinstance(lift, Interval):
        lift = replace(lift, confidence=1 - inference.alpha)
    return Comparison(confident, lift, p_value, None, mde, Status.OK, z)


@dataclass(frozen=True, slots=True)
class _Arms:
    """The columns of comparable pairs, float64 (rows,)."""

    treatment: FloatArray
    treatment_variance: FloatArray
    treatment_n: FloatArray
    control: FloatArray
    control_variance: FloatArray
    control_n: FloatArray
    covariance: FloatArray


@dataclass(frozen=True, slots=True)
class _Evidence:
    """Critical values, p-values and, for sequences, ln E by row."""

    critical: FloatArray
    p_value: FloatArray
    log_e: FloatArray | None


def _large(pairs: Sequence[Pair], inference: Inference) -> tuple[Comparison, ...]:
    arms = _arms(pairs)
    error = np.sqrt(arms.treatment_variance + arms.control_variance - 2 * arms.covariance)
    effect = arms.treatment - arms.control
    z = effect / error
    found = _evidence(pairs, arms, z, inference)
    bounds = fieller_bounds(
        arms.treatment,
        arms.treatment_variance,
        control=arms.control,
        control_variance=arms.control_variance,
        critical=found.critical,
        covariance=arms.covariance,
    )
    reach = found.critical * error
    change = (found.critical + normal_critical(1 - inference.power)) * error
    effects = _intervals(effect, effect - reach, effect + reach, inference.alpha)
    with np.errstate(divide="ignore", invalid="ignore"):
        lift = arms.treatment / arms.control - 1  # rows without a baseline are dropped below
    lifts = _intervals(lift, bounds.lower, bounds.upper, inference.alpha)
    log_e = [None] * len(pairs) if found.log_e is None else found.log_e.tolist()
    columns = zip(
        pairs,
        effects,
        lifts,
        bounds.bounded.tolist(),
        found.p_value.tolist(),
        log_e,
        change.tolist(),
        z.tolist(),
        strict=True,
    )
    return tuple(
        Comparison(
            effects_row,
            effects_row
            if pair.plan.kind is MetricKind.COMPOSITE
            else lift_or_reason(pair, lifts_row, bounded=bounded),
            p,
            log_e_row,
            mde_at(pair, change_row),
            Status.OK,
            z_row,
        )
        for pair, effects_row, lifts_row, bounded, p, log_e_row, change_row, z_row in columns
    )


def _arms(pairs: Sequence[Pair]) -> _Arms:
    rows = np.array(
        [
            (
                known(pair.treatment.value),
                known(pair.treatment.variance),
                pair.treatment.n,
                known(pair.control.value),
                known(pair.control.variance),
                pair.control.n,
                pair.covariance,
            )
            for pair in pairs
        ],
        dtype=np.float64,
    )
    return _Arms(*rows.T)


def _evidence(pairs: Sequence[Pair], arms: _Arms, z: FloatArray, inference: Inference) -> _Evidence:
    if inference.method is Method.FIXED:
        df = welch_degrees_of_freedom(
            arms.treatment_variance, arms.treatment_n, arms.control_variance, arms.control_n
        )
        return _Evidence(t_critical(inference.alpha, df), t_p_value(z, df), None)
    if inference.method is Method.GROUP_SEQUENTIAL:
        return _evidence_of_looks(pairs, z)
    n = arms.treatment_n + arms.control_n
    expected = np.array([known(pair.expected_units) for pair in pairs], dtype=np.float64)
    log_e = log_e_value(z, mixing(n, expected, inference.alpha))
    critical = two_sided_multiplier(n, expected, inference.alpha)
    return _Evidence(critical, p_value_of(log_e), log_e)


def _evidence_of_looks(pairs: Sequence[Pair], z: FloatArray) -> _Evidence:
    """Bounds and repeated p-values; pairs with the same looks are asked together."""
    critical, p_value = np.empty(len(pairs)), np.empty(len(pairs))
    taken = [(at, pair.scheduled) for at, pair in enumerate(pairs) if isinstance(pair.scheduled, Scheduled)]
    groups: dict[int, tuple[Scheduled, list[int]]] = {}
    for at, now in taken:
        groups.setdefault(id(now), (now, []))[1].append(at)
    for now, rows in groups.values():
        critical[rows] = now.look.critical
        p_value[rows] = now.rule.p_values(now.times, z[rows], ended=now.look.is_last)
    return _Evidence(critical, p_value, None)


def _intervals(value: FloatArray, lower: FloatArray, upper: FloatArray, alpha: float) -> list[Interval]:
    columns = zip(value.tolist(), lower.tolist(), upper.tolist(), strict=True)
    return [Interval(v, low, high, 1 - alpha) for v, low, high in columns]


def lift_or_reason(pair: Pair, lift: Interval, *, bounded: bool) -> Interval | Undefined:
    """The lift, or why there is none: nothing to be relative to, or a control too noisy for bounds."""
    reason = unusable_baseline(pair.control)
    if reason is not None:
        return Undefined(reason)
    return lift if bounded else Undefined(Status.NOISY_CONTROL)


def mde_at(pair: Pair, effect: float) -> DetectableChange:
    """A detectable effect, and as a lift; a composite's effect is a lift."""
    if pair.plan.kind is MetricKind.COMPOSITE:
        return DetectableChange(effect, effect)
    control = known(pair.control.value)
    return DetectableChange(effect, effect / control if control > 0 else None)
