"""Every metric × treatment against the control at once: effect, lift, p-value, MDE reached.

Rows that cannot be compared leave with a reason before any array is made, so none holds NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
from equipoise_stats.results import DetectableChange, Method
from equipoise_stats.sequences import log_e_value, mixing, p_value_of, two_sided_multiplier

# Below this many units in an arm no interval of a mean, rate or ratio is given.
MINIMUM_UNITS = 100


@dataclass(frozen=True, slots=True)
class Pair:
    """One metric × treatment. expected_units: planned for these two arms, or None."""

    plan: MetricPlan
    treatment_key: str
    treatment: Estimate
    control: Estimate
    expected_units: float | None


@dataclass(frozen=True, slots=True)
class Inference:
    """How intervals are made: the method, its alpha, and the power of the MDE reached."""

    method: Method
    alpha: float
    power: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one pair says: numbers, or the reason in `status`."""

    effect: Interval | Undefined
    lift: Interval | Undefined
    p_value: float | None
    log_e_value: float | None
    mde_reached: DetectableChange | None
    status: Status


def compare(pairs: Sequence[Pair], inference: Inference) -> tuple[Comparison, ...]:
    """Compare all pairs; the answers are in the order of the pairs."""
    answers: dict[int, Comparison] = {}
    large: list[int] = []
    for at, pair in enumerate(pairs):
        rates = few_events(pair, inference.method)
        reason = missing_size(pair, inference.method) or _reason(pair, inference.method, rates)
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


def few_events(pair: Pair, method: Method) -> TwoRates | None:
    """The counts of a rate that is too rare for the normal approximation, at the planned end."""
    if method is not Method.FIXED or pair.plan.kind is not MetricKind.PROPORTION:
        return None
    return small_rates(pair.treatment, pair.control)


def missing_size(pair: Pair, method: Method) -> Status | None:
    """Why a pair is too small for any interval, or None."""
    if pair.treatment.n == 0 or pair.control.n == 0:
        return Status.NO_UNITS
    if min(pair.treatment.n, pair.control.n) >= MINIMUM_UNITS:
        return None
    return Status.TOO_EARLY if method is Method.CONFIDENCE_SEQUENCE else Status.TOO_FEW_UNITS


def _reason(pair: Pair, method: Method, rates: TwoRates | None) -> Status | None:
    """Why a pair that is large enough still gets no interval."""
    if rates is not None:
        # Nobody, or everybody, in both arms: the counts cannot tell the arms apart.
        same = pair.treatment.value == pair.control.value
        return Status.ZERO_VARIANCE if same and pair.treatment.variance is None else None
    running = method is Method.CONFIDENCE_SEQUENCE
    if running and _is_rare(pair):
        return Status.TOO_EARLY
    if running and pair.expected_units is None:
        return Status.NO_EXPECTED_UNITS
    return unusable(pair.treatment, pair.control)


def _is_rare(pair: Pair) -> bool:
    arms = (pair.treatment, pair.control)
    if pair.plan.kind is not MetricKind.PROPORTION or any(arm.value is None for arm in arms):
        return False
    return min(rare_events(arm) for arm in arms) < SMALL_COUNT


def _nothing(reason: Status) -> Comparison:
    return Comparison(Undefined(reason), Undefined(reason), None, None, None, reason)


def _small(rates: TwoRates, pair: Pair, inference: Inference) -> Comparison:
    effect = rates.difference(inference.alpha)
    lift = rates.lift(inference.alpha)
    half = (effect.upper - effect.lower) / 2
    critical = normal_critical(inference.alpha / 2)
    change = half * (1 + normal_critical(1 - inference.power) / critical)
    mde = _change(change, known(pair.control.value))
    return Comparison(effect, lift, rates.p_value(), None, mde, Status.OK)


@dataclass(frozen=True, slots=True)
class _Arms:
    """The columns of comparable pairs, float64 (rows,)."""

    treatment: FloatArray
    treatment_variance: FloatArray
    treatment_n: FloatArray
    control: FloatArray
    control_variance: FloatArray
    control_n: FloatArray


@dataclass(frozen=True, slots=True)
class _Evidence:
    """Critical values, p-values and, for sequences, ln E by row."""

    critical: FloatArray
    p_value: FloatArray
    log_e: FloatArray | None


def _large(pairs: Sequence[Pair], inference: Inference) -> tuple[Comparison, ...]:
    arms = _arms(pairs)
    error = np.sqrt(arms.treatment_variance + arms.control_variance)
    effect = arms.treatment - arms.control
    found = _evidence(pairs, arms, effect / error, inference)
    bounds = fieller_bounds(
        arms.treatment,
        arms.treatment_variance,
        control=arms.control,
        control_variance=arms.control_variance,
        critical=found.critical,
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
        strict=True,
    )
    return tuple(
        Comparison(
            effects_row,
            _lift(pair.control, lifts_row, bounded=bounded),
            p,
            log_e_row,
            _change(change_row, known(pair.control.value)),
            Status.OK,
        )
        for pair, effects_row, lifts_row, bounded, p, log_e_row, change_row in columns
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
    n = arms.treatment_n + arms.control_n
    expected = np.array([known(pair.expected_units) for pair in pairs], dtype=np.float64)
    log_e = log_e_value(z, mixing(n, expected, inference.alpha))
    critical = two_sided_multiplier(n, expected, inference.alpha)
    return _Evidence(critical, p_value_of(log_e), log_e)


def _intervals(value: FloatArray, lower: FloatArray, upper: FloatArray, alpha: float) -> list[Interval]:
    columns = zip(value.tolist(), lower.tolist(), upper.tolist(), strict=True)
    return [Interval(v, low, high, 1 - alpha) for v, low, high in columns]


def _lift(control: Estimate, lift: Interval, *, bounded: bool) -> Interval | Undefined:
    reason = unusable_baseline(control)
    if reason is not None:
        return Undefined(reason)
    return lift if bounded else Undefined(Status.NOISY_CONTROL)


def _change(effect: float, control: float) -> DetectableChange:
    return DetectableChange(effect, effect / control if control > 0 else None)
