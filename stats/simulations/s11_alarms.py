"""S11: how soon the alarm stops harm, read hourly, and how often it stops the harmless."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipoise_stats import (
    Alarm,
    AlarmRule,
    Direction,
    Estimate,
    Margin,
    MarginKind,
    Status,
    alarm,
    one_sided_multiplier,
    rate_alarm,
)
from simulations.paths import Floats, at_most
from simulations.study import Row, StudyResult, main

CI, FULL = 2_000, 4_000
ALPHA = 0.01
HOURS = 14 * 24


def study(replications: int, seed: int) -> StudyResult:
    """Median delays in hours, false stops, and a heavy-tailed 1 % canary."""
    rng = np.random.default_rng(seed)
    runs = max(replications // 4, 300)
    rows = []
    for label, daily, values, latest in (
        ("revenue 5 (sd 20), -10 %, 20,000 a day", 20_000, (5.0, 4.5, 20.0), 38),
        ("conversion 5 %, -10 %, 20,000 a day", 20_000, (0.05, 0.045, None), 45),
        ("conversion 5 %, -10 %, 100,000 a day", 100_000, (0.05, 0.045, None), 11),
        ("crashes 0.5 % to 1 %, 20,000 a day", 20_000, (0.005, 0.01, None), 9),
    ):
        delays = [_hours_until(rng, daily, values) for _ in range(runs)]
        rows.append(Row(f"median hours: {label}", float(np.median(delays)), 0.0, 1.15 * latest))
    rows.append(at_most("false stops in 14 days, hourly", _false_stops(rng, replications), ALPHA))
    rows += _canary(rng, runs)
    return StudyResult("S11 Alarms", replications, tuple(rows))


def _hours_until(rng: np.random.Generator, daily: int, values: tuple[float, float, float | None]) -> float:
    """Hours until the engine's alarm sounds; infinite when it does not within 14 days."""
    control, treatment, sd = values
    direction = Direction.DECREASE if treatment > control else Direction.INCREASE
    rule = AlarmRule(Margin(MarginKind.RELATIVE, 0.0), direction, ALPHA, 2.0 * daily)
    totals = [0.0, 0.0]
    for hour in range(1, HOURS + 1):
        n = daily * hour // 24
        for arm, mean in enumerate((treatment, control)):
            new = daily * hour // 24 - daily * (hour - 1) // 24
            totals[arm] += rng.binomial(new, mean) if sd is None else rng.normal(mean * new, sd * new**0.5)
        treated, untreated = (_estimate(total, n, sd) for total in totals)
        found = (
            rate_alarm(treated, untreated, rule, share=0.5) if sd is None else alarm(treated, untreated, rule)
        )
        if isinstance(found, Alarm) and found.breached:
            return float(hour)
    return np.inf


def _estimate(total: float, n: int, sd: float | None) -> Estimate:
    mean = total / n
    variance = mean * (1 - mean) if sd is None else sd * sd
    if variance == 0:
        return Estimate(n, mean, None, None, Status.ZERO_VARIANCE)
    return Estimate(n, mean, variance / n, variance, Status.OK)


def _false_stops(rng: np.random.Generator, runs: int) -> NDArray[np.bool_]:
    """Which harmless experiments of 20,000 units an arm and day the alarm stops within 14 days."""
    n = 20_000 / 24 * np.arange(1, HOURS + 1, dtype=np.float64)
    z = rng.standard_normal((runs, HOURS)).cumsum(axis=1) / np.sqrt(np.arange(1, HOURS + 1))
    return np.asarray((z < -one_sided_multiplier((2 * n).astype(np.float64), 40_000, ALPHA)).any(axis=1))


def _canary(rng: np.random.Generator, runs: int) -> list[Row]:
    """A harmless 1 % canary of zero-inflated log-normal revenue, 100 treated units a day."""
    cap = float(np.quantile(_revenue(rng, 400_000), 0.999))
    capped = np.array([_stops(rng, cap, welch=False) for _ in range(runs)])
    welch = float(np.mean([_stops(rng, np.inf, welch=True) for _ in range(runs)]))
    return [
        at_most("false stops of a canary, control's variance, capped", capped, ALPHA),
        Row("false stops of a canary, Welch's variance", welch, 0.25, 1.0, is_foil=True),
    ]


def _stops(rng: np.random.Generator, cap: float, *, welch: bool) -> bool:
    """Whether the alarm stops a harmless canary in 14 days of 100 treated units."""
    treated = np.minimum(_revenue(rng, 1_400), cap)
    looks = np.arange(100, 1_401, 4)  # about hourly, from the least number of units on
    n_control = looks * 99
    # The control is 99 times as large: its mean and variance are near the truth at every look.
    control = np.minimum(_revenue(rng, 60_000), cap)
    drift = rng.standard_normal(len(looks)) * control.std() / np.sqrt(n_control)
    mean = treated.cumsum()[looks - 1] / looks
    square = (treated**2).cumsum()[looks - 1] / looks
    own = np.maximum(square - mean**2, 1e-12)
    variance = own if welch else np.full(len(looks), control.var())
    error = np.sqrt(variance / looks + control.var() / n_control)
    reach = one_sided_multiplier((looks + n_control).astype(np.float64), 10_000.0, ALPHA)
    difference = mean - (control.mean() + drift)
    return bool((difference + reach * error < 0).any())


def _revenue(rng: np.random.Generator, n: int) -> Floats:
    return np.asarray(rng.lognormal(3.0, 1.5, n) * (rng.random(n) < 0.05))


if __name__ == "__main__":
    main(study, FULL)
