"""What a metric may be: pure rules that name the metric, the field and the way out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from math import isfinite

from equipoise_server.foundation.refusals import Problem
from equipoise_server.metrics.fact_rules import fact_problems
from equipoise_server.metrics.special_kinds import special_problems
from equipoise_server.metrics.touch_rules import touch_problems
from equipoise_server.metrics.values import SHARE_KINDS, Aggregate, Definition, Margin, MarginKind, MetricKind

LONGEST_WINDOW = timedelta(days=90)
LONGEST_DISPLAY = 12
CAPPED_KINDS = {MetricKind.COUNT, MetricKind.SUM, MetricKind.UNIQUE}
_COUNTS, _SUMS = {Aggregate.COUNT}, {Aggregate.SUM}
# What the one fact of each kind may add up; a ratio chooses for both of its facts.
AGGREGATES_OF_KIND: Mapping[MetricKind, set[Aggregate]] = {
    MetricKind.CONVERSION: _COUNTS,
    MetricKind.COUNT: _COUNTS,
    MetricKind.SUM: {Aggregate.SUM, Aggregate.WEIGHT},
    MetricKind.MEAN: _SUMS,
    MetricKind.RATIO: set(Aggregate),
    MetricKind.UNIQUE: _COUNTS,
    MetricKind.RETENTION: _COUNTS,
    MetricKind.FUNNEL: _COUNTS,
    MetricKind.QUANTILE: _SUMS,
    MetricKind.EXCEEDANCE: _SUMS,
    MetricKind.ABSENCE: _COUNTS,
}


def definition_problems(key: str, definition: Definition) -> list[Problem]:
    """Every fault of one metric's definition."""
    if definition.kind not in set(MetricKind):
        known = ", ".join(MetricKind)
        return [
            Problem(
                "definition.kind",
                f"“{key}”: “{definition.kind}” is no kind of metric; use one of {known}.",
            )
        ]
    return [
        *_fact_problems(key, "fact", definition),
        *_aggregate_problems(key, definition),
        *_denominator_problems(key, definition),
        *_window_problems(key, definition),
        *_cap_problems(key, definition),
        *special_problems(key, definition),
        *touch_problems(key, definition),
    ]


def margin_problems(metric: str, field: str, margin: Margin | None) -> list[Problem]:
    """Every fault of one metric's margin."""
    if margin is None:
        return []
    if not isfinite(margin.value) or margin.value <= 0:
        return [
            Problem(field, f"“{metric}”: a margin must be above 0; say how much worse is still acceptable.")
        ]
    if margin.kind is MarginKind.RELATIVE and margin.value >= 1:
        return [
            Problem(field, f"“{metric}”: a relative margin must be below 1; write 2 % as 0.02."),
        ]
    return []


def display_problems(key: str, kind: MetricKind, display: str) -> list[Problem]:
    """Whether the numbers of this kind can be read this way."""
    if not display.strip() or len(display) > LONGEST_DISPLAY:
        return [
            Problem(
                "display",
                f"“{key}”: say how its numbers read: “percent”, “number”, or a unit of at most "
                f"{LONGEST_DISPLAY} characters such as “€”.",
            )
        ]
    if kind in SHARE_KINDS and display not in {"percent", "number"}:
        return [Problem("display", f"“{key}”: a {kind} is a share; display it as “percent”.")]
    if kind in CAPPED_KINDS and display == "percent":
        return [Problem("display", f"“{key}”: a {kind} is no share; display it as “number” or in its unit.")]
    return []


def _fact_problems(key: str, field: str, definition: Definition) -> Iterator[Problem]:
    fact = definition.fact if field == "fact" else definition.denominator
    assert fact is not None
    yield from fact_problems(key, f"definition.{field}", fact)
    is_unique = definition.kind is MetricKind.UNIQUE and field == "fact"
    if fact.property and fact.aggregate is Aggregate.COUNT and not is_unique:
        yield Problem(
            f"definition.{field}.property",
            f"“{key}”: counting events needs no property; leave it empty or set the aggregate to “sum”.",
        )


def _aggregate_problems(key: str, definition: Definition) -> Iterator[Problem]:
    allowed = AGGREGATES_OF_KIND[definition.kind]
    if definition.fact.aggregate not in allowed:
        wanted = " or ".join(f"“{aggregate}”" for aggregate in sorted(allowed))
        yield Problem(
            "definition.fact.aggregate",
            f"“{key}”: a {definition.kind} needs the aggregate {wanted}, not “{definition.fact.aggregate}”.",
        )


def _denominator_problems(key: str, definition: Definition) -> Iterator[Problem]:
    denominator = definition.denominator
    if definition.kind is not MetricKind.RATIO:
        if denominator is not None:
            yield Problem(
                "definition.denominator",
                f"“{key}”: only a ratio has a denominator; leave it out or make the metric a ratio.",
            )
    elif denominator is None:
        yield Problem(
            "definition.denominator",
            f"“{key}”: a ratio needs a denominator; say which events it is divided by.",
        )
    else:
        yield from _fact_problems(key, "denominator", definition)


def _window_problems(key: str, definition: Definition) -> Iterator[Problem]:
    if not timedelta(0) < definition.window <= LONGEST_WINDOW:
        yield Problem(
            "definition.window",
            f"“{key}”: the window must be longer than 0 and at most {LONGEST_WINDOW.days} days.",
        )
    if not timedelta(0) <= definition.delay < max(definition.window, timedelta(microseconds=1)):
        yield Problem(
            "definition.delay",
            f"“{key}”: the delay must be 0 or more and shorter than the window, which ends that long after"
            " the first exposure.",
        )


def _cap_problems(key: str, definition: Definition) -> Iterator[Problem]:
    cap = definition.cap
    if cap is None:
        return
    if definition.kind not in CAPPED_KINDS:
        yield Problem(
            "definition.cap",
            f"“{key}”: a {definition.kind} cannot be capped; leave the cap out, or use a count or a sum.",
        )
    elif not isfinite(cap) or cap <= 0:
        yield Problem("definition.cap", f"“{key}”: a cap must be above 0.")
