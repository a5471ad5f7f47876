"""What a switchback could find, from weeks in which nothing was switched: its schedule drawn over them.

Knows past window tables and a plan. Windows are the observations: how many units a window holds, and how
alike they are, is in the table already.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from equipoise_stats.estimates import Status, Undefined
from equipoise_stats.faults import require
from equipoise_stats.moments import FloatArray
from equipoise_stats.power import DEFAULT_TARGET, PowerTarget
from equipoise_stats.switchback import Panel
from equipoise_stats.switchback_designs import Schedule, SwitchbackPlan, draw_schedules

FEWEST_DRAWS = 2
_ROUNDING = 1e-9
_SMALLEST = 1e-12
_BATCH = 50


@dataclass(frozen=True, slots=True)
class SwitchbackPower:
    """What a plan of so many days could find.

    mean: of the past windows, so that detectable_effect / mean is the smallest lift. standard_error: how
    far estimates spread over the schedules drawn, where there was nothing to find. rough_error: 2 s / √W,
    s² being what region and hour of the week leave of a window's variance: right for windows that know
    nothing of each other, too large where the days of a pair are alike. All are in the metric's unit.
    """

    mean: float
    standard_error: float
    rough_error: float
    detectable_effect: float
    days: int
    block_days: int

    def detectable_after(self, days: float) -> float:
        """The smallest effect of a plan of so many days: it falls with the root of the days."""
        require((days > 0, f"days must be above 0, not {days}"))
        return self.detectable_effect * math.sqrt(self.days / days)

    def days_needed(self, effect: float) -> int:
        """The shortest plan, in whole pairs of days or weeks, that can find an absolute effect."""
        require(
            (math.isfinite(effect) and effect != 0, f"effect must be a number other than 0, not {effect}")
        )
        days = self.days * (self.detectable_effect / effect) ** 2
        return max(1, math.ceil(days / self.block_days - _ROUNDING)) * self.block_days


def switchback_power(
    outcome: ArrayLike,
    plan: SwitchbackPlan,
    *,
    rng: np.random.Generator,
    draws: int = 500,
    target: PowerTarget = DEFAULT_TARGET,
) -> SwitchbackPower | Undefined:
    """What a switchback could find, by A/A replay: its schedule drawn again and again over past weeks.

    outcome: (regions, past windows) window means after the burn-in, NaN where not observed; whole pairs of
    days (or weeks), as many as there are, of the same hours as the plan's. Each schedule is judged as
    `switchback_effect` judges; there was no effect, so the estimates spread by chance alone, and by what
    windows have in common. Raises InputError with every fault.
    """
    table = np.asarray(outcome, dtype=np.float64)
    block = 2 * plan.block_days
    windows = table.shape[-1] if table.ndim else 0
    past, rest = divmod(windows, plan.windows_per_day)
    is_table = table.ndim == 2 and table.shape[0] == plan.regions  # noqa: PLR2004 - regions and windows
    are_pairs = past >= block and past % block == 0 and rest == 0
    require(
        (is_table, f"outcome must have shape ({plan.regions}, windows)"),
        (are_pairs, f"outcome: a multiple of {block} past days, {plan.windows_per_day} windows each"),
        (not bool(np.isinf(table).any()), "outcomes must be finite, or NaN where not observed"),
        (draws >= FEWEST_DRAWS, f"draws: at least {FEWEST_DRAWS}"),
    )
    then = replace(plan, days=past)
    found = _replayed(table, then, draw_schedules(then, draws, rng=rng))
    if found is None:
        return Undefined(Status.NOT_IDENTIFIABLE)
    error, rough = (one * math.sqrt(past / plan.days) for one in found)
    if error <= _SMALLEST * float(np.nanmax(np.abs(table))):
        return Undefined(Status.ZERO_VARIANCE)
    mean = float(np.nanmean(table))
    return SwitchbackPower(mean, error, rough, target.reach * error, plan.days, block)


def _replayed(table: FloatArray, then: SwitchbackPlan, schedules: Schedule) -> tuple[float, float] | None:
    """How far the estimates of these schedules spread, and the rough error; None when too few tell."""
    seen = np.isfinite(table)
    regions, windows = np.nonzero(seen)
    panel = Panel(regions, then.hours_of_week[windows])
    free = len(regions) - panel.basis.shape[1] - 1
    left = panel.residual(table[seen])
    estimates: list[float] = []
    for first in range(0, len(schedules), _BATCH):
        drawn = schedules[first : first + _BATCH, seen].astype(np.float64)
        squares = drawn.sum(axis=1) - np.sum((drawn @ panel.basis) ** 2, axis=1)  # of what effects leave
        usable = squares > _ROUNDING * len(regions)
        estimates += (drawn[usable] @ left / squares[usable]).tolist()
    if free <= 0 or len(estimates) < FEWEST_DRAWS:
        return None
    return float(np.std(estimates, ddof=1)), 2 * math.sqrt(float(left @ left) / free / len(left))
