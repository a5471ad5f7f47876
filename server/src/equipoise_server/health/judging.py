"""From the series of an answer to a finding, and from findings to where a check stands. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from math import isfinite

from equipoise_server.health.values import (
    Comparison,
    Finding,
    HealthCheck,
    Plan,
    Reading,
    Reduction,
    Side,
    Standing,
    State,
    Why,
)
from equipoise_server.sources.reads import Series

_NAMED = 5


def judged(plan: Plan, answer: Sequence[Series], samples: Sequence[Series] | None) -> Finding:
    """What an answer says; `samples` is None when nobody asked for them."""
    names = plan.variants or {"": ""}
    measured = {variant: _measured(plan, variant, answer, samples) for variant in names}
    if plan.comparison is not Comparison.VALUE:
        control = measured[plan.control]
        measured = {
            variant: one if variant == plan.control else _compared(plan, one, control)
            for variant, one in measured.items()
        }
    readings = tuple(_bounded(plan, one) for one in measured.values())
    return _whole(readings)


def unknown(why: Why, told: str) -> Finding:
    """Nothing was found, for one reason."""
    return Finding(State.UNKNOWN, (), why, told)


def standing_after(check: HealthCheck, finding: Finding, *, now: datetime) -> Standing:
    """Where a check stands after one more look. An unknown begins the count of failures anew."""
    held = check.standing
    fails = finding.state is State.FAILING
    return Standing(
        state=finding.state,
        since=held.since if held.state is finding.state and held.since is not None else now,
        asked_at=now,
        failures=held.failures + 1 if fails else 0,
        acted_at=held.acted_at if fails else None,
        why=finding.why,
        told=finding.told,
    )


def bound_words(plan: Plan) -> str:
    """The bound as people read it: at most 1.2 times “grey”."""
    side = "at most" if plan.side is Side.AT_MOST else "at least"
    match plan.comparison:
        case Comparison.RATIO:
            return f"{side} {plan.bound:g} times “{plan.control}”"
        case Comparison.DIFFERENCE:
            return f"{side} {plan.bound:g} more than “{plan.control}”"
        case Comparison.VALUE:
            return f"{side} {plan.bound:g}"


def _whole(readings: tuple[Reading, ...]) -> Finding:
    """One failure fails the whole; else one unknown makes it unknown."""
    unclear = next((one for one in readings if one.state is State.UNKNOWN), None)
    if any(one.state is State.FAILING for one in readings):
        return Finding(State.FAILING, readings)
    if unclear is not None:
        return Finding(State.UNKNOWN, readings, unclear.why, unclear.told)
    return Finding(State.PASSING, readings)


def _measured(
    plan: Plan, variant: str, answer: Sequence[Series], samples: Sequence[Series] | None
) -> Reading:
    """The value of a variant, passing until it is held against the bound."""
    reading = _read(plan, variant, answer)
    if samples is None or reading.state is State.UNKNOWN:
        return reading
    counted = _read(plan, variant, samples)
    if counted.value is None:
        told = f"The sample: {counted.told}"
        return replace(reading, state=State.UNKNOWN, why=counted.why, told=told)
    reading = replace(reading, sample=counted.value)
    if plan.least_sample is not None and counted.value < plan.least_sample:
        told = f"{_named(variant)} has a sample of {counted.value:g}; {plan.least_sample:g} are asked for."
        return replace(reading, state=State.UNKNOWN, why=Why.TOO_FEW, told=told)
    return reading


def _read(plan: Plan, variant: str, answer: Sequence[Series]) -> Reading:
    if plan.label:
        found = [one for one in answer if one.labels.get(plan.label) == plan.variants[variant]]
    else:
        found = list(answer)
    if len(found) > 1:
        return _unclear(variant, Why.SEVERAL_SERIES, _several(plan, variant, found))
    if not found or not found[0].values:
        return _missing(plan, variant, answer)
    value = _reduced(plan.reduction, found[0].values)
    if not isfinite(value):
        told = f"{_named(variant)} is {value:g}, often a division by nothing; let the query leave that out."
        return _unclear(variant, Why.NOT_A_NUMBER, told)
    return Reading(variant, State.PASSING, value)


def _missing(plan: Plan, variant: str, answer: Sequence[Series]) -> Reading:
    unlabelled = sum(1 for one in answer if plan.label and plan.label not in one.labels)
    if unlabelled:
        told = (
            f"{unlabelled} of {len(answer)} series have no label “{plan.label}”; "
            f"write something like sum by ({plan.label}) (…)."
        )
        return _unclear(variant, Why.MISSING_LABEL, told)
    if not plan.label:
        told = "The query yields nothing now; see in Prometheus whether its metric is there."
        return _unclear(variant, Why.NO_DATA, told)
    others = [one.labels[plan.label] for one in answer][:_NAMED]
    has = f"there is {', '.join(f'“{other}”' for other in others)}" if others else "it yields nothing"
    told = f"No series has {plan.label}=“{plan.variants[variant]}”; {has}."
    return _unclear(variant, Why.NO_DATA, told)


def _several(plan: Plan, variant: str, found: Sequence[Series]) -> str:
    differing = sorted({name for one in found for name in one.labels if name != plan.label})[:_NAMED]
    by = f" by ({plan.label})" if plan.label else ""
    said = f" that differ by {', '.join(differing)}" if differing else ""
    return f"{_named(variant)} has {len(found)} series{said}; write something like sum{by} (…)."


def _compared(plan: Plan, treatment: Reading, control: Reading) -> Reading:
    if treatment.state is State.UNKNOWN or treatment.value is None:
        return treatment
    if control.state is State.UNKNOWN or control.value is None:
        told = f"Control “{plan.control}” is unknown, so nothing can be held against it."
        return replace(treatment, state=State.UNKNOWN, why=Why.CONTROL_UNKNOWN, told=told)
    if plan.comparison is Comparison.DIFFERENCE:
        return replace(treatment, compared=treatment.value - control.value)
    ratio = None if control.value == 0 else treatment.value / control.value
    if ratio is None or not isfinite(ratio):
        told = f"Control “{plan.control}” is {control.value:g}, so there is no ratio; bound the difference."
        return replace(treatment, state=State.UNKNOWN, why=Why.CONTROL_IS_ZERO, told=told)
    return replace(treatment, compared=ratio)


def _bounded(plan: Plan, reading: Reading) -> Reading:
    held = reading.value if plan.comparison is Comparison.VALUE else reading.compared
    if reading.state is State.UNKNOWN or held is None:
        return reading
    is_well = held <= plan.bound if plan.side is Side.AT_MOST else held >= plan.bound
    return replace(reading, state=State.PASSING if is_well else State.FAILING)


def _reduced(reduction: Reduction, values: Sequence[float]) -> float:
    """Points that are no numbers make a mean, a lowest and a highest none, too."""
    if reduction is Reduction.LAST:
        return values[-1]
    if not all(map(isfinite, values)):
        return float("nan")
    if reduction is Reduction.MEAN:
        return sum(values) / len(values)
    return min(values) if reduction is Reduction.LOWEST else max(values)


def _unclear(variant: str, why: Why, told: str) -> Reading:
    return Reading(variant, State.UNKNOWN, why=why, told=told)


def _named(variant: str) -> str:
    return f"“{variant}”" if variant else "The whole flag"


def values_words(finding: Finding) -> Mapping[str, float | None]:
    """Variant → what was held against the bound, for a record; the whole flag's is called “all”."""
    return {
        one.variant or "all": one.value if one.compared is None else one.compared for one in finding.readings
    }
