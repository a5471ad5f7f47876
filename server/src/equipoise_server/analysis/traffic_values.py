"""Who leaves the analysis, exposures and outcomes alike: a project's filter by version, or a design's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from equipoise_server.experiments.values import Operator, TrafficRule, TrafficTest

__all__ = ["OWN", "SUSPICIOUS", "Operator", "TrafficFilter", "TrafficRule", "TrafficTest"]

OWN = 0
"""The version of a filter that an experiment's own design has: no project's filter has it."""


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
