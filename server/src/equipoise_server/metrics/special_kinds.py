"""What only some kinds of metric have, and which of it each of them needs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from math import isfinite

from equipoise_server.foundation.refusals import Problem
from equipoise_server.metrics.fact_rules import fact_problems
from equipoise_server.metrics.values import Aggregate, Definition, Fact, MetricKind, Spread

LONGEST_WITHIN = timedelta(days=30)
LONGEST_COVARIATE_DAYS = 60
MOST_STEPS = 10
COVARIATE_KINDS = {MetricKind.CONVERSION, MetricKind.COUNT, MetricKind.SUM, MetricKind.MEAN, MetricKind.RATIO}
# Which kind a field belongs to, and how a sentence calls the field.
OWNERS: Mapping[str, tuple[MetricKind, str]] = {
    "steps": (MetricKind.FUNNEL, "further steps"),
    "quantile": (MetricKind.QUANTILE, "a quantile"),
    "threshold": (MetricKind.EXCEEDANCE, "a threshold"),
    "answer": (MetricKind.ABSENCE, "an answer that must not follow"),
    "within": (MetricKind.ABSENCE, "a time within which no answer follows"),
}


def special_problems(key: str, definition: Definition) -> Iterator[Problem]:
    """Fields that another kind has, that this kind lacks, or whose value makes no sense."""
    for field, (owner, called) in OWNERS.items():
        value = getattr(definition, field)
        is_given = value is not None and value != ()
        if is_given and definition.kind is not owner:
            told = f"“{key}”: only a metric of kind “{owner}” has {called}; leave it out or change the kind."
            yield Problem(f"definition.{field}", told)
        if not is_given and definition.kind is owner:
            yield Problem(f"definition.{field}", f"“{key}”: a metric of kind “{owner}” needs {called}.")
    if definition.over is not Spread.EVENTS and definition.kind is not MetricKind.QUANTILE:
        told = f"“{key}”: only a quantile is taken over events or units; leave it out or change the kind."
        yield Problem("definition.over", told)
    yield from _kind_problems(key, definition)
    yield from _covariate_problems(key, definition)


def _kind_problems(key: str, definition: Definition) -> Iterator[Problem]:
    match definition.kind:
        case MetricKind.UNIQUE if not definition.fact.property:
            told = f"“{key}”: name the property whose different values count."
            yield Problem("definition.fact.property", told)
        case MetricKind.RETENTION if definition.delay <= timedelta(0):
            told = f"“{key}”: say from when on coming back counts, such as after 1 day."
            yield Problem("definition.delay", told)
        case MetricKind.FUNNEL:
            yield from _step_problems(key, definition.steps)
        case MetricKind.QUANTILE if definition.quantile is not None and not 0 < definition.quantile < 1:
            told = f"“{key}”: a quantile lies between 0 and 1; write the 95th percentile as 0.95."
            yield Problem("definition.quantile", told)
        case MetricKind.EXCEEDANCE if definition.threshold is not None and not isfinite(definition.threshold):
            yield Problem("definition.threshold", f"“{key}”: the threshold must be a number.")
        case MetricKind.ABSENCE:
            yield from _answer_problems(key, definition)
        case _:
            pass


def _step_problems(key: str, steps: tuple[Fact, ...]) -> Iterator[Problem]:
    if len(steps) > MOST_STEPS:
        yield Problem("definition.steps", f"“{key}”: a funnel has at most {MOST_STEPS} further steps.")
    for number, step in enumerate(steps):
        yield from _plain_problems(key, f"definition.steps.{number}", step)


def _answer_problems(key: str, definition: Definition) -> Iterator[Problem]:
    if definition.answer is not None:
        yield from _plain_problems(key, "definition.answer", definition.answer)
    within = definition.within
    if within is not None and not timedelta(0) < within <= LONGEST_WITHIN:
        told = f"“{key}”: an answer follows within more than 0 and at most {LONGEST_WITHIN.days} days."
        yield Problem("definition.within", told)


def _plain_problems(key: str, path: str, fact: Fact) -> Iterator[Problem]:
    yield from fact_problems(key, path, fact)
    if fact.aggregate is not Aggregate.COUNT or fact.property:
        told = f"“{key}”: here an event happens or does not; leave the property and the aggregate out."
        yield Problem(path, told)


def _covariate_problems(key: str, definition: Definition) -> Iterator[Problem]:
    days = definition.covariate_days
    if days is None:
        return
    if definition.kind not in COVARIATE_KINDS:
        told = f"“{key}”: a {definition.kind} has no covariate; leave the days out."
        yield Problem("definition.covariate_days", told)
    elif not 1 <= days <= LONGEST_COVARIATE_DAYS:
        told = f"“{key}”: a covariate looks back 1 to {LONGEST_COVARIATE_DAYS} days."
        yield Problem("definition.covariate_days", told)
