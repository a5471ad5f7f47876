"""What a design says about time: the steps of its ramp, and the windows of a switchback."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Pairing(StrEnum):
    """Which two windows of the same hour get one arm each in a switchback."""

    DAYS = "days"
    WEEKS = "weeks"


@dataclass(frozen=True, slots=True)
class GateStep:
    """One step of a ramp: from so many hours after the launch the gate is at least this wide."""

    after_hours: int
    parts_per_million: int


@dataclass(frozen=True, slots=True)
class Switchback:
    """A plan by which regions switch between control and treatment, window by window."""

    regions: tuple[str, ...] = ()
    """Unit ids of the design's unit type."""
    window_minutes: int = 120
    """Divides a day; 3 to 4 times as long as an effect carries over."""
    days: int = 28
    burn_in_minutes: int = 0
    """The start of every window that analysis leaves out."""
    pairing: Pairing = Pairing.DAYS
    starts_at: datetime | None = None
    """When the first window begins; None is the first midnight (UTC) after the launch."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The schedule that a switchback runs by: drawn once, at launch, and never again."""

    seed: int
    pairing: Pairing
    starts_at: datetime
    window_seconds: int
    burn_in_seconds: int
    days: int
    rows: Mapping[str, str]
    """Region → one digit a window: the place of its arm among the design's arms."""

    @property
    def windows(self) -> int:
        """How many windows every region has."""
        return max(map(len, self.rows.values()), default=0)

    @property
    def ends_at(self) -> datetime:
        """When the last window ends."""
        return self.starts_at + timedelta(seconds=self.window_seconds * self.windows)
