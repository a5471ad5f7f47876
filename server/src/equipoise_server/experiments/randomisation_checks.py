"""What a design must say about how it is randomised over clusters, time and share. Knows no environment."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from equipoise_engine import canonical_unit
from equipoise_server.experiments.scheduling import MINUTES_A_DAY, plan_faults
from equipoise_server.experiments.values import Design, Spillover, Switchback
from equipoise_server.foundation.ids import KEY_RULE, is_key
from equipoise_server.foundation.refusals import Problem

FEWEST_CLUSTERS, ENOUGH_CLUSTERS = 10, 40
FEWEST_REGIONS, MOST_CELLS = 2, 100_000
LONGEST_REGION_BYTES = 240
SHORTEST_WINDOW_MINUTES = 5
MOST_STEPS, LONGEST_RAMP_HOURS = 20, 24 * 366
WHOLE = 1_000_000


def cluster_faults(design: Design, unit_types: tuple[str, ...]) -> Iterator[Problem]:
    """Clusters are declared, and enough of them carry the evidence."""
    cluster_type, count = design.cluster_type, design.cluster_count
    if not cluster_type:
        return
    if cluster_type not in unit_types:
        known = ", ".join(unit_types)
        yield Problem("cluster_type", f"The project has no unit type “{cluster_type}”; it has: {known}.")
    elif cluster_type == design.unit_type:
        yield Problem(
            "cluster_type",
            f"Every {cluster_type} would be a cluster of its own: name a larger one, or leave it empty.",
        )
    if design.switchback is not None:
        yield Problem(
            "cluster_type", "A switchback randomises regions over time; it takes no clusters beside them."
        )
    if count is None:
        yield Problem("cluster_count", f"Say how many {cluster_type}s there are: results stand on them.")
    elif count < FEWEST_CLUSTERS:
        yield Problem(
            "cluster_count",
            f"{count} clusters cannot tell an effect from chance; use at least {FEWEST_CLUSTERS}, better "
            f"{ENOUGH_CLUSTERS}, or a smaller kind of cluster.",
        )


def cluster_advice(design: Design) -> str:
    """What few clusters cost."""
    count = design.cluster_count
    if not design.cluster_type or count is None or count >= ENOUGH_CLUSTERS:
        return ""
    return (
        f"With {count} clusters intervals are wide, and whole clusters can tip the result; {ENOUGH_CLUSTERS} "
        "or more are dependable."
    )


def switchback_faults(design: Design, now: datetime) -> Iterator[Problem]:
    """A balanced schedule can be drawn, and nothing else randomises beside it."""
    plan = design.switchback
    if plan is None:
        return
    if len(design.arms) != 2 or len({arm.weight for arm in design.arms}) > 1:  # noqa: PLR2004  # a switch
        yield Problem("arms", "A switchback switches between two variants of equal weight; keep two.")
    if design.audience_parts_per_million != WHOLE or design.ramp:
        yield Problem(
            "audience_parts_per_million",
            "In a switchback a whole region has one variant at a time: set the share to 100 % and no ramp.",
        )
    if plan.starts_at is not None and plan.starts_at <= now:
        yield Problem("switchback.starts_at", "The first window lies in the past; choose a later start.")
    faults = [*_region_faults(plan), *_window_faults(plan)]
    yield from faults
    if not faults:
        yield from (
            Problem("switchback", f"No schedule can be drawn: {fault}.") for fault in plan_faults(plan)
        )


def _region_faults(plan: Switchback) -> Iterator[Problem]:
    regions = plan.regions
    if len(regions) < FEWEST_REGIONS:
        yield Problem("switchback.regions", f"Name at least {FEWEST_REGIONS} regions, one a line.")
    if len(set(regions)) < len(regions):
        yield Problem("switchback.regions", "A region is named twice; name each once.")
    for region in regions:
        if canonical_unit(region) != region or len(region.encode()) > LONGEST_REGION_BYTES:
            told = f"“{region[:40]}” is no region's id: use 1 to {LONGEST_REGION_BYTES} bytes of plain text."
            yield Problem("switchback.regions", told)


def _window_faults(plan: Switchback) -> Iterator[Problem]:
    window = plan.window_minutes
    if window < SHORTEST_WINDOW_MINUTES or MINUTES_A_DAY % max(window, 1):
        yield Problem(
            "switchback.window_minutes",
            f"Windows must divide a day, from {SHORTEST_WINDOW_MINUTES} minutes to 24 hours, such as 30, 60, "
            "120 or 240 minutes.",
        )
        return
    if not 0 <= plan.burn_in_minutes < window:
        yield Problem("switchback.burn_in_minutes", "The burn-in is shorter than a window, and not negative.")
    if plan.days < 1 or len(plan.regions) * plan.days * (MINUTES_A_DAY // window) > MOST_CELLS:
        yield Problem(
            "switchback.days", f"Plan at least a day and at most {MOST_CELLS:,} windows over all regions."
        )


def switchback_advice(design: Design) -> str:
    """What carries over from one window into the next."""
    if design.switchback is None or design.switchback.burn_in_minutes:
        return ""
    return "Without a burn-in, what is left over from the window before counts as an effect of this one."


def ramp_faults(design: Design) -> Iterator[Problem]:
    """The share only grows, in the order of time."""
    hours, parts = 0, design.audience_parts_per_million
    if len(design.ramp) > MOST_STEPS:
        yield Problem("ramp", f"A ramp has at most {MOST_STEPS} steps.")
    for index, step in enumerate(design.ramp):
        if not hours < step.after_hours <= LONGEST_RAMP_HOURS:
            told = "Each step comes later than the one before, counted in hours since the launch."
            yield Problem(f"ramp.{index}.after_hours", told)
        if not parts < step.parts_per_million <= WHOLE:
            told = "The share only grows: each step is above the one before, and at most 100 %."
            yield Problem(f"ramp.{index}.parts_per_million", told)
        hours, parts = max(hours, step.after_hours), max(parts, step.parts_per_million)


def surface_faults(design: Design) -> Iterator[Problem]:
    """A surface has a key, so that two experiments can name the same one."""
    if design.surface and not is_key(design.surface):
        yield Problem("surface", f"The surface “{design.surface}” cannot be used: {KEY_RULE}.")


def spillover_advice(design: Design) -> str:
    """A plain split lies when units reach each other."""
    if design.switchback is not None or design.cluster_type:
        return ""
    if design.spillover is Spillover.SUPPLY:
        return (
            "Units compete for one supply, so the control suffers from what the treatment takes. Use a "
            "switchback, or randomise whole markets as clusters."
        )
    if design.spillover is Spillover.SOCIAL:
        return (
            "Units reach each other, so the control sees some of the treatment. Randomise clusters of units "
            "that know each other."
        )
    return ""
