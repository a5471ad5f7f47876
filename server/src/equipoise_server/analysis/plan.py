"""What to compute for one iteration: its frozen design and metric versions, as columns per unit. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import equipoise_stats as stats
from equipoise_server.experiments.values import Iteration, MetricRole, PlannedMetric
from equipoise_server.metrics.values import Aggregate, Definition, Fact, Metric, MetricKind


@dataclass(frozen=True, slots=True)
class Column:
    """One number per unit: facts added up from its first exposure on, for a window, up to a cap."""

    name: str
    fact: Fact
    window: timedelta
    cap: float | None
    is_binary: bool = False
    needs_value: bool = False
    """Counts only events that carry the value: what a mean is divided by."""


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
        return max((column.window for column in self.columns), default=timedelta(0))

    @property
    def events(self) -> tuple[str, ...]:
        """The names of the events it reads."""
        return tuple(dict.fromkeys(column.fact.event for column in self.columns))


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


def columns_of(key: str, definition: Definition) -> Iterator[Column]:
    """A metric's columns: its value and, for ratios and means, what it is divided by."""
    value = definition.fact
    is_binary = definition.kind is MetricKind.CONVERSION
    if definition.kind is MetricKind.MEAN:
        value = Fact(value.event, Aggregate.SUM, value.property, value.where)
    yield Column(key, value, definition.window, definition.cap, is_binary)
    below = divisor(definition)
    if below is not None:
        is_mean = definition.kind is MetricKind.MEAN
        yield Column(f"{key}:denominator", below, definition.window, None, needs_value=is_mean)


def divisor(definition: Definition) -> Fact | None:
    """What the value is divided by, if anything: the events that carry the value, or another fact."""
    if definition.kind is MetricKind.RATIO:
        return definition.denominator
    if definition.kind is MetricKind.MEAN:
        return Fact(definition.fact.event, Aggregate.COUNT, definition.fact.property, definition.fact.where)
    return None


STATS_KINDS: dict[MetricKind, stats.MetricKind] = {
    MetricKind.CONVERSION: stats.MetricKind.PROPORTION,
    MetricKind.COUNT: stats.MetricKind.MEAN,
    MetricKind.SUM: stats.MetricKind.MEAN,
    MetricKind.MEAN: stats.MetricKind.RATIO,
    MetricKind.RATIO: stats.MetricKind.RATIO,
}


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
