"""Reads the schedules of switchbacks: which arm a region has in which window of time.

Draws none: schedules come balanced and stored. The clock is an input, like everything else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from equipoise_engine.hashing import canonical_unit
from equipoise_engine.instants import milliseconds
from equipoise_engine.problems import Reader, pointer

SWITCHBACK_MEMBERS = frozenset({"starts_at", "window_seconds", "burn_in_seconds", "schedule"})
LONGEST_WINDOW_SECONDS = 31 * 86_400
LARGEST_WINDOW_COUNT = 100_000
LONGEST_REGION_BYTES = 240  # so that a region with its window is still a unit id

_ARMS = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class Window:
    """A time in a schedule.

    Attributes:
        index: which window it lies in, from 0.
        is_burn_in: whether what the window before did may still be felt.
    """

    index: int
    is_burn_in: bool


@dataclass(frozen=True, slots=True)
class Switchback:
    """A schedule: the arm of every region in every window.

    Attributes:
        arms: region → a digit for each window, the index of its arm.
    """

    starts_at_milliseconds: int
    window_milliseconds: int
    burn_in_milliseconds: int
    window_count: int
    arms: Mapping[str, str]

    def window(self, now: int) -> Window | None:
        """Return the window of a time in milliseconds; None before the first one and after the last."""
        index, since = divmod(now - self.starts_at_milliseconds, self.window_milliseconds)
        if not 0 <= index < self.window_count:
            return None
        return Window(index, since < self.burn_in_milliseconds)


def read_switchback(outer: Reader, arm_count: int) -> Switchback:
    """Read the schedule of an experiment; note what is wrong with it."""
    path = pointer(outer.path, "switchback")
    reader = Reader(outer.get("switchback"), path, outer.problems, known=SWITCHBACK_MEMBERS)
    starts_at = reader.text("starts_at")
    start = milliseconds(starts_at)
    if start is None and starts_at:
        reader.senseless("starts_at", "must be an RFC 3339 date such as 2026-03-01T00:00:00Z")
    window = reader.integer("window_seconds", 1, LONGEST_WINDOW_SECONDS)
    burn_in = reader.integer("burn_in_seconds", 0, LONGEST_WINDOW_SECONDS)
    if burn_in >= window:
        reader.senseless("burn_in_seconds", "must be shorter than the window")
    arms = _schedule(reader, arm_count)
    count = min(map(len, arms.values()), default=0)
    return Switchback(start or 0, window * 1000, burn_in * 1000, count, arms)


def _schedule(reader: Reader, arm_count: int) -> dict[str, str]:
    table = reader.table("schedule")
    arms = {region: row for region, row in table.items() if isinstance(row, str) and _ARMS.fullmatch(row)}
    if not arms or len(arms) < len(table):
        reader.malformed("schedule", "must give each region a digit for each window, and name a region")
    if len({len(row) for row in arms.values()}) > 1:
        reader.senseless("schedule", "must give all regions the same number of windows")
    if any(len(row) > LARGEST_WINDOW_COUNT for row in arms.values()):
        reader.senseless("schedule", f"must have at most {LARGEST_WINDOW_COUNT:,} windows")
    if any(int(max(row)) >= arm_count for row in arms.values()):
        reader.senseless("schedule", f"must name arms by their index, 0 to {arm_count - 1}")
    if not all(_is_region(region) for region in table):
        reader.senseless("schedule", f"must name regions by unit ids of at most {LONGEST_REGION_BYTES} bytes")
    return arms


def _is_region(region: str) -> bool:
    return canonical_unit(region) is not None and len(region.encode()) <= LONGEST_REGION_BYTES
