"""What to compute for one iteration: its frozen design and metric versions, as columns per unit. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import equipoise_stats as stats
from equipoise_server.analysis.columns import Column, columns_of
from equipoise_server.experiments.values import Iteration, MetricRole, PlannedMetric
from equipoise_server.metrics.values import Metric, MetricKind

__all__ = [
    "STATS_KINDS", "Column", "MeasuredMetric", "Plan", "Span", "columns_of", "plan_of", "planned_units",
    "stats_design",
]  # fmt: skip

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class MeasuredMetric:
    """A metric at its frozen version in its role."""

    metric: Metric
    planned: PlannedMetric


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that one statement needs to know of an iteration."""

    experiment: str
    iteration: int
    unit_type: str
    arms: tuple[str, ...]
    since: datetime
    columns: tuple[Column, ...]

    @property
    def longest_window(self) -> timedelta:
        """How long after its exposure a unit may still change a number."""
        return max((column.reach for column in self.columns), default=timedelta(0))

    @property
    def longest_past(self) -> timedelta:
        """How long before the start a unit may have done what its covariates read."""
        return max((column.before + _DAY for column in self.columns if column.before), default=timedelta(0))

    @property
    def events(self) -> tuple[str, ...]:
        """The names of the events it reads."""
        return tuple(dict.fromkeys(fact.event for column in self.columns for fact in column.facts))


@dataclass(frozen=True, slots=True)
class Span:
    """Up to when data counts, and before when a unit must have been exposed to be in it."""

    until: datetime
    exposed_before: datetime


def plan_of(iteration: Iteration, measured: Sequence[MeasuredMetric]) -> Plan:
    """The plan of one iteration."""
    return Plan(
        experiment=iteration.experiment_key,
        iteration=iteration.number,
        unit_type=iteration.design.unit_type,
        arms=tuple(arm.key for arm in iteration.design.arms),
        since=iteration.started_at,
        columns=tuple(
            column for one in measured for column in columns_of(one.metric.key, one.metric.definition)
        ),
    )


STATS_KINDS: dict[MetricKind, stats.MetricKind] = {
    MetricKind.CONVERSION: stats.MetricKind.PROPORTION,
    MetricKind.COUNT: stats.MetricKind.MEAN,
    MetricKind.SUM: stats.MetricKind.MEAN,
    MetricKind.MEAN: stats.MetricKind.RATIO,
    MetricKind.RATIO: stats.MetricKind.RATIO,
    MetricKind.UNIQUE: stats.MetricKind.MEAN,
    MetricKind.RETENTION: stats.MetricKind.PROPORTION,
    MetricKind.FUNNEL: stats.MetricKind.PROPORTION,
    MetricKind.EXCEEDANCE: stats.MetricKind.RATIO,
    MetricKind.ABSENCE: stats.MetricKind.RATIO,
}
"""A quantile has no moments: it is no part of a design."""


def stats_design(
    iteration: Iteration,
    measured: Sequence[MeasuredMetric],
    *,
    expected_units: int | None,
    planned_end_reached: bool,
) -> stats.Design:
    """The design in the words of statistics."""
    design = iteration.design
    return stats.Design(
        variants=tuple(stats.VariantPlan(arm.key, float(arm.weight)) for arm in design.arms),
        control=design.control,
        metrics=tuple(_metric_plan(one) for one in measured),
        expected_units=expected_units,
        planned_end_reached=planned_end_reached,
        alpha=design.alpha,
        power=design.power,
    )


def _metric_plan(one: MeasuredMetric) -> stats.MetricPlan:
    margin = one.planned.margin or one.metric.default_margin
    is_guardrail = one.planned.role is MetricRole.GUARDRAIL
    return stats.MetricPlan(
        key=one.metric.key,
        kind=STATS_KINDS[one.metric.definition.kind],
        role=stats.MetricRole(one.planned.role),
        direction=stats.Direction(one.metric.direction),
        margin=None
        if margin is None or not is_guardrail
        else stats.Margin(stats.MarginKind(margin.kind), margin.value),
    )


def planned_units(iteration: Iteration) -> int | None:
    """The units that the design expects over its whole run, if it says."""
    design = iteration.design
    if design.daily_units is None or design.planned_days is None:
        return None
    return max(1, design.daily_units * design.planned_days)
