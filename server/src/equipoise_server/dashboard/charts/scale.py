"""Linear scales and round ticks."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps [low, high] to [start, end]; `end` may be smaller (y grows downwards)."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Where a value lies; values outside the range are kept on its edge."""
        kept = min(max(value, self.low), self.high)
        share = (kept - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def padded(low: float, high: float, share: float = 0.06) -> tuple[float, float]:
    """The range with some air, never empty."""
    if high <= low:
        return low - 0.01, low + 0.01
    air = (high - low) * share
    return low - air, high + air


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers inside the range: multiples of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / max(about, 1)
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * nice for nice in (1, 2, 5, 10) if power * nice >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]


def thinned(count: int, most: int) -> list[int]:
    """Indexes of at most `most` items at equal distances: the last always, the first where it fits."""
    if count <= most:
        return list(range(count))
    least = math.ceil((count - 1) / (most - 1))
    fitting = (step for step in range(least, 2 * least + 1) if (count - 1) % step == 0)
    step = next(fitting, least)
    return list(range((count - 1) % step, count, step))
