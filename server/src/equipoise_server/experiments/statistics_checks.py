"""What a design says of how it will be judged: looks, weights, bounds, and what exposures tell. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from math import isfinite

from equipoise_server.experiments.design_checks import SHORTEST_RUN_DAYS, DesignFacts
from equipoise_server.experiments.values import MetricRole, PlannedMetric
from equipoise_server.foundation.refusals import Problem
from equipoise_server.metrics.values import MarginKind, MetricKind

MOST_LOOKS = 100
STEEPEST = 20
"""A steeper spending function is one look."""
KINDS_OF_WINDOWS = frozenset(
    {
        MetricKind.CONVERSION, MetricKind.COUNT, MetricKind.SUM, MetricKind.MEAN, MetricKind.RATIO,
        MetricKind.EXCEEDANCE,
    }
)  # fmt: skip
"""Kinds whose events add up without asking whose they are."""
MOST_ATTRIBUTES = 20
LONGEST_NAME = 100


def oec_faults(facts: DesignFacts) -> Iterator[Problem]:
    """One metric decides, or several do together by their weights."""
    deciding = [(place, one) for place, one in enumerate(facts.design.metrics) if one.role is MetricRole.OEC]
    if not deciding:
        yield Problem("metrics", "Choose the metric that decides (the OEC), or several with weights.")
    if len(deciding) < 2:  # noqa: PLR2004  # one decides alone
        return
    for place, one in deciding:
        if one.weight is None or not isfinite(one.weight) or one.weight <= 0:
            yield Problem(
                f"metrics.{place}.weight",
                f"Several metrics decide, so “{one.key}” needs a weight above 0; 70 and 30 are shares.",
            )


def window_faults(facts: DesignFacts) -> Iterator[Problem]:
    """In a switchback a window of a region is one observation: what follows single units is unknown there."""
    if facts.design.switchback is None:
        return
    for place, one in enumerate(facts.design.metrics):
        held = facts.metrics.get(one.key)
        if held is None or held.definition.kind is MetricKind.QUANTILE:  # which has a check of its own
            continue
        kind, follows = held.definition.kind, bool(held.definition.touches)
        if kind not in KINDS_OF_WINDOWS or follows:
            why = "follows clicks or views" if follows else f"is of the kind {kind}"
            told = (
                f"“{one.key}” {why}, which single units have and a region's window has not."
                f" Choose a metric of these kinds: {', '.join(sorted(KINDS_OF_WINDOWS))}."
            )
            yield Problem(f"metrics.{place}.key", told)


def quantile_faults(facts: DesignFacts) -> Iterator[Problem]:
    """A quantile is judged once, at a planned end, over units that were randomised one by one."""
    design = facts.design
    several = sum(one.role is MetricRole.OEC for one in design.metrics) > 1
    for place, one in enumerate(design.metrics):
        held = facts.metrics.get(one.key)
        if held is None or held.definition.kind is not MetricKind.QUANTILE:
            continue
        told = f"“{one.key}” is a quantile, which is"
        if one.role is not MetricRole.DIAGNOSTIC and design.planned_days is None:
            yield Problem("planned_days", f"{told} judged once, at the end: plan one, or use an exceedance.")
        if one.role is MetricRole.OEC and several:
            yield Problem(
                f"metrics.{place}.role", f"{told} no part of a whole: let it decide alone or guard."
            )
        if design.cluster_type or design.switchback is not None:
            grouped = "ranked over single units: with clusters or switched regions use an exceedance rate."
            yield Problem(f"metrics.{place}.key", f"{told} {grouped}")


def looks_faults(facts: DesignFacts) -> Iterator[Problem]:
    """Looks can be taken, and somebody can be judged at the end."""
    looks, days = facts.design.looks, facts.design.planned_days
    if looks is not None and looks.count is not None and not 1 <= looks.count <= MOST_LOOKS:
        yield Problem("looks.count", f"Plan 1 to {MOST_LOOKS} looks, or one after every day.")
    if looks is not None and not (isfinite(looks.gamma) and abs(looks.gamma) <= STEEPEST):
        yield Problem("looks.gamma", f"Gamma lies between −{STEEPEST} and {STEEPEST}; −4 is usual.")
    if looks is None or days is None or days < SHORTEST_RUN_DAYS:
        return
    longest = max(_windows(facts), default=timedelta(0))
    if longest >= timedelta(days=days):
        yield Problem(
            "planned_days",
            f"Units respond for {longest / timedelta(days=1):g} days, so nobody can be judged after {days};"
            " plan longer, or choose metrics with a shorter window.",
        )


def looks_advice(facts: DesignFacts) -> str:
    """What is lost to units that come too late to be judged."""
    days = facts.design.planned_days
    longest = max(_windows(facts), default=timedelta(0))
    if facts.design.looks is None or days is None or longest * 2 <= timedelta(days=days):
        return ""
    return (
        f"Units of the last {longest / timedelta(days=1):g} of {days} days come too late to be judged;"
        " a longer run or a shorter window judges more of them."
    )


def measures_faults(facts: DesignFacts) -> Iterator[Problem]:
    """Bounds and alarms are numbers, and attributes have names."""
    for place, planned in enumerate(facts.design.metrics):
        yield from _metric_faults(f"metrics.{place}", planned)
    design = facts.design
    for field, names in (("covariates", design.covariates), ("breakdowns", design.breakdowns)):
        if len(names) > MOST_ATTRIBUTES:
            yield Problem(field, f"At most {MOST_ATTRIBUTES} attributes; {len(names)} are named.")
        if any(not name or len(name) > LONGEST_NAME for name in names):
            yield Problem(field, f"An attribute's name has 1 to {LONGEST_NAME} characters.")
    if not 0 <= design.expected_reduction < 1:
        yield Problem("expected_reduction", "Covariates explain from 0 % to less than 100 % of the variance.")
    if design.cluster_size is not None and not design.cluster_size >= 1:
        yield Problem("cluster_size", "A cluster has one unit or more.")
    if design.cluster_correlation is not None and not 0 <= design.cluster_correlation <= 1:
        yield Problem("cluster_correlation", "How alike units of a cluster are lies between 0 and 1.")


def _metric_faults(at: str, planned: PlannedMetric) -> Iterator[Problem]:
    if planned.bound is not None and not isfinite(planned.bound):
        yield Problem(f"{at}.bound", f"The bound of “{planned.key}” must be a number.")
    alarm = planned.alarm_margin
    if alarm is not None and not (isfinite(alarm.value) and alarm.value > 0):
        yield Problem(f"{at}.alarm_margin", f"The alarm of “{planned.key}” sounds beyond a harm above 0.")
    elif alarm is not None and alarm.kind is MarginKind.RELATIVE and alarm.value >= 1:
        yield Problem(f"{at}.alarm_margin", f"A relative margin is below 1: 2 % of “{planned.key}” is 0.02.")


def _windows(facts: DesignFacts) -> list[timedelta]:
    held = [facts.metrics[one.key] for one in facts.design.metrics if one.key in facts.metrics]
    return [metric.definition.window for metric in held]
