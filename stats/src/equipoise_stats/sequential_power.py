"""Planning a test that is looked at while it runs: power, inflation, units at the stop.

Exact by the recursion of the bounds, for group-sequential designs and for sequences alike.
Refuses to know data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from equipoise_stats.faults import InputError, require
from equipoise_stats.group_sequential import equal_looks, exit_probabilities, group_sequential_bounds
from equipoise_stats.power import DEFAULT_TARGET, PowerTarget
from equipoise_stats.sequences import two_sided_multiplier
from equipoise_stats.spending import DEFAULT_LOOKS, LookPlan, check_information


@dataclass(frozen=True, slots=True)
class SequentialPower:
    """What a plan of looks promises.

    power: the chance to cross at any look. expected_share: of the planned units when one stops
    at the first crossing. by_look: chance to have crossed by each look.
    """

    power: float
    expected_share: float
    by_look: tuple[float, ...]


def power_of_bounds(information: Sequence[float], critical: Sequence[float], drift: float) -> SequentialPower:
    """Power of two-sided bounds. drift: effect / SE at information 1, so 2.80 for 80 % at one look.

    information, critical: (looks,). Raises InputError.
    """
    require((math.isfinite(drift), f"drift must be a number, not {drift}"))
    first = exit_probabilities(information, critical, drift=drift)
    power = float(first.sum())
    share = float(first @ np.asarray(information)) + (1 - power) * information[-1]
    return SequentialPower(power, share, tuple(first.cumsum().tolist()))


def inflation_of_bounds(
    information: Sequence[float], critical: Sequence[float], target: PowerTarget = DEFAULT_TARGET
) -> float:
    """Planned units over those of a fixed test of the same power, (drift / reach)².

    Jennison & Turnbull 2000, sec. 2.3.2. Raises InputError when the bounds cannot give the power.
    """

    def short(drift: float) -> float:
        return float(exit_probabilities(information, critical, drift=drift).sum()) - target.power

    highest = max(critical) / math.sqrt(information[0]) + 10
    if short(0.0) >= 0 or short(highest) <= 0:
        raise InputError((f"power {target.power} is not what these bounds can give",))
    drift = float(optimize.brentq(short, 0.0, highest, xtol=1e-9))
    return (drift / target.reach) ** 2


def sequential_inflation(
    information: Sequence[float], target: PowerTarget = DEFAULT_TARGET, plan: LookPlan = DEFAULT_LOOKS
) -> float:
    """The inflation of a group-sequential plan; treatments share alpha as in the target."""
    bounds = group_sequential_bounds(information, 2 * target.tail, plan)
    return inflation_of_bounds(bounds.information, bounds.critical, target)


def sequence_bounds(
    information: Sequence[float], alpha: float = 0.05, *, tuned_at: float = 1.0
) -> tuple[float, ...]:
    """The multipliers of a confidence sequence at these looks.

    tuned_at: n* over the planned units; the sequence is tightest there.
    """
    times = check_information(information)
    require((tuned_at > 0, f"tuned_at must be above 0, not {tuned_at}"))
    return tuple(two_sided_multiplier(np.array(times), tuned_at, alpha).tolist())


def sequence_power(
    drift: float, *, looks: int = 14, alpha: float = 0.05, tuned_at: float = 1.0
) -> SequentialPower:
    """The power of a confidence sequence that is read at so many equal looks up to the planned units."""
    times = equal_looks(looks)
    return power_of_bounds(times, sequence_bounds(times, alpha, tuned_at=tuned_at), drift)


def sequence_inflation(
    target: PowerTarget = DEFAULT_TARGET, *, looks: int = 14, tuned_at: float = 1.0
) -> float:
    """Units that a sequence needs over those of a fixed test; tuned_at moves with the units."""
    times = equal_looks(looks)
    return inflation_of_bounds(times, sequence_bounds(times, 2 * target.tail, tuned_at=tuned_at), target)


@dataclass(frozen=True, slots=True)
class SequencePowerRow:
    """A row of the table: looks, tuning, power where a fixed test has the target's, inflation."""

    looks: int
    tuned_at: float
    power: float
    inflation: float


def sequence_power_table(
    target: PowerTarget = DEFAULT_TARGET,
    *,
    looks: Sequence[int] = (7, 14, 28, 56),
    tuned_at: Sequence[float] = (0.05, 0.25, 1.0, 4.0),
) -> tuple[SequencePowerRow, ...]:
    """What waiting for no end costs, by number of looks and tuning."""
    return tuple(
        SequencePowerRow(
            k,
            tuning,
            sequence_power(target.reach, looks=k, alpha=2 * target.tail, tuned_at=tuning).power,
            sequence_inflation(target, looks=k, tuned_at=tuning),
        )
        for k in looks
        for tuning in tuned_at
    )
