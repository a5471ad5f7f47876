"""Rules that say which units leave an analysis, exposures and outcomes alike: a project's or a design's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
