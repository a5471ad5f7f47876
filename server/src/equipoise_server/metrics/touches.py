"""Click-through and view-through: what a metric's events must follow. Presets, one order, rules. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from enum import StrEnum

from equipoise_server.foundation.refusals import Problem
from equipoise_server.metrics.fact_rules import fact_problems
from equipoise_server.metrics.values import Aggregate, Definition, Fact, MetricKind, Through, Touch

MOST_TOUCHES = 4
TOUCHED_KINDS = frozenset(
    {
        MetricKind.CONVERSION, MetricKind.COUNT, MetricKind.SUM, MetricKind.MEAN, MetricKind.RATIO,
        MetricKind.UNIQUE, MetricKind.EXCEEDANCE,
    }
)  # fmt: skip
"""Kinds whose events count one by one. The others have an order or an absence of their own."""


class TouchPreset(StrEnum):
    """The windows that most people mean."""

    CLICK_THROUGH_1D = "click_through_1d"
    VIEW_THROUGH_7D = "view_through_7d"


PRESETS: Mapping[TouchPreset, tuple[Through, timedelta]] = {
    TouchPreset.CLICK_THROUGH_1D: (Through.CLICK, timedelta(days=1)),
    TouchPreset.VIEW_THROUGH_7D: (Through.VIEW, timedelta(days=7)),
}


def preset_touch(preset: TouchPreset, fact: Fact) -> Touch:
    """The touch that a preset makes of an event."""
    through, within = PRESETS[preset]
    return Touch(through, fact, within)


def in_order(touches: Iterable[Touch]) -> tuple[Touch, ...]:
    """Clicks before views, each by name: an order that people type means nothing."""
    return tuple(sorted(touches, key=_place))


def _place(touch: Touch) -> tuple[bool, str, str, str, timedelta]:
    fact, wanted = touch.fact, repr(sorted((touch.fact.where or {}).items()))
    return touch.through is Through.VIEW, fact.event, fact.source, wanted, touch.within


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
