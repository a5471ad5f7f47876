"""Which units leave the analysis, exposures and outcomes alike: a project's versioned traffic filter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class TrafficTest(StrEnum):
    """What a rule looks at."""

    ATTRIBUTE = "attribute"
    """An attribute on the unit's first exposure: known before the variant could act."""
    EVENTS_PER_HOUR = "events_per_hour"
    """More events in one hour than people have."""
    EVENTS_PER_DAY = "events_per_day"
    """More events on one UTC day than people have."""
    HOURS_PER_DAY = "hours_per_day"
    """Events in more hours of one UTC day than people are awake."""


class Operator(StrEnum):
    """How an attribute is compared. All but `is` ignore case."""

    IS = "is"
    CONTAINS = "contains"
    STARTS = "starts"
    ENDS = "ends"


@dataclass(frozen=True, slots=True)
class TrafficRule:
    """Units that it holds for are left out. `values` belong to attributes, `most` to everything else."""

    key: str
    name: str
    test: TrafficTest
    attribute: str = ""
    operator: Operator = Operator.IS
    values: tuple[str, ...] = ()
    most: int | None = None
    """A unit with more than this is left out."""

    @property
    def is_about_behaviour(self) -> bool:
        """Whether it looks at what units did after they met their variant, which a variant may change."""
        return self.test is not TrafficTest.ATTRIBUTE


@dataclass(frozen=True, slots=True)
class TrafficFilter:
    """One version of a project's rules. An iteration keeps the version it started with."""

    project_id: UUID
    version: int
    rules: tuple[TrafficRule, ...]
    created_at: datetime
    author: str
    reason: str = ""


SUSPICIOUS = (
    TrafficRule("events-per-hour", "over 1,000 events in an hour", TrafficTest.EVENTS_PER_HOUR, most=1_000),
    TrafficRule("no-sleep", "active in 23 or more hours of a day", TrafficTest.HOURS_PER_DAY, most=22),
)
"""What is taken for a bot and counted, where no filter leaves it out."""
