"""How many units, how long, how small an effect: planning before data, fixed horizon.

Never judges a finished experiment by its own estimate ("post-hoc power").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from scipy import optimize, special, stats

from equipoise_stats.faults import require

DAYS_IN_WEEK = 7
_LONGEST_DAYS = 3660


@dataclass(frozen=True, slots=True)
class PowerTarget:
    """What is promised: two-sided alpha, power, and how many treatments share alpha. Raises InputError."""

    alpha: float = 0.05
    power: float = 0.8
    treatments: int = 1

    def __post_init__(self) -> None:
        require(
            (0 < self.alpha < 1, "alpha lies between 0 and 1"),
            (self.alpha / 2 < self.power < 1, "power lies between alpha/2 and 1"),
            (self.treatments >= 1, "treatments is at least 1"),
        )

    @property
    def tail(self) -> float:
        """alpha / 2, shared among the treatments (Bonferroni)."""
        return self.alpha / 2 / self.treatments

    @property
    def reach(self) -> float:
        """z_{alpha/2} + z_power: the detectable effect in standard errors."""
        return _z(self.tail) + _z(1 - self.power)


DEFAULT_TARGET = PowerTarget()


def units_per_arm(
    effect: float,
    unit_variance: float,
    target: PowerTarget = DEFAULT_TARGET,
    *,
    treatment_unit_variance: float | None = None,
    treatment_per_control: float = 1.0,
) -> float:
    """Control units for an absolute effect: reach² (s2_T/k + s2_C) / effect²; not rounded.

    unit_variance: of the estimator, so linearised for a ratio, residual after covariates.
    treatment_per_control: k, units of the treatment for each unit of the control. Raises InputError.
    """
    require(
        (abs(effect) > 0, f"effect must be another number than 0, not {effect}"),
        *_spreads(unit_variance, treatment_per_control),
        (
            treatment_unit_variance is None or treatment_unit_variance >= 0,
            "treatment_unit_variance: 0 or more",
        ),
    )
    s2_t = unit_variance if treatment_unit_variance is None else treatment_unit_variance
    return target.reach**2 * (s2_t / treatment_per_control + unit_variance) / effect**2


def detectable_effect(
    unit_variance: float,
    control_units: float,
    target: PowerTarget = DEFAULT_TARGET,
    *,
    treatment_per_control: float = 1.0,
) -> float:
    """The absolute MDE, in the metric's unit, at so many control units: reach √(s² (1/k + 1) / n).

    unit_variance, treatment_per_control: as for `units_per_arm`. Raises InputError.
    """
    require(_some("control_units", control_units), *_spreads(unit_variance, treatment_per_control))
    spread = unit_variance * (1 / treatment_per_control + 1) / control_units
    return target.reach * math.sqrt(spread)


def power_of_effect(
    effect: float, unit_variance: float, control_units: float, target: PowerTarget = DEFAULT_TARGET
) -> float:
    """The chance to detect an absolute effect with equal arms, normal approximation. Raises InputError."""
    require(_some("control_units", control_units), _some("unit_variance", unit_variance))
    error = math.sqrt(2 * unit_variance / control_units)
    return float(special.ndtr(abs(effect) / error - _z(target.tail)))


def power_of_t_test(effect: float, sd: float, units: float, target: PowerTarget = DEFAULT_TARGET) -> float:
    """The chance to detect an effect with equal arms of few units: noncentral t, 2n - 2 df.

    effect, sd: in the metric's unit; units: per arm, more than 1. Raises InputError.
    """
    require(_some("sd", sd), (units > 1, f"units must be more than 1, not {units}"))
    df = 2 * units - 2
    shift = abs(effect) / sd * math.sqrt(units / 2)
    critical = stats.t.isf(target.tail, df)
    # The far tail as an upper one: as a lower one it underflows to NaN.
    return float(stats.nct.sf(critical, df, shift) + stats.nct.sf(critical, df, -shift))


def units_per_arm_of_t_test(effect: float, sd: float, target: PowerTarget = DEFAULT_TARGET) -> float:
    """Units per arm of a t test, not rounded (as R power.t.test); 2 at least. Raises InputError."""
    require(_some("sd", sd), (abs(effect) > 0, f"effect must be another number than 0, not {effect}"))
    normal = units_per_arm(effect, sd**2, target)
    return _root(lambda n: power_of_t_test(effect, sd, n, target) - target.power, normal + 2)


def power_of_rates(
    control_rate: float, treatment_rate: float, units: float, target: PowerTarget = DEFAULT_TARGET
) -> float:
    """The chance to tell two rates apart, pooled variance under the null (Fleiss 1981).

    Rates lie between 0 and 1; units: per arm. Raises InputError.
    """
    require(*_rates(control_rate=control_rate, treatment_rate=treatment_rate), _some("units", units))
    p, q = control_rate, treatment_rate
    null = math.sqrt((p + q) * (1 - (p + q) / 2))
    apart = math.sqrt(p * (1 - p) + q * (1 - q))
    z = (math.sqrt(units) * abs(p - q) - _z(target.tail) * null) / apart
    return float(special.ndtr(z))


def units_per_arm_of_rates(
    control_rate: float, treatment_rate: float, target: PowerTarget = DEFAULT_TARGET
) -> float:
    """Units per arm to tell two rates apart, not rounded (as R power.prop.test). Raises InputError."""
    require(
        *_rates(control_rate=control_rate, treatment_rate=treatment_rate),
        (control_rate != treatment_rate, "treatment_rate must be another than control_rate"),
    )
    p, q = control_rate, treatment_rate
    null = math.sqrt((p + q) * (1 - (p + q) / 2))
    apart = math.sqrt(p * (1 - p) + q * (1 - q))
    return ((_z(target.tail) * null + _z(1 - target.power) * apart) / (p - q)) ** 2


def detectable_lift_of_rate(rate: float, units: float, target: PowerTarget = DEFAULT_TARGET) -> float | None:
    """The relative MDE of a rate, its variance in the treatment under the alternative.

    units: per arm. None when even a rise to 100 % would not be seen. Raises InputError.
    """
    require(*_rates(rate=rate), _some("units", units))

    def short(lift: float) -> float:
        raised = rate * (1 + lift)
        error = math.sqrt((rate * (1 - rate) + raised * (1 - raised)) / units)
        return rate * lift - target.reach * error

    largest = 1 / rate - 1
    if short(largest) < 0:
        return None
    return float(optimize.brentq(short, 0.0, largest, xtol=1e-14))


def units_per_arm_of_guardrail(
    value: float, unit_variance: float, margin: float, target: PowerTarget = DEFAULT_TARGET
) -> float:
    """Units per arm to show a harmless treatment to be within a relative margin.

    One-sided at alpha: (z_alpha + z_power)² s2 (1 + (1 - m)²) / (m value)². margin: 0.02 is 2 %. Raises
    InputError.
    """
    require(
        (abs(value) > 0, f"value must be another number than 0, not {value}"),
        (unit_variance >= 0, f"unit_variance must be 0 or more, not {unit_variance}"),
        _some("margin", margin),
    )
    reach = _z(target.alpha) + _z(1 - target.power)
    return reach**2 * unit_variance * (1 + (1 - margin) ** 2) / (margin * value) ** 2


@dataclass(frozen=True, slots=True)
class Duration:
    """Days until enough units have come, and whole weeks to plan (at least one)."""

    days: int
    recommended_days: int


def duration(units: float, new_units_by_day: Sequence[float]) -> Duration | None:
    """Days to gather so many distinct units; after the last given day its rate goes on.

    new_units_by_day: units not seen before, by day; falls as visitors return. None when the
    units never come (or not within ten years). Raises InputError.
    """
    require(
        (units >= 0, f"units must be 0 or more, not {units}"),
        (all(new >= 0 for new in new_units_by_day), "new_units_by_day must be 0 or more"),
    )
    days, gathered = 0, 0.0
    while gathered < units:
        if days >= _LONGEST_DAYS:
            return None
        gathered += _new_units(new_units_by_day, days)
        days += 1
    weeks = max(1, math.ceil(days / DAYS_IN_WEEK))
    return Duration(days, weeks * DAYS_IN_WEEK)


@dataclass(frozen=True, slots=True)
class Baseline:
    """A metric before the experiment: its value and the variance of one unit's contribution."""

    value: float
    unit_variance: float


@dataclass(frozen=True, slots=True)
class WeekRow:
    """What an experiment of so many weeks can detect; lift is None when the baseline is not positive."""

    week: int
    control_units: float
    effect: float
    lift: float | None


def detectable_by_week(
    baseline: Baseline,
    new_units_by_day: Sequence[float],
    target: PowerTarget = DEFAULT_TARGET,
    *,
    weeks: int = 8,
    control_share: float | None = None,
) -> tuple[WeekRow, ...]:
    """The MDE after 1, 2, ... weeks. control_share: of all units; equal arms when not given.

    The other units are split equally among the treatments. Weeks without units are left out. Raises
    InputError.
    """
    share = 1 / (target.treatments + 1) if control_share is None else control_share
    require((0 < share < 1, f"control_share must lie between 0 and 1, not {share}"))
    k = (1 - share) / target.treatments / share
    rows = []
    for week in range(1, weeks + 1):
        units = sum(_new_units(new_units_by_day, day) for day in range(week * DAYS_IN_WEEK))
        if units <= 0:
            continue
        effect = detectable_effect(baseline.unit_variance, units * share, target, treatment_per_control=k)
        lift = effect / baseline.value if baseline.value > 0 else None
        rows.append(WeekRow(week, units * share, effect, lift))
    return tuple(rows)


def _some(name: str, number: float) -> tuple[bool, str]:
    return number > 0, f"{name} must be above 0, not {number}"


def _spreads(unit_variance: float, treatment_per_control: float) -> tuple[tuple[bool, str], ...]:
    return (
        (unit_variance >= 0, f"unit_variance must be 0 or more, not {unit_variance}"),
        _some("treatment_per_control", treatment_per_control),
    )


def _rates(**rates: float) -> Iterator[tuple[bool, str]]:
    for name, rate in rates.items():
        yield 0 < rate < 1, f"{name} must lie between 0 and 1, not {rate}"


def _new_units(by_day: Sequence[float], day: int) -> float:
    return by_day[min(day, len(by_day) - 1)] if by_day else 0.0


def _root(short: Callable[[float], float], guess: float) -> float:
    low = 2.0  # fewer units have no variance
    if short(low) >= 0:
        return low
    high = guess
    while short(high) < 0:
        high *= 2
    return float(optimize.brentq(short, low, high, xtol=1e-10))


def _z(tail: float) -> float:
    return float(-special.ndtri(tail))
