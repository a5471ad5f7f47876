"""Which slots of a layer a new iteration gets: first fit, in one piece where possible. Knows no database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil

SLOT_COUNT = 10_000

SlotRange = tuple[int, int]
"""First slot and one past the last."""


def wanted_slots(share: float) -> int:
    """How many slots a share of a layer is; never none."""
    return max(1, ceil(round(share * SLOT_COUNT, 6)))


def free_ranges(taken: Iterable[SlotRange]) -> tuple[SlotRange, ...]:
    """The gaps between the taken ranges, in order."""
    gaps, reached = [], 0
    for first, end in sorted(taken):
        if first > reached:
            gaps.append((reached, first))
        reached = max(reached, end)
    if reached < SLOT_COUNT:
        gaps.append((reached, SLOT_COUNT))
    return tuple(gaps)


def slot_count(ranges: Iterable[SlotRange]) -> int:
    """How many slots some ranges hold."""
    return sum(end - first for first, end in ranges)


def allocate(taken: Iterable[SlotRange], wanted: int) -> tuple[SlotRange, ...] | None:
    """The ranges for a new iteration, or None when the layer has not that much room."""
    gaps = free_ranges(taken)
    for first, end in gaps:
        if end - first >= wanted:
            return ((first, first + wanted),)
    return _gathered(gaps, wanted)


def _gathered(gaps: Sequence[SlotRange], wanted: int) -> tuple[SlotRange, ...] | None:
    ranges: list[SlotRange] = []
    for first, end in gaps:
        piece = min(end - first, wanted - slot_count(ranges))
        if piece:
            ranges.append((first, first + piece))
    return tuple(ranges) if slot_count(ranges) == wanted else None
