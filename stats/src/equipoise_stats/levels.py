"""The same comparison with its intervals at another level: wider or narrower, its evidence untouched."""

from __future__ import annotations

import math
from dataclasses import replace

from scipy import special

from equipoise_stats.comparison import Comparison, Inference, Pair, lift_or_reason, mde_at, own_bounds
from equipoise_stats.estimates import Status, Undefined
from equipoise_stats.intervals import (
    Interval,
    TwoRates,
    fieller_bounds,
    known,
    normal_critical,
    t_critical,
    welch_degrees_of_freedom,
)
from equipoise_stats.plan import MetricKind
from equipoise_stats.ranks import TwoQuantiles
from equipoise_stats.results import Method
from equipoise_stats.schedule import Scheduled
from equipoise_stats.sequences import mixing


def at_level(
    pair: Pair, comparison: Comparison, level: float, inference: Inference, *, critical: float | None = None
) -> Comparison:
    """Effect, lift and MDE at confidence 1 - level, of a pair that could be compared.

    critical: how many standard errors they reach, when that is known already; else as the method asks.
    """
    rates = own_bounds(pair, inference.method)
    reach = critical_at(pair, level, inference, few=rates is not None) if critical is None else critical
    effect, lift = _of_rates(rates, reach) if rates is not None else _of_estimates(pair, reach)
    half = (effect.upper - effect.lower) / 2
    change = half * (1 + normal_critical(1 - inference.power) / reach)
    if isinstance(lift, Interval):
        lift = replace(lift, confidence=1 - level)
    return replace(
        comparison, effect=replace(effect, confidence=1 - level), lift=lift, mde_reached=mde_at(pair, change)
    )


def critical_at(pair: Pair, level: float, inference: Inference, *, few: bool = False) -> float:
    """The two-sided critical value at which the pair's own p-value is `level`."""
    if isinstance(pair.scheduled, Scheduled):
        now = pair.scheduled
        return replace(now.rule, alpha=level).look_at(now.times, ended=now.look.is_last).critical
    if inference.method is Method.CONFIDENCE_SEQUENCE:
        # Tuned as the plan is, or the interval would not agree with the evidence.
        x = float(mixing(pair.treatment.n + pair.control.n, known(pair.expected_units), inference.alpha))
        return math.sqrt((1 + 1 / x) * (-2 * math.log(level) + math.log1p(x)))
    if few:
        return normal_critical(level / 2)
    df = welch_degrees_of_freedom(
        known(pair.treatment.variance), pair.treatment.n, known(pair.control.variance), pair.control.n
    )
    return float(t_critical(level, df))


def _of_rates(rates: TwoRates | TwoQuantiles, critical: float) -> tuple[Interval, Interval | Undefined]:
    level = 2 * float(special.ndtr(-critical))
    return rates.difference(level), rates.lift(level)


def _of_estimates(pair: Pair, critical: float) -> tuple[Interval, Interval | Undefined]:
    treatment, control = pair.treatment, pair.control
    mt, mc = known(treatment.value), known(control.value)
    vt, vc = known(treatment.variance), known(control.variance)
    reach = critical * math.sqrt(vt + vc - 2 * pair.covariance)
    effect = Interval(mt - mc, mt - mc - reach, mt - mc + reach, 0.0)
    if pair.plan.kind is MetricKind.COMPOSITE:
        return effect, effect
    bounds = fieller_bounds(
        mt, vt, control=mc, control_variance=vc, critical=critical, covariance=pair.covariance
    )
    if mc == 0:
        return effect, Undefined(Status.ZERO_CONTROL)
    lift = Interval(mt / mc - 1, float(bounds.lower), float(bounds.upper), 0.0)
    return effect, lift_or_reason(pair, lift, bounded=bool(bounds.bounded))
