"""Signs of the data's quality in the warehouse's own counts: units lost, restless, different before.

They read raw events, so they are gathered at looks, and while results are withheld.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import equipoise_stats as stats
from equipoise_server.analysis.columns import BEFORE, DENOMINATOR, Column
from equipoise_server.analysis.judging import STATS_KINDS
from equipoise_server.analysis.moments import ArmMoments, Warehouse
from equipoise_server.analysis.plan import MeasuredMetric, Plan, Span
from equipoise_server.metrics.values import Aggregate, MetricKind

MOST_SILENT = 0.5
"""Where more units than this never send an event, silence is the rule and says nothing of losses."""
FEWEST_VALUED = 100
"""Units with a metric's event that each of both periods needs before they are compared."""


def lost_units(warehouse: Warehouse, plan: Plan, span: Span, counts: Mapping[str, int]) -> dict[str, int]:
    """By arm, exposed units without any event since; nothing where that is usual."""
    found = warehouse.silent(plan, span)
    units, silent = (sum(pair[place] for pair in found.values()) for place in (0, 1))
    if not units or silent / units > MOST_SILENT:
        return {}
    return {arm: min(lost, counts.get(arm, 0)) for arm, (_, lost) in found.items()}


def suspicious_units(
    warehouse: Warehouse, plan: Plan, span: Span, counts: Mapping[str, int]
) -> dict[str, int]:
    """By arm, units that behave as no person does; of arms that have any, and 0 of the others then."""
    found = warehouse.suspicious(plan, span)
    return {arm: min(found.get(arm, 0), n) for arm, n in counts.items()} if found else {}


def moments_before(arms: Mapping[str, ArmMoments]) -> dict[str, stats.Moments]:
    """By arm, the moments of the metrics' own columns before exposure, where the plan reads them."""
    found = {arm: _before(held.moments) for arm, held in arms.items()}
    return {arm: moments for arm, moments in found.items() if moments.names}


def _before(moments: stats.Moments) -> stats.Moments:
    places = [place for place, name in enumerate(moments.names) if name.endswith(BEFORE)]
    return stats.Moments(
        tuple(moments.names[place].removesuffix(BEFORE) for place in places),
        moments.n,
        moments.means[places],
        moments.comoments[places][:, places],
    )


def null_shares(
    warehouse: Warehouse, plan: Plan, span: Span, measured: tuple[MeasuredMetric, ...]
) -> dict[str, tuple[float, float]]:
    """By metric that adds up values, the share of units whose events carry none: now, and before."""
    found = {}
    for one in measured:
        column = _valued_column(plan, one)
        if column is not None:
            by_period = warehouse.valued(plan, span, column)
            shares = [_null_share(by_period.get(is_since, (0, 0))) for is_since in (True, False)]
            if shares[0] is not None and shares[1] is not None:
                found[one.metric.key] = (shares[0], shares[1])
    return found


def _valued_column(plan: Plan, one: MeasuredMetric) -> Column | None:
    definition = one.metric.definition
    has_values = definition.fact.aggregate is Aggregate.SUM and definition.kind in {
        MetricKind.SUM, MetricKind.MEAN, MetricKind.RATIO,
    }  # fmt: skip
    columns = (column for column in plan.columns if column.name == one.metric.key)
    return next(columns, None) if has_values else None


def _null_share(counted: tuple[int, int]) -> float | None:
    units, valued = counted
    return 1 - valued / units if units >= FEWEST_VALUED else None


def null_p_value(
    before: Mapping[str, stats.Moments], pair: tuple[str, str], one: MeasuredMetric
) -> float | None:
    """p of a comparison that cannot differ: a metric before exposure, of (treatment, control)."""
    if not set(pair) <= set(before) or one.metric.key not in before[pair[0]].names:
        return None
    kind = STATS_KINDS[one.metric.definition.kind]
    if kind is stats.MetricKind.RATIO and f"{one.metric.key}{DENOMINATOR}" not in before[pair[0]].names:
        return None
    plan = stats.MetricPlan(one.metric.key, kind, stats.MetricRole.DIAGNOSTIC)
    treatment, control = (stats.estimate(before[arm], plan) for arm in pair)
    z = stats.pre_period_balance(treatment, control).value
    return None if z is None else math.erfc(z / math.sqrt(2))
