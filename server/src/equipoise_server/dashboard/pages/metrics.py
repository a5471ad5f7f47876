"""The metric catalogue as pages show it: the list, one metric with its versions, and its form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from equipoise_server.analysis.reads import FactPreview, Followed
from equipoise_server.dashboard import words
from equipoise_server.dashboard.forms import Form
from equipoise_server.dashboard.pages.activity import ActivityLine
from equipoise_server.experiments.values import Experiment, MetricRole
from equipoise_server.foundation.refusals import Problem
from equipoise_server.metrics.values import (
    Aggregate,
    Definition,
    Fact,
    Margin,
    MarginKind,
    Metric,
    MetricKind,
    Spread,
    Touch,
)
from equipoise_server.sources.values import Source


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric in the catalogue."""

    metric: Metric
    meaning: str


@dataclass(frozen=True, slots=True)
class MetricsPage:
    """The catalogue as searched."""

    search: str
    rows: tuple[MetricRow, ...]
    is_empty: bool
    requires_certified_oec: bool = False


@dataclass(frozen=True, slots=True)
class MetricUse:
    """An experiment that plans this metric."""

    key: str
    name: str
    role: MetricRole


@dataclass(frozen=True, slots=True)
class MetricPage:
    """One metric: its meaning, where it is used, and its earlier versions."""

    metric: Metric
    meaning: str
    window: str
    margin: str
    uses: tuple[MetricUse, ...]
    versions: tuple[MetricRow, ...]
    history: tuple[ActivityLine, ...]
    may_edit: bool
    why_not_certify: str = ""
    """Why this person cannot vouch for it; "" when they can."""


@dataclass(frozen=True, slots=True)
class MetricFormPage:
    """The form of a new metric, or of a revision."""

    form: Form
    metric: Metric | None
    sources: tuple[tuple[str, str], ...] = ()
    """(reference, name) of what may be read instead of events."""


@dataclass(frozen=True, slots=True)
class MetricPreviewPage:
    """A look at everything that a metric reads, or why that cannot be."""

    metric: Metric
    meaning: str
    facts: tuple[FactPreview, ...]
    faults: tuple[Problem, ...]
    follows: tuple[tuple[str, int, int], ...] = ()
    """(what it follows, events, units); empty unless it asks for clicks or views."""


def followed_lines(found: Sequence[Followed]) -> tuple[tuple[str, int, int], ...]:
    """What the metric's events of late followed, in words."""
    return tuple((_followed(one.touch), one.events, one.units) for one in found)


def _followed(touch: Touch | None) -> str:
    if touch is None:
        return "none of them: not counted"
    return f"{words.span(touch.within)} after a {touch.through}, {_event(touch.fact)}"


def metrics_page(
    metrics: Sequence[Metric], *, search: str, requires_certified_oec: bool = False
) -> MetricsPage:
    """The catalogue as searched."""
    sought = search.strip().lower()
    shown = [m for m in metrics if not sought or sought in f"{m.key} {m.name} {m.owner}".lower()]
    rows = tuple(metric_row(metric) for metric in shown)
    return MetricsPage(search, rows, not metrics, requires_certified_oec)


def metric_row(metric: Metric) -> MetricRow:
    """One metric with its meaning."""
    return MetricRow(metric, meaning(metric.definition))


def uses_of(metric: Metric, experiments: Sequence[Experiment]) -> tuple[MetricUse, ...]:
    """The experiments whose design names the metric."""
    return tuple(
        MetricUse(one.key, one.name, planned.role)
        for one in experiments
        for planned in one.design.metrics
        if planned.key == metric.key
    )


def margin_words(margin: Margin | None, display: str) -> str:
    """How much worse is still acceptable."""
    if margin is None:
        return ""
    if margin.kind is MarginKind.RELATIVE:
        return f"{words.percent(margin.value)} of control"
    return words.difference(margin.value, display).removeprefix("+")


def meaning(definition: Definition) -> str:
    """What a metric version counts, in one sentence."""
    fact = definition.fact
    match definition.kind:
        case MetricKind.CONVERSION:
            said = f"Share of units with at least one {_event(fact)}"
        case MetricKind.COUNT:
            said = f"Number of {_event(fact)} events per unit"
        case MetricKind.SUM:
            said = f"Total {_value(fact)} of {_event(fact)} per unit"
        case MetricKind.MEAN:
            said = f"Mean {_value(fact)} per {_event(fact)}"
        case MetricKind.RATIO:
            said = f"{_aggregated(fact)} per {_aggregated(definition.denominator)}"
            said = said[0].upper() + said[1:]
        case _:
            said = _special_meaning(definition)
    cap = f", capped at {words.plain(definition.cap)}" if definition.cap is not None else ""
    when = f"within {words.span(definition.window)} of the first exposure"
    if definition.delay:
        first, last = words.span(definition.delay), words.span(definition.window)
        when = f"between {first} and {last} after the first exposure"
    return f"{said} {when}{_touched(definition)}{cap}"


def _touched(definition: Definition) -> str:
    """What its events must follow; the word of a click or view stands once for its names."""
    ways = [
        f"{words.span(touch.within)} of a {touch.through} ({_event(touch.fact)})"
        for touch in definition.touches
    ]
    return f", and within {' or '.join(ways)}" if ways else ""


def _special_meaning(definition: Definition) -> str:
    fact = definition.fact
    match definition.kind:
        case MetricKind.UNIQUE:
            return f"Number of different values of {fact.property} in {_event(fact)} per unit"
        case MetricKind.RETENTION:
            return f"Share of units that come back with {_event(fact)}"
        case MetricKind.FUNNEL:
            steps = ", then ".join(_event(step) for step in (fact, *definition.steps))
            return f"Share of units that do {steps}"
        case MetricKind.QUANTILE:
            share = words.plain(definition.quantile or 0)
            if definition.over is Spread.UNITS:
                return f"Quantile {share} over units of the total of {_value(fact)} of {_event(fact)}"
            return f"Quantile {share} of {_value(fact)} of all {_event(fact)} events"
        case MetricKind.EXCEEDANCE:
            above = words.plain(definition.threshold or 0)
            return f"Share of {_event(fact)} events whose {_value(fact)} is above {above}"
        case _:
            answer, within = definition.answer, definition.within
            told = _event(answer) if answer else "an answer"
            span = words.span(within or definition.window)
            return f"Share of {_event(fact)} events without {told} in the {span} after"


def _event(fact: Fact) -> str:
    where = fact.where or {}
    filters = ", ".join(f"{name} {value}" for name, value in where.items())
    return f"“{fact.source or fact.event}”" + (f" where {filters}" if filters else "")


def source_options(sources: Sequence[Source], metric: Metric | None) -> tuple[tuple[str, str], ...]:
    """What a metric may read instead of events: newest versions, and the ones it reads now."""
    held = () if metric is None else metric.definition.sources
    newest = [(one.ref, f"{one.name} ({one.ref})") for one in sources]
    kept = [(ref, ref) for ref in held if ref not in dict(newest)]
    return (*kept, *newest)


def why_not_certify(metric: Metric, *, author_id: str, may_certify: bool) -> str:
    """Why a person cannot vouch for a metric; "" when they can."""
    if not may_certify:
        return "Engineers and admins certify metrics."
    return "You wrote this version; somebody else has to certify it." if metric.author_id == author_id else ""


def _value(fact: Fact) -> str:
    return fact.property or "value"


def _aggregated(fact: Fact | None) -> str:
    if fact is None:
        return "unknown"
    if fact.aggregate is Aggregate.WEIGHT:
        return f"weight by {fact.property} of {_event(fact)}"
    return (
        f"{_value(fact)} of {_event(fact)}" if fact.aggregate is Aggregate.SUM else f"{_event(fact)} events"
    )
