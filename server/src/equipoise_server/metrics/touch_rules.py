"""What a metric's clicks and views may be. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from equipoise_server.foundation.refusals import Problem
from equipoise_server.metrics.fact_rules import fact_problems
from equipoise_server.metrics.values import Aggregate, Definition, MetricKind, Touch

MOST_TOUCHES = 4
TOUCHED_KINDS = frozenset(
    {
        MetricKind.CONVERSION, MetricKind.COUNT, MetricKind.SUM, MetricKind.MEAN, MetricKind.RATIO,
        MetricKind.UNIQUE, MetricKind.EXCEEDANCE,
    }
)  # fmt: skip
"""Kinds whose events count one by one. The others have an order or an absence of their own."""


def touch_problems(key: str, definition: Definition) -> Iterator[Problem]:
    """Every fault of the touches of one metric."""
    touches = definition.touches
    if not touches:
        return
    if definition.kind not in TOUCHED_KINDS:
        allowed = ", ".join(sorted(TOUCHED_KINDS))
        told = f"“{key}”: a {definition.kind} follows no clicks or views; leave them out, or use {allowed}."
        yield Problem("definition.touches", told)
    if len(touches) > MOST_TOUCHES:
        told = f"“{key}”: name at most {MOST_TOUCHES} clicks and views; join some by a filter."
        yield Problem("definition.touches", told)
    for number, touch in enumerate(touches):
        yield from _problems(key, f"definition.touches.{number}", touch, definition)
        if any(touch.fact == other.fact for other in touches[:number]):
            told = f"“{key}”: “{_named(touch)}” is named twice; keep the one that counts for longer."
            yield Problem(f"definition.touches.{number}.fact", told)


def _problems(key: str, path: str, touch: Touch, definition: Definition) -> Iterator[Problem]:
    yield from fact_problems(key, f"{path}.fact", touch.fact)
    if touch.fact.aggregate is not Aggregate.COUNT or touch.fact.property:
        told = f"“{key}”: a {touch.through} happens or does not; leave the property and the aggregate out."
        yield Problem(f"{path}.fact", told)
    if touch.within <= timedelta(0):
        told = f"“{key}”: say for how long after a {touch.through} something counts, such as 1 day."
        yield Problem(f"{path}.within", told)
    elif touch.within > definition.window:
        told = (
            f"“{key}”: nothing counts for longer after a {touch.through} than after the first exposure;"
            " widen the window, or count for a shorter time."
        )
        yield Problem(f"{path}.within", told)


def _named(touch: Touch) -> str:
    return touch.fact.event or touch.fact.source
