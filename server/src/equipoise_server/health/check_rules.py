"""What a health check may say. Pure; each fault names the field and the way out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite

from equipoise_server.foundation.ids import is_key, key_fault
from equipoise_server.foundation.refusals import Problem
from equipoise_server.foundation.texts import LONGEST_NAME, text_problems
from equipoise_server.health.values import Comparison, Plan
from equipoise_server.sources.values import Connection, ConnectionKind

LONGEST_QUERY = 2_000
SHORTEST_INTERVAL, LONGEST_INTERVAL = 15, 3_600
LONGEST_WINDOW = 86_400
MOST_FAILURES = 20
MOST_CHECKS = 20
LARGEST_NUMBER = 1e15
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,127}")


@dataclass(frozen=True, slots=True)
class Known:
    """What a plan is held against: the flag's variants and the project's connections."""

    variants: Collection[str]
    connections: Mapping[str, Connection]


def check_problems(key: str, name: str, plan: Plan, known: Known) -> Iterator[Problem]:
    """Everything that is wrong with a check."""
    if not is_key(key):
        yield Problem("key", key_fault(key))
    if not name.strip():
        yield Problem("name", "Give the check a name that people read, such as “Errors of the checkout”.")
    yield from text_problems(LONGEST_NAME, name=name)
    yield from plan_problems(plan, known)


def plan_problems(plan: Plan, known: Known) -> Iterator[Problem]:
    """Everything that is wrong with what is asked and how it is judged."""
    yield from _connection_problems(plan, known)
    yield from _query_problems(plan)
    yield from _variant_problems(plan, known)
    yield from _number_problems(plan)


def _connection_problems(plan: Plan, known: Known) -> Iterator[Problem]:
    able = sorted(
        key
        for key, one in known.connections.items()
        if one.kind is ConnectionKind.PROMETHEUS and one.archived_at is None
    )
    if plan.connection not in able:
        has = f"there are: {', '.join(able)}" if able else "an admin adds one under Sources"
        yield Problem("connection", f"There is no Prometheus connection “{plan.connection}”; {has}.")


def _query_problems(plan: Plan) -> Iterator[Problem]:
    if not plan.query.strip():
        yield Problem("query", "Write the PromQL query, such as sum by (variant) (rate(errors[5m])).")
    yield from text_problems(LONGEST_QUERY, query=plan.query, sample_query=plan.sample_query)
    if bool(plan.sample_query.strip()) is not (plan.least_sample is not None):
        field = "least_sample" if plan.sample_query.strip() else "sample_query"
        yield Problem(field, "Give both the query of the sample and how large it must be, or neither.")
    if plan.label and not _LABEL.fullmatch(plan.label):
        yield Problem(
            "label", f"“{plan.label}” is no label; it is a word such as variant, with a–z, 0–9 and _."
        )


def _variant_problems(plan: Plan, known: Known) -> Iterator[Problem]:
    if plan.label and not plan.variants:
        yield Problem("variants", "Say which value of the label belongs to which variant: green = green.")
    if not plan.label and plan.variants:
        yield Problem("label", "Name the label that says which variant a series is about.")
    has = ", ".join(known.variants)
    for variant in plan.variants:
        if variant not in known.variants:
            yield Problem(f"variants.{variant}", f"The flag has no variant “{variant}”; it has: {has}.")
    yield from text_problems(LONGEST_NAME, **{f"variants.{k}": v for k, v in plan.variants.items()})
    said = list(plan.variants.values())
    if len(set(said)) < len(said):
        yield Problem("variants", "Two variants have the same value of the label; each needs its own.")
    yield from _control_problems(plan)


def _control_problems(plan: Plan) -> Iterator[Problem]:
    if plan.comparison is Comparison.VALUE:
        if plan.control:
            yield Problem("control", "Only ratios and differences are against control; leave it out.")
    elif not plan.label:
        told = "A ratio or difference needs one value per variant: name the label, or bound the value itself."
        yield Problem("comparison", told)
    elif plan.control not in plan.variants:
        told = f"Say which variant is control; asked about are: {', '.join(plan.variants) or 'none yet'}."
        yield Problem("control", told)
    elif len(plan.variants) == 1:
        yield Problem("variants", "Name a variant beside control, to hold against it.")


def _number_problems(plan: Plan) -> Iterator[Problem]:
    if not _is_usable(plan.bound):
        yield Problem("bound", "The bound is a number, such as 0.01.")
    elif plan.comparison is Comparison.RATIO and plan.bound <= 0:
        yield Problem("bound", "A ratio's bound is more than 0, such as 1.2.")
    if plan.least_sample is not None and not (_is_usable(plan.least_sample) and plan.least_sample > 0):
        yield Problem("least_sample", "The least sample is a number above 0, such as 100.")
    if plan.window_seconds is not None and not SHORTEST_INTERVAL <= plan.window_seconds <= LONGEST_WINDOW:
        told = (
            f"A window has {SHORTEST_INTERVAL} to {LONGEST_WINDOW:,} seconds; leave it out for one instant."
        )
        yield Problem("window_seconds", told)
    if not 1 <= plan.failures <= MOST_FAILURES:
        yield Problem("failures", f"1 to {MOST_FAILURES} failures in a row.")
    if not SHORTEST_INTERVAL <= plan.interval_seconds <= LONGEST_INTERVAL:
        told = f"Ask every {SHORTEST_INTERVAL} to {LONGEST_INTERVAL:,} seconds."
        yield Problem("interval_seconds", told)


def _is_usable(number: float) -> bool:
    return isfinite(number) and abs(number) <= LARGEST_NUMBER
