"""A frozen design in the words of statistics. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import equipoise_stats as stats
from equipoise_server.analysis.plan import MeasuredMetric, Plan, covariates_of
from equipoise_server.experiments.values import Design, Iteration, MetricRole
from equipoise_server.metrics.values import Direction, Margin, MetricKind

COMPOSITE = ":oec"
"""The metric that an OEC of several metrics makes; no metric of the catalogue can have this key."""

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
    MetricKind.QUANTILE: stats.MetricKind.QUANTILE,
}


def has_moments(one: MeasuredMetric) -> bool:
    """Whether a metric's numbers add up over units; those of a quantile are ranked."""
    return one.metric.definition.kind is not MetricKind.QUANTILE


def deciding_by_moments(measured: Sequence[MeasuredMetric]) -> tuple[MeasuredMetric, ...]:
    """The OEC, or its parts, where further readings can look into it: a quantile has no parts."""
    return tuple(one for one in measured if one.planned.role is MetricRole.OEC and has_moments(one))


def stats_design(
    iteration: Iteration,
    measured: Sequence[MeasuredMetric],
    plan: Plan,
    *,
    expected_units: int | None,
    planned_end_reached: bool,
    has_looks: bool,
) -> stats.Design:
    """The design in the words of statistics; `has_looks` is off for what is live between looks."""
    design = iteration.design
    return stats.Design(
        variants=tuple(stats.VariantPlan(arm.key, float(arm.weight)) for arm in design.arms),
        control=design.control,
        metrics=tuple(_metric_plans(measured, plan)),
        expected_units=expected_units,
        planned_end_reached=planned_end_reached,
        alpha=design.alpha,
        power=design.power,
        looks=look_plan(design) if has_looks else None,
        planned_days=None if design.planned_days is None else float(design.planned_days),
        intervals=stats.IntervalRule.AGREEING,
    )


def look_plan(design: Design) -> stats.LookPlan | None:
    """How looks before the planned end spend alpha; None when there is no end, or none are planned."""
    if design.looks is None or design.planned_days is None:
        return None
    return stats.LookPlan(stats.Spending(design.looks.spending), design.looks.gamma)


def is_composite(measured: Sequence[MeasuredMetric]) -> bool:
    """Whether several metrics decide together."""
    oec = [one for one in measured if one.planned.role is MetricRole.OEC]
    return len(oec) > 1


def planned_units(iteration: Iteration, window: timedelta) -> int | None:
    """The units that the design expects over its whole run, if it says.

    With looks only those count whose window has closed by the end: looks judge no others.
    """
    design = iteration.design
    if design.daily_units is None or design.planned_days is None:
        return None
    days = float(design.planned_days)
    if look_plan(design) is not None:
        days = max(days - window / timedelta(days=1), 1.0)
    share = design.slot_share * design.audience_parts_per_million / 1_000_000
    return max(1, round(design.daily_units * share * days))


def _metric_plans(measured: Sequence[MeasuredMetric], plan: Plan) -> list[stats.MetricPlan]:
    """One plan per metric; of a weighted OEC the whole decides, and its parts explain."""
    plans = [_metric_plan(one, plan) for one in measured]
    if not is_composite(measured):
        return plans
    shares = weight_shares(measured)
    parts = [one for one in measured if one.metric.key in shares]
    whole = stats.MetricPlan(
        COMPOSITE,
        stats.MetricKind.COMPOSITE,
        stats.MetricRole.OEC,
        components=tuple(_component(one, shares[one.metric.key]) for one in parts),
    )
    explained = stats.MetricRole.DIAGNOSTIC
    return [
        whole,
        *(
            _with_role(one, explained) if source.planned.role is MetricRole.OEC else one
            for one, source in zip(plans, measured, strict=True)
        ),
    ]


def weight_shares(measured: Sequence[MeasuredMetric]) -> dict[str, float]:
    """How much each part of an OEC of several metrics counts; the shares add up to 1."""
    weights = {
        one.metric.key: one.planned.weight or 1.0 for one in measured if one.planned.role is MetricRole.OEC
    }
    return {key: weight / sum(weights.values()) for key, weight in weights.items()}


def _component(one: MeasuredMetric, share: float) -> stats.Component:
    below = f"{one.metric.key}:denominator" if _kind(one) is stats.MetricKind.RATIO else None
    sign = 1.0 if one.metric.direction is Direction.INCREASE else -1.0
    return stats.Component(stats.Quantity(one.metric.key, below), sign * share)


def _metric_plan(one: MeasuredMetric, plan: Plan) -> stats.MetricPlan:
    is_guardrail = one.planned.role is MetricRole.GUARDRAIL
    margin = one.planned.margin or one.metric.default_margin
    return stats.MetricPlan(
        key=one.metric.key,
        kind=_kind(one),
        role=stats.MetricRole(one.planned.role),
        direction=stats.Direction(one.metric.direction),
        margin=_margin(margin) if is_guardrail else None,
        alarm_margin=_margin(one.planned.alarm_margin) if is_guardrail else None,
        covariates=covariates_of(plan, one.metric.key) if has_moments(one) else (),
        bound=one.planned.bound if is_guardrail else None,
        quantile=one.metric.definition.quantile,
    )


def _with_role(plan: stats.MetricPlan, role: stats.MetricRole) -> stats.MetricPlan:
    return replace(plan, role=role, margin=None, alarm_margin=None, bound=None)


def _kind(one: MeasuredMetric) -> stats.MetricKind:
    return STATS_KINDS[one.metric.definition.kind]


def _margin(margin: Margin | None) -> stats.Margin | None:
    return None if margin is None else stats.Margin(stats.MarginKind(margin.kind), margin.value)
