"""What everything that was launched did together: units that a holdout held back, against all others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from equipoise_server.analysis.further_values import Interval
from equipoise_server.metrics.values import Direction


@dataclass(frozen=True, slots=True)
class ImpactLine:
    """One metric of the open units against the held ones; intervals hold however often one reads."""

    metric: str
    name: str
    display: str
    direction: Direction
    held_value: float | None
    open_value: float | None
    effect: float | None
    effect_interval: Interval | None
    lift: float | None
    lift_interval: Interval | None
    reason: str
    """Why something above is None; "" when nothing is."""
    promised: float | None = None
    """What the lifts of the shipped experiments on this metric come to together, as they were measured."""
    promised_by: int = 0
    """From how many of them."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """An experiment whose treatment was shipped since the season began."""

    experiment: str
    name: str
    arm: str
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class HoldoutImpact:
    """One season of a holdout in one environment. With `withheld` there are no lines."""

    holdout_id: UUID
    environment_id: UUID
    season: int
    computed_at: datetime
    held_units: int
    open_units: int
    srm_p_value: float | None
    withheld: str
    lines: tuple[ImpactLine, ...]
    shipped: tuple[Shipped, ...]
