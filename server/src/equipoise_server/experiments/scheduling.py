"""Draws the schedule of a switchback, once: balanced, from a seed, and kept. Knows no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from equipoise_server.experiments.values import Design, Schedule, Switchback
from equipoise_stats import InputError, SwitchbackPlan, switchback_design
from equipoise_stats import Pairing as Paired

MINUTES_A_DAY = 1_440


def stats_plan(plan: Switchback, seed: int) -> SwitchbackPlan:
    """The plan as statistics draw and judge it. Raises InputError with every fault."""
    return SwitchbackPlan(
        regions=len(plan.regions),
        days=plan.days,
        windows_per_day=MINUTES_A_DAY // plan.window_minutes,
        seed=seed,
        pairing=Paired(str(plan.pairing)),
    )


def first_window(plan: Switchback, now: datetime) -> datetime:
    """When the first window begins: as planned, else at the next midnight (UTC)."""
    if plan.starts_at is not None:
        return plan.starts_at
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def draw(design: Design, plan: Switchback, *, seed: int, now: datetime) -> Schedule:
    """The schedule of a design whose plan has been checked."""
    digits = arm_digits(design)
    rows = switchback_design(stats_plan(plan, seed)).treated.tolist()
    return Schedule(
        seed=seed,
        pairing=plan.pairing,
        starts_at=first_window(plan, now),
        window_seconds=plan.window_minutes * 60,
        burn_in_seconds=plan.burn_in_minutes * 60,
        days=plan.days,
        rows={
            region: "".join(digits[treated] for treated in row)
            for region, row in zip(plan.regions, rows, strict=True)
        },
    )


def arm_digits(design: Design) -> tuple[str, str]:
    """The digits of control and treatment: their places among the arms."""
    places = [str(place) for place, arm in enumerate(design.arms) if arm.key != design.control]
    control = next(str(place) for place, arm in enumerate(design.arms) if arm.key == design.control)
    return control, places[0]


def plan_faults(plan: Switchback) -> tuple[str, ...]:
    """Why statistics would not draw a schedule from a plan; empty when they would."""
    return _faults_of_drawing(plan)


@lru_cache(maxsize=64)
def _faults_of_drawing(plan: Switchback) -> tuple[str, ...]:
    try:
        switchback_design(stats_plan(plan, 0))
    except InputError as fault:
        return fault.problems
    return ()


def treated_share_by_hour(schedule: Schedule, digit: str) -> Mapping[int, float]:
    """Hour of the week, from the first window → share of its region-windows with an arm."""
    by_hour: dict[int, list[bool]] = {}
    for row in schedule.rows.values():
        for window, held in enumerate(row):
            hour = window * schedule.window_seconds // 3600 % (24 * 7)
            by_hour.setdefault(hour, []).append(held == digit)
    return {hour: _share(told) for hour, told in sorted(by_hour.items())}


def _share(told: Sequence[bool]) -> float:
    return sum(told) / len(told)
