"""How alpha is spent over planned looks: Lan-DeMets spending functions.

Knows information time and alpha. Refuses to know data, bounds and dependence between looks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from scipy import special

from equipoise_stats.faults import InputError, require


class Spending(StrEnum):
    """The shape of a spending function: late, even, or set by gamma."""

    OBRIEN_FLEMING = "obrien_fleming"
    POCOCK = "pocock"
    HWANG_SHIH_DECANI = "hwang_shih_decani"


@dataclass(frozen=True, slots=True)
class LookPlan:
    """A planned end: looks before it spend alpha by information (Lan & DeMets 1983).

    gamma: of Hwang, Shih & DeCani 1990 only; -4 is close to O'Brien-Fleming, 1 to Pocock.
    smallest_step: a look that adds less information than this is skipped.
    """

    spending: Spending = Spending.OBRIEN_FLEMING
    gamma: float = -4.0
    smallest_step: float = 0.005

    def __post_init__(self) -> None:
        require(
            (math.isfinite(self.gamma), f"gamma must be a number, not {self.gamma}"),
            (0 < self.smallest_step <= 1, f"smallest_step must lie in 0..1, not {self.smallest_step}"),
        )

    def spent(self, information: float, tail: float) -> float:
        """The error probability of one side that may be used up to this information time.

        information: 0..1 of the planned total; more counts as 1. tail: of one side, so
        alpha / 2 of a two-sided test.
        """
        t = min(information, 1.0)
        if t == 1:
            return tail
        if self.spending is Spending.OBRIEN_FLEMING:
            return 2 * float(special.ndtr(special.ndtri(tail / 2) / math.sqrt(t)))
        if self.spending is Spending.POCOCK:
            return tail * math.log1p((math.e - 1) * t)
        if self.gamma == 0:
            return tail * t
        return tail * math.expm1(-self.gamma * t) / math.expm1(-self.gamma)


DEFAULT_LOOKS = LookPlan()


def check_information(information: Sequence[float]) -> tuple[float, ...]:
    """The information times as a tuple; InputError unless there are some and they rise from above 0."""
    times = tuple(float(t) for t in information)
    if not times:
        raise InputError(("information: at least one look",))
    rising = all(b > a for a, b in zip((0.0, *times), times, strict=False))
    require((rising and math.isfinite(times[-1]), f"information must rise from above 0, not {times}"))
    return times
