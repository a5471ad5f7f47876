"""What a fact may be, whatever the metric: pure rules that name the metric, the field and the way out."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

from equipoise_server.foundation.refusals import Problem
from equipoise_server.metrics.values import Aggregate, Fact

LONGEST_EVENT_NAME = 200
MOST_WEIGHTS = 100


def fact_problems(key: str, path: str, fact: Fact) -> Iterator[Problem]:
    """Every fault of one fact, whatever the kind of its metric."""
    if fact.source:
        if fact.event:
            told = f"“{key}”: a fact reads either events or a source; leave one of the two out."
            yield Problem(f"{path}.event", told)
    elif not fact.event.strip() or len(fact.event) > LONGEST_EVENT_NAME:
        yield Problem(
            f"{path}.event",
            f"“{key}”: name the event that counts, in at most {LONGEST_EVENT_NAME} characters, "
            "or the source whose rows do.",
        )
    if fact.where is not None and not all(name.strip() for name in fact.where):
        yield Problem(f"{path}.where", f"“{key}”: give each property of the filter a name.")
    yield from _weight_problems(key, path, fact)


def _weight_problems(key: str, path: str, fact: Fact) -> Iterator[Problem]:
    if fact.aggregate is not Aggregate.WEIGHT:
        if fact.weights:
            told = f"“{key}”: weights need the aggregate “weight”; set it, or leave the weights out."
            yield Problem(f"{path}.weights", told)
        return
    if not fact.property:
        yield Problem(f"{path}.property", f"“{key}”: name the property whose texts have the weights.")
    if not fact.weights or len(fact.weights) > MOST_WEIGHTS:
        told = f"“{key}”: give 1 to {MOST_WEIGHTS} texts of “{fact.property}” their weights."
        yield Problem(f"{path}.weights", told)
    elif not all(isfinite(weight) for weight in fact.weights.values()):
        yield Problem(f"{path}.weights", f"“{key}”: each weight must be a number.")
