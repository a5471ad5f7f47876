"""Schedules that switch whole regions between arms over time, and how to draw them again.

Never alternates: a fixed rhythm cannot be told from a daily cycle. The seed is part of the
stored design, because randomisation inference must draw from the same rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from equipoise_stats.faults import require

Schedule = np.ndarray[tuple[int, ...], np.dtype[np.int8]]

DAYS_IN_WEEK = 7
# Each arm's share of any hour of the day or day of the week is kept within 20 % of one half.
MOST_LOPSIDED = 0.1
FEWEST_SWITCHES = 8
_MOST_TRIES = 20_000
_BATCH = 64


class Pairing(StrEnum):
    """Which two windows at the same hour get one arm each: adjacent days, or adjacent weeks."""

    DAYS = "days"
    WEEKS = "weeks"


@dataclass(frozen=True, slots=True)
class SwitchbackPlan:
    """What a schedule is drawn from. Raises InputError with every fault.

    regions, days; windows_per_day: windows of equal length, at least 3 to 4 times as long as
    an effect carries over. days: a multiple of 2 (pairs of days) or 14 (pairs of weeks).
    """

    regions: int
    days: int
    windows_per_day: int
    seed: int
    pairing: Pairing = Pairing.DAYS

    def __post_init__(self) -> None:
        block = 2 * self.block_days
        require(
            (self.regions >= 1, f"regions: at least 1, not {self.regions}"),
            (self.windows_per_day >= 1, f"windows_per_day: at least 1, not {self.windows_per_day}"),
            (
                self.days >= block and self.days % block == 0,
                f"days: a multiple of {block} to pair {self.pairing}, not {self.days}",
            ),
            (self.seed >= 0, f"seed: 0 or more, not {self.seed}"),
        )

    @property
    def block_days(self) -> int:
        """Days in each half of a pair."""
        return 1 if self.pairing is Pairing.DAYS else DAYS_IN_WEEK

    @property
    def windows(self) -> int:
        """Windows per region."""
        return self.days * self.windows_per_day

    @property
    def hours(self) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        """The window of the day, (windows,)."""
        return np.arange(self.windows) % self.windows_per_day

    @property
    def weekdays(self) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        """The day of the week, from the first day, (windows,)."""
        return np.arange(self.windows) // self.windows_per_day % DAYS_IN_WEEK

    @property
    def hours_of_week(self) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        """The window of the week, (windows,)."""
        return self.weekdays * self.windows_per_day + self.hours


@dataclass(frozen=True, slots=True, eq=False)
class SwitchbackDesign:
    """A stored schedule: treated (regions, windows) of 0 and 1, and the plan it was drawn from."""

    plan: SwitchbackPlan
    treated: Schedule


@dataclass(frozen=True, slots=True)
class DesignBalance:
    """How even a schedule is: the largest distance of a treated share from 1/2, fewest switches."""

    by_hour: float
    by_weekday: float
    fewest_switches: int

    @property
    def is_balanced(self) -> bool:
        """Whether the schedule may run."""
        return (
            max(self.by_hour, self.by_weekday) <= MOST_LOPSIDED + 1e-9
            and self.fewest_switches >= FEWEST_SWITCHES
        )


def switchback_design(plan: SwitchbackPlan) -> SwitchbackDesign:
    """Draw the schedule of a plan: the same for the same plan, whoever asks.

    Within a region each pair of like windows gets both arms, in random order; across regions
    each pair is split in halves. Raises InputError when no balanced schedule is found.
    """
    rng = np.random.default_rng(plan.seed)
    return SwitchbackDesign(plan, draw_schedules(plan, 1, rng=rng)[0])


def draw_schedules(plan: SwitchbackPlan, draws: int, *, rng: np.random.Generator) -> Schedule:
    """Balanced schedules by the same rule, (draws, regions, windows), for randomisation inference."""
    found: list[Schedule] = []
    held = tried = 0
    while held < draws:
        batch = _unchecked(plan, min(max(draws - held, _BATCH), 4 * _BATCH), rng)
        kept = batch[_balanced(plan, batch)]
        found.append(kept)
        held, tried = held + len(kept), tried + len(batch)
        require(
            (
                held > 0 or tried < _MOST_TRIES,
                "no balanced schedule: use more days, more windows a day or more regions",
            )
        )
    return np.concatenate(found)[:draws]


def balance(design: SwitchbackDesign) -> DesignBalance:
    """How even the schedule is; see DesignBalance."""
    plan, treated = design.plan, design.treated
    by_hour, by_weekday = (_lopsided(treated[None], of)[0] for of in (plan.hours, plan.weekdays))
    return DesignBalance(float(by_hour), float(by_weekday), int(_switches(treated[None])[0]))


def optimal_points(periods: int, carryover: int) -> tuple[int, ...]:
    """When to randomise one region over T periods if effects last m: 1, 2m+1, 3m+1, ... (1-based).

    Minimax optimal for T divisible by m with T/m of 4 or more (Bojinov, Simchi-Levi & Zhao
    2023, thm. 2). With m = 0 every period is randomised.
    """
    require((carryover >= 0, "carryover: 0 or more periods"), (periods >= 1, "periods: at least 1"))
    if carryover == 0:
        return tuple(range(1, periods + 1))
    require(
        (
            periods % carryover == 0 and periods // carryover >= 4,  # noqa: PLR2004 - theorem 2
            f"periods must be a multiple of {carryover}, at least {4 * carryover}, not {periods}",
        )
    )
    return (1, *range(2 * carryover + 1, periods - 2 * carryover + 2, carryover))


def _unchecked(plan: SwitchbackPlan, draws: int, rng: np.random.Generator) -> Schedule:
    """Pairs of blocks: the second half of each is the first one turned round."""
    half = plan.block_days * plan.windows_per_day
    pairs = plan.windows // (2 * half)
    shape = (draws, plan.regions, pairs, half)
    rank = np.argsort(np.argsort(rng.random(shape), axis=1), axis=1)
    # With an odd number of regions the middle one is a coin toss.
    coin = rng.integers(0, 2, (draws, 1, pairs, half))
    first = (2 * rank + coin < plan.regions).astype(np.int8)
    return np.stack((first, 1 - first), axis=3).reshape(draws, plan.regions, plan.windows)


def _balanced(plan: SwitchbackPlan, treated: Schedule) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    worst = np.maximum(_lopsided(treated, plan.hours), _lopsided(treated, plan.weekdays))
    return np.asarray((worst <= MOST_LOPSIDED + 1e-9) & (_switches(treated) >= FEWEST_SWITCHES))


def _lopsided(
    treated: Schedule, of: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The farthest any group's treated share lies from one half, (draws,)."""
    share = treated.mean(axis=1)
    groups = np.zeros((len(of), int(of.max()) + 1))
    groups[np.arange(len(of)), of] = 1
    return np.asarray(np.abs(share @ (groups / groups.sum(axis=0)) - 0.5).max(axis=1), dtype=np.float64)


def _switches(treated: Schedule) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """The fewest switches of any region, (draws,)."""
    return np.asarray(np.abs(np.diff(treated, axis=2)).sum(axis=2, dtype=np.int64).min(axis=1))
