"""Metrics as other rooms see them: versioned aggregations over events, with a direction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID


class MetricKind(StrEnum):
    """How a unit's events become its number."""

    CONVERSION = "conversion"
    """1 when the unit has at least one event, else 0."""
    COUNT = "count"
    """The number of the unit's events."""
    SUM = "sum"
    """The total value of the unit's events."""
    MEAN = "mean"
    """The mean value per event: total value over number of events, both per unit."""
    RATIO = "ratio"
    """One aggregation over another, both per unit (orders per session)."""
    UNIQUE = "unique"
    """The number of different values that a property takes in the unit's events."""
    RETENTION = "retention"
    """1 when the unit comes back: at least one event between `delay` and `window` after its exposure."""
    FUNNEL = "funnel"
    """1 when the unit takes every step, each strictly after the one before."""
    QUANTILE = "quantile"
    """A quantile of the values of all events (page load p95), or of what each unit's add up to."""
    EXCEEDANCE = "exceedance"
    """The share of the events with a value whose value is above a threshold."""
    ABSENCE = "absence"
    """The share of the events that no `answer` followed within a time: self-service without a ticket."""


SHARE_KINDS = frozenset({MetricKind.CONVERSION, MetricKind.RETENTION, MetricKind.FUNNEL})
"""A unit's number is 0 or 1, so that the mean is a share."""


class Aggregate(StrEnum):
    """What a fact adds up: rows, a value, or a weight declared for each value of a property."""

    COUNT = "count"
    SUM = "sum"
    WEIGHT = "weight"


class Align(StrEnum):
    """Where a window ends: to the microsecond, or at the midnight (UTC) after its end."""

    EXACT = "exact"
    DAY = "day"


class Spread(StrEnum):
    """Over what a quantile is taken."""

    EVENTS = "events"
    """Over the values of all events in their units' windows: units are clusters of them."""
    UNITS = "units"
    """Over the units, each with what its events add up to; a unit without events has 0."""


class Direction(StrEnum):
    """Which way is good."""

    INCREASE = "increase"
    DECREASE = "decrease"


class Tier(StrEnum):
    """Whom the metric matters to: L1 company, L2 product, L3 feature."""

    L1 = "L1"
    L2 = "L2"
    L3 = "L3"


class MarginKind(StrEnum):
    """Relative to the control's value (0.02 = 2 %) or in the metric's own unit."""

    RELATIVE = "relative"
    ABSOLUTE = "absolute"


@dataclass(frozen=True, slots=True)
class Margin:
    """How much worse than control is still acceptable; always positive."""

    kind: MarginKind
    value: float


@dataclass(frozen=True, slots=True)
class Fact:
    """Which events, or rows of a source, count and what of them adds up."""

    event: str
    """"" when the fact reads a source, each row of which counts."""
    aggregate: Aggregate = Aggregate.COUNT
    property: str = ""
    """The property whose value is summed; "" sums the event's own `value`."""
    where: Mapping[str, str | float | bool] | None = None
    """Properties that must equal these values."""
    weights: Mapping[str, float] | None = None
    """WEIGHT: what an event adds, by the property's text; other texts add nothing."""
    source: str = ""
    """A table or query instead of events: `orders@2`; its columns are the properties."""


class Through(StrEnum):
    """What kind of touch a conversion is put down to; a click goes before a view."""

    CLICK = "click"
    VIEW = "view"


@dataclass(frozen=True, slots=True)
class Touch:
    """An event of the unit itself, after its exposure, in [touch, touch + within) of which others count."""

    through: Through
    fact: Fact
    within: timedelta


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


@dataclass(frozen=True, slots=True)
class Definition:
    """The meaning of one metric version; a change of any of it makes a new version."""

    kind: MetricKind
    fact: Fact
    denominator: Fact | None = None
    """Only for RATIO."""
    window: timedelta = timedelta(days=7)
    """Attribution: events in [first exposure + delay, first exposure + window)."""
    cap: float | None = None
    """A unit's number is cut at this value (COUNT, SUM and UNIQUE)."""
    delay: timedelta = timedelta(0)
    """How long after the first exposure events begin to count."""
    align: Align = Align.EXACT
    steps: tuple[Fact, ...] = ()
    """FUNNEL: what must happen after `fact`, in this order."""
    quantile: float | None = None
    """QUANTILE: which one, between 0 and 1."""
    threshold: float | None = None
    """EXCEEDANCE: the value that an event must exceed."""
    answer: Fact | None = None
    """ABSENCE: what must not follow."""
    within: timedelta | None = None
    """ABSENCE: for how long after an event an answer counts, that instant included."""
    covariate_days: int | None = None
    """CUPED: the same number from the unit's own days before its exposure, back to a midnight (UTC)."""
    over: Spread = Spread.EVENTS
    """QUANTILE: of what."""
    touches: tuple[Touch, ...] = ()
    """What `fact` must follow, any of it; none count everything in the window. See `in_order`."""

    @property
    def facts(self) -> tuple[tuple[str, Fact], ...]:
        """Every fact with its place in the definition."""
        named = (("fact", self.fact), ("denominator", self.denominator), ("answer", self.answer))
        steps = ((f"steps.{number}", step) for number, step in enumerate(self.steps))
        touched = ((f"touches.{number}.fact", touch.fact) for number, touch in enumerate(self.touches))
        return (*((place, fact) for place, fact in named if fact is not None), *steps, *touched)

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that it reads besides the event stream."""
        return tuple(dict.fromkeys(fact.source for _, fact in self.facts if fact.source))


@dataclass(frozen=True, slots=True)
class Certification:
    """Who vouches for one version of a metric, since when, and what was looked at."""

    by: str
    at: datetime
    note: str


@dataclass(frozen=True, slots=True)
class CatalogueRules:
    """What a project asks of its metrics."""

    requires_certified_oec: bool = False
    """An experiment may start only when the metrics that decide are certified."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A catalogue entry at one version."""

    id: UUID
    version_id: UUID
    project_id: UUID
    key: str
    version: int
    name: str
    description: str
    definition: Definition
    direction: Direction
    tier: Tier
    owner: str
    display: str
    """How a number reads: `percent`, `number`, or a unit such as `€`, `ms`."""
    default_margin: Margin | None
    minimum_units: int
    edition: int = 1
    """Counts every edit, of words too; guards against lost updates."""
    archived_at: datetime | None = None
    author_id: str = ""
    """Who wrote this version; "" when that is not known."""
    certification: Certification | None = None
    """Of this version; None while it is a draft."""
