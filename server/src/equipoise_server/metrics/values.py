"""Metrics as other rooms see them: versioned aggregations over events, with a direction."""

from __future__ import annotations

from collections.abc import Mapping
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


class Aggregate(StrEnum):
    """What a fact adds up: rows or a value."""

    COUNT = "count"
    SUM = "sum"


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
    """Which events count and what of them adds up."""

    event: str
    aggregate: Aggregate = Aggregate.COUNT
    property: str = ""
    """The property whose value is summed; "" sums the event's own `value`."""
    where: Mapping[str, str | float | bool] | None = None
    """Properties that must equal these values."""


@dataclass(frozen=True, slots=True)
class Definition:
    """The meaning of one metric version; a change of any of it makes a new version."""

    kind: MetricKind
    fact: Fact
    denominator: Fact | None = None
    """Only for RATIO."""
    window: timedelta = timedelta(days=7)
    """Attribution: events in [first exposure, first exposure + window)."""
    cap: float | None = None
    """A unit's number is cut at this value (COUNT and SUM)."""


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
