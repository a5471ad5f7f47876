"""Guardrails: is the treatment shown not to be worse than its margin, and must it stop now?

A guardrail passes only by non-inferiority; "not significantly worse" is not a pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from scipy import special

from equipoise_stats.estimates import Estimate, Status, Undefined
from equipoise_stats.intervals import SMALL_COUNT, TwoRates, known, unusable, unusable_baseline, wilson
from equipoise_stats.plan import Direction, Margin, MarginKind
from equipoise_stats.ranks import TwoQuantiles
from equipoise_stats.sequences import log_e_value_of_events, one_sided_reach

# An alarm on fewer treated units is noise, whatever its interval says.
ALARM_UNITS = 100


class GuardrailVerdict(StrEnum):
    """PASS: shown to be within the margin. FAIL: shown to be beyond. INCONCLUSIVE: neither."""

    PASS = "pass"  # noqa: S105 - a verdict, not a secret
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Contrast:
    """Distance from the margin, good direction up: positive is inside, negative beyond."""

    value: float
    standard_error: float

    @property
    def z(self) -> float:
        """The distance in standard errors."""
        return self.value / self.standard_error


@dataclass(frozen=True, slots=True)
class Bounded:
    """The treatment's own value against a fixed bound, with its one-sided limits; None when unknown."""

    verdict: GuardrailVerdict
    bound: float
    lower: float | None
    upper: float | None
    reason: Status | None


@dataclass(frozen=True, slots=True)
class Guardrail:
    """The verdict with its one-sided bounds on the distance from the margin.

    When the contrast is not defined the verdict is INCONCLUSIVE, the numbers are None and
    `reason` says why. bounded: of a plan with a bound; the verdict is then that of both, the worse.
    """

    verdict: GuardrailVerdict
    margin: Margin
    distance: float | None
    lower: float | None
    upper: float | None
    reason: Status | None
    bounded: Bounded | None = None

    def with_bound(self, found: Bounded) -> Guardrail:
        """Both judged together: harm on either fails, and only both pass."""
        verdicts = {self.verdict, found.verdict}
        verdict = GuardrailVerdict.INCONCLUSIVE
        if GuardrailVerdict.FAIL in verdicts:
            verdict = GuardrailVerdict.FAIL
        elif verdicts == {GuardrailVerdict.PASS}:
            verdict = GuardrailVerdict.PASS
        return replace(self, verdict=verdict, bounded=found)


def within_bound(
    treatment: Estimate,
    bound: float,
    *,
    direction: Direction,
    critical: float,
    is_rate: bool = False,
    limits: tuple[float, float] | None = None,
) -> Bounded:
    """Is the treatment's own value shown to stay clear of a bound: below it when less is better?

    critical: one-sided, as for `non_inferiority`. is_rate: limits by Wilson's score, which holds
    without an event, too. limits: at `critical`, where they are known already.
    """
    if treatment.value is None or (treatment.variance is None and not is_rate):
        return Bounded(GuardrailVerdict.INCONCLUSIVE, bound, None, None, treatment.status)
    if limits is not None:
        lower, upper = limits
    elif is_rate:
        lower, upper = wilson(treatment.value * treatment.n, treatment.n, critical)
    else:
        reach = critical * math.sqrt(known(treatment.variance))
        lower, upper = treatment.value - reach, treatment.value + reach
    inside, beyond = upper < bound, lower > bound
    if direction is Direction.INCREASE:
        inside, beyond = beyond, inside
    verdict = GuardrailVerdict.PASS if inside else GuardrailVerdict.INCONCLUSIVE
    return Bounded(GuardrailVerdict.FAIL if beyond else verdict, bound, lower, upper, None)


class AlarmMethod(StrEnum):
    """The sequence that watches: interval of the contrast, or exact evidence on few events."""

    CONFIDENCE_SEQUENCE = "confidence_sequence"
    EVENTS = "events"


@dataclass(frozen=True, slots=True)
class Alarm:
    """Has harm beyond the alarm margin been shown, at any look?

    upper: the sequence's bound on the distance from the margin (interval method).
    log_e_value: the evidence of harm (events method). The other one is None.
    """

    breached: bool
    method: AlarmMethod
    alpha: float
    upper: float | None
    log_e_value: float | None


def contrast(
    treatment: Estimate,
    control: Estimate,
    *,
    margin: Margin,
    direction: Direction,
    covariance: float = 0.0,
) -> Contrast | Undefined:
    """mT - (1 - m) mC when more is better, (1 + m) mC - mT when less is; or with m added absolutely.

    Var = VT + k² VC - 2 k K with k the control's factor (Hasler, Vonk & Hothorn 2008) and K the
    covariance of the two estimates, when they were adjusted.
    """
    reason = unusable(treatment, control) or _relative_to_nothing(control, margin)
    if reason is not None:
        return Undefined(reason)
    value, k = _distance(treatment, control, margin=margin, direction=direction)
    variance = known(treatment.variance) + k * k * known(control.variance) - 2 * k * covariance
    return Contrast(value, math.sqrt(variance))


def non_inferiority(
    treatment: Estimate,
    control: Estimate,
    *,
    margin: Margin,
    direction: Direction,
    critical: float,
    covariance: float = 0.0,
) -> Guardrail:
    """Judge one guardrail; each side has its own one-sided critical value `critical`.

    critical: normal quantile at a planned look, one_sided_multiplier at any look. No share of
    alpha is given up for the other guardrails: all must pass (intersection-union).
    """
    found = contrast(treatment, control, margin=margin, direction=direction, covariance=covariance)
    if isinstance(found, Undefined):
        return undecided(margin, found.reason)
    reach = critical * found.standard_error
    return _judged(margin, found.value, (reach, reach))


def non_inferiority_of_few(
    treatment: Estimate,
    control: Estimate,
    rates: TwoRates | TwoQuantiles,
    *,
    margin: Margin,
    direction: Direction,
    critical: float,
) -> Guardrail:
    """The same for rates with few events and for quantiles, at a planned look: each side by its own bounds.

    No event in either arm is information too: an absolute margin can be passed on it.
    """
    reason = _relative_to_nothing(control, margin)
    if reason is not None:
        return undecided(margin, reason)
    value, k = _distance(treatment, control, margin=margin, direction=direction)
    below, above = rates.reaches(critical, k)
    reaches = (below, above) if direction is Direction.INCREASE else (above, below)
    return _judged(margin, value, reaches)


def _judged(margin: Margin, distance: float, reaches: tuple[float, float]) -> Guardrail:
    lower, upper = distance - reaches[0], distance + reaches[1]
    verdict = GuardrailVerdict.INCONCLUSIVE
    if lower > 0:
        verdict = GuardrailVerdict.PASS
    elif upper < 0:
        verdict = GuardrailVerdict.FAIL
    return Guardrail(verdict, margin, distance, lower, upper, None)


def undecided(margin: Margin, reason: Status) -> Guardrail:
    """A guardrail that cannot be judged; that is never a pass."""
    return Guardrail(GuardrailVerdict.INCONCLUSIVE, margin, None, None, None, reason)


def non_inferiority_p_value(found: Contrast) -> float:
    """The one-sided normal p-value of being within the margin, at a planned look."""
    return float(special.ndtr(-found.z))


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """When an alarm sounds. expected_units: of both arms, where it is sharpest; None if unknown."""

    margin: Margin
    direction: Direction
    alpha: float
    expected_units: float | None


def alarm(treatment: Estimate, control: Estimate, rule: AlarmRule) -> Alarm | Undefined:
    """One-sided confidence sequence on the distance from the margin, for a mean or a ratio.

    The control's unit variance stands for both arms: on a small canary of a skewed metric the
    treated arm's own variance would sound false alarms in 10 to 35 % of harmless cases.
    """
    reason = _alarm_reason(treatment, control, rule)
    if reason is not None:
        return Undefined(reason)
    value, k = _distance(treatment, control, margin=rule.margin, direction=rule.direction)
    error = math.sqrt(known(control.unit_variance) * (1 / treatment.n + k * k / control.n))
    n = treatment.n + control.n
    reach = one_sided_reach(n, known(rule.expected_units), rule.alpha)
    upper = value + reach * error
    return Alarm(upper < 0, AlarmMethod.CONFIDENCE_SEQUENCE, rule.alpha, upper, None)


def rate_alarm(treatment: Estimate, control: Estimate, rule: AlarmRule, *, share: float) -> Alarm | Undefined:
    """The alarm of a proportion: the interval when both arms have events enough, else exact.

    share: of the units of these two arms, what the plan gives the treatment. The exact one
    needs no minimum, so that a treatment which crashes everybody is stopped at once. Under an
    absolute margin it asks for evidence of any harm and a difference beyond the margin.
    """
    if treatment.value is None or control.value is None:
        return Undefined(unusable(treatment, control) or Status.NO_UNITS)
    events = round(treatment.value * treatment.n), round(control.value * control.n)
    if min(events) >= SMALL_COUNT:
        return alarm(treatment, control, rule)
    evidence = _evidence_of_harm(events, rule, share)
    distance, _ = _distance(treatment, control, margin=rule.margin, direction=rule.direction)
    breached = evidence >= -math.log(rule.alpha) and distance < 0
    return Alarm(breached, AlarmMethod.EVENTS, rule.alpha, None, evidence)


def _evidence_of_harm(events: tuple[int, int], rule: AlarmRule, share: float) -> float:
    """Too many events in the treatment, or, when events are good, too many in the control."""
    odds = share / (1 - share)
    tolerated = rule.margin.value if rule.margin.kind is MarginKind.RELATIVE else 0.0
    if rule.direction is Direction.DECREASE:
        odds *= 1 + tolerated
        return log_e_value_of_events(events[0], sum(events), odds / (1 + odds))
    odds *= 1 - tolerated
    return log_e_value_of_events(events[1], sum(events), 1 / (1 + odds))


def _alarm_reason(treatment: Estimate, control: Estimate, rule: AlarmRule) -> Status | None:
    if control.status is not Status.OK:
        return control.status
    if treatment.value is None:
        return treatment.status
    if min(treatment.n, control.n) < ALARM_UNITS:
        return Status.TOO_EARLY
    if rule.expected_units is None:
        return Status.NO_EXPECTED_UNITS
    return _relative_to_nothing(control, rule.margin)


def _relative_to_nothing(control: Estimate, margin: Margin) -> Status | None:
    # A relative margin of 0 moves nothing, whatever the control's sign.
    if margin.kind is MarginKind.ABSOLUTE or margin.value == 0:
        return None
    return unusable_baseline(control)


def _distance(
    treatment: Estimate, control: Estimate, *, margin: Margin, direction: Direction
) -> tuple[float, float]:
    """The distance from the margin and the control's factor in it."""
    mt, mc = known(treatment.value), known(control.value)
    sign = 1.0 if direction is Direction.INCREASE else -1.0
    if margin.kind is MarginKind.ABSOLUTE:
        return sign * (mt - mc) + margin.value, 1.0
    k = 1 - sign * margin.value
    return sign * (mt - k * mc), k
