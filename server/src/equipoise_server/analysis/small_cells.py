"""Which cells of a breakdown are too small to be shown: whoever knows one unit would learn about another."""

from __future__ import annotations

FEWEST_UNITS = 20
"""In each arm."""
TOO_FEW = "Fewer than 20 units in an arm, so nothing is shown."


def is_small(*units: int) -> bool:
    """Whether one of a cell's arms has too few units."""
    return min(units, default=0) < FEWEST_UNITS


def shown_counts(counts: tuple[int, ...]) -> tuple[int | None, ...]:
    """The counts of a cell; None for those that are too small."""
    return tuple(None if is_small(count) else count for count in counts)
