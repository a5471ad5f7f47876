"""Rates and counts too few for the normal approximation, and the classic tests beside ours.

Knows events, units and exposure times of two arms. `intervals` decides when they are few.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy import optimize, special, stats

from equipoise_stats.estimates import Estimate, Status, Undefined
from equipoise_stats.faults import require
from equipoise_stats.intervals import Interval, TwoRates, known, normal_critical, unusable, unusable_baseline
from equipoise_stats.sequences import SMALLEST_P

# Rates differ by less than 1; this close to it the score is not evaluated.
_EDGE = 1e-9


def score_z(rates: TwoRates, null_difference: float = 0.0) -> float:
    """The score statistic of pT - pC = null_difference (Miettinen & Nurminen 1985, eq. 8).

    Variance at the restricted maximum likelihood, times N/(N - 1). null_difference: -1..1,
    both excluded. Raises InputError when no rates lie so far apart, or n < 1.
    """
    require(
        (-1 < null_difference < 1, "null_difference lies between -1 and 1"),
        *_claims(rates),
    )
    p1, p2 = _restricted(rates, null_difference)
    n1, n2 = rates.treatment_n, rates.control_n
    spread = p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2
    spread *= (n1 + n2) / (n1 + n2 - 1)
    distance = rates.effect - null_difference
    return distance / math.sqrt(spread) if distance else 0.0


def miettinen_nurminen(rates: TwoRates, alpha: float = 0.05) -> Interval:
    """The score interval of the difference of two rates, also with no events at all."""
    critical = normal_critical(alpha / 2)

    def beyond(difference: float) -> float:
        return abs(score_z(rates, difference)) - critical

    inside = max(-1 + _EDGE, min(1 - _EDGE, rates.effect))
    lower = _bound(beyond, inside, -1 + _EDGE)
    upper = _bound(beyond, inside, 1 - _EDGE)
    return Interval(rates.effect, lower, upper, 1 - alpha)


def score_p_value(rates: TwoRates, null_difference: float = 0.0) -> float:
    """The one-sided p-value of pT - pC > null_difference: non-inferiority at minus the margin."""
    return max(float(special.ndtr(-score_z(rates, null_difference))), SMALLEST_P)


def pooled_z(rates: TwoRates) -> float | None:
    """The two-proportion z with the pooled rate; None when all units, or none, had the event."""
    require(*_claims(rates))
    n1, n2 = rates.treatment_n, rates.control_n
    p = (rates.treatment_events + rates.control_events) / (n1 + n2)
    spread = p * (1 - p) * (1 / n1 + 1 / n2)
    return rates.effect / math.sqrt(spread) if spread > 0 else None


def pooled_t(treatment: Estimate, control: Estimate) -> tuple[float, float] | Undefined:
    """Student's t and its two-sided p-value, one variance for both arms."""
    reason = unusable(treatment, control)
    if reason is not None:
        return Undefined(reason)
    n1, n2 = treatment.n, control.n
    squares = known(treatment.unit_variance) * (n1 - 1) + known(control.unit_variance) * (n2 - 1)
    df = n1 + n2 - 2
    t = (known(treatment.value) - known(control.value)) / math.sqrt(squares / df * (1 / n1 + 1 / n2))
    return t, max(2 * float(special.stdtr(df, -abs(t))), SMALLEST_P)


def log_lift(
    treatment: Estimate, control: Estimate, *, critical: float, shared: float = 0.0, alpha: float = 0.05
) -> Interval | Undefined:
    """The lift with bounds symmetric on the log scale, for positive metrics (Katz et al. 1978).

    Var(ln ratio) = VT/mT² + VC/mC² - 2K/(mT mC); wide at small counts. shared: K.
    """
    reason = unusable(treatment, control) or unusable_baseline(control)
    if reason is not None:
        return Undefined(reason)
    mt, mc = known(treatment.value), known(control.value)
    if mt <= 0:
        return Undefined(Status.NOT_POSITIVE)
    spread = known(treatment.variance) / mt**2 + known(control.variance) / mc**2 - 2 * shared / (mt * mc)
    reach = critical * math.sqrt(spread)
    ratio = mt / mc
    return Interval(ratio - 1, ratio * math.exp(-reach) - 1, ratio * math.exp(reach) - 1, 1 - alpha)


def poisson_rate_ratio(
    events: tuple[int, int], exposure: tuple[float, float], alpha: float = 0.05
) -> tuple[Interval, float] | Undefined:
    """The ratio of two event rates with its exact interval, and the exact p-value of equality.

    events and exposure (time, or units) of treatment and control. Given all events, the
    treatment's are binomial (Przyborowski & Wilenski 1940). Undefined without control events.
    """
    require(
        (min(events) >= 0, "events are 0 or more"),
        (min(exposure) > 0, "exposure is more than 0"),
        (0 < alpha < 1, "alpha lies between 0 and 1"),
    )
    treatment, total = events[0], sum(events)
    if events[1] == 0:
        return Undefined(Status.ZERO_CONTROL)
    odds = exposure[1] / exposure[0]
    found = stats.binomtest(treatment, total, exposure[0] / sum(exposure))
    share = found.proportion_ci(1 - alpha, method="exact")
    # With events in the control the upper share is below 1.
    lower, upper = (float(s) / (1 - float(s)) * odds for s in (share.low, share.high))
    p = min(max(float(found.pvalue), SMALLEST_P), 1.0)
    return Interval(treatment / events[1] * odds, lower, upper, 1 - alpha), p


def _bound(beyond: Callable[[float], float], effect: float, edge: float) -> float:
    """Where the score crosses its critical value between the effect and the edge."""
    if beyond(edge) <= 0:
        return math.copysign(1.0, edge)
    return float(optimize.brentq(beyond, effect, edge, xtol=1e-13))


def _restricted(rates: TwoRates, difference: float) -> tuple[float, float]:
    """The likeliest rates that differ by `difference` (Farrington & Manning 1990, appendix)."""
    if difference == 0:  # the pooled rate, exact also where the cubic has a double root
        pooled = (rates.treatment_events + rates.control_events) / (rates.treatment_n + rates.control_n)
        return pooled, pooled
    ratio = rates.control_n / rates.treatment_n
    p1, p2 = rates.treatment_events / rates.treatment_n, rates.control_events / rates.control_n
    a = 1 + ratio
    b = -(1 + ratio + p1 + ratio * p2 + difference * (ratio + 2))
    c = difference**2 + difference * (2 * p1 + ratio + 1) + p1 + ratio * p2
    d = -p1 * difference * (1 + difference)
    v = (b / (3 * a)) ** 3 - b * c / (6 * a * a) + d / (2 * a)
    u = math.copysign(math.sqrt(max((b / (3 * a)) ** 2 - c / (3 * a), 0.0)), v)
    turn = max(-1.0, min(1.0, v / u**3)) if u else 0.0
    p = 2 * u * math.cos((math.pi + math.acos(turn)) / 3) - b / (3 * a)
    # Rounding must not leave the square of possible rates, nor reach a corner without variance.
    p = min(max(p, difference, 0.0), 1.0 + min(difference, 0.0))
    return p, min(max(p - difference, 0.0), 1.0)


def _claims(rates: TwoRates) -> tuple[tuple[bool, str], ...]:
    return (
        (min(rates.treatment_n, rates.control_n) >= 1, "each arm needs at least 1 unit"),
        (0 <= rates.treatment_events <= rates.treatment_n, "treatment_events lie in 0..treatment_n"),
        (0 <= rates.control_events <= rates.control_n, "control_events lie in 0..control_n"),
    )
