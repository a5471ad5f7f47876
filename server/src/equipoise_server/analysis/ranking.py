"""What quantile metrics are judged by: each arm's values by bins, and which units hold the events beyond."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import equipoise_stats as stats
from equipoise_server.analysis.columns import Quantile
from equipoise_server.analysis.dialects.spreads import WIDTH, ends_of, middle_of
from equipoise_server.analysis.moments import Warehouse
from equipoise_server.analysis.plan import Plan, Span
from equipoise_server.metrics.values import Spread

_EXCEEDING, _EVENTS = "exceeding", "events"


def ranked_arms(warehouse: Warehouse, plan: Plan, span: Span) -> dict[str, dict[str, stats.RankedArm]]:
    """By arm and quantile metric; of arms that have values. Always read from raw events."""
    found: dict[str, dict[str, stats.RankedArm]] = {}
    for quantile in plan.quantiles:
        histogram = warehouse.histogram(plan, span, quantile)
        beyond = _beyond(warehouse, plan, span, quantile=quantile, histogram=histogram)
        for arm, bins in histogram.items():
            values = tuple(middle_of(bin_) for bin_ in bins)
            found.setdefault(arm, {})[quantile.name] = stats.RankedArm(
                values, tuple(bins.values()), width=WIDTH, beyond=beyond.get(arm)
            )
    return found


def _beyond(
    warehouse: Warehouse,
    plan: Plan,
    span: Span,
    *,
    quantile: Quantile,
    histogram: Mapping[str, Mapping[int, int]],
) -> dict[str, stats.Moments]:
    """How many of each unit's events lie in bins above the arm's quantile; units hold one value each."""
    if quantile.over is Spread.UNITS or not histogram:
        return {}
    above = {arm: f"above {arm}" for arm in histogram}
    columns = [
        quantile.beyond(ends_of(_bin_at(bins, quantile.share))[1], above[arm])
        for arm, bins in histogram.items()
    ]
    moments = warehouse.raw_moments(plan, span, (quantile.events(_EVENTS), *columns))
    return {
        arm: _renamed(found.moments.select((above[arm], _EVENTS)), (_EXCEEDING, _EVENTS))
        for arm, found in moments.items()
        if arm in above
    }


def _bin_at(bins: Mapping[int, int], share: float) -> int:
    """The bin that holds the quantile, as statistics rank it."""
    rank, seen = max(ceil(sum(bins.values()) * share - 1e-9), 1), 0
    for bin_, values in bins.items():
        seen += values
        if seen >= rank:
            return bin_
    raise AssertionError("a rank is at most the number of values")


def _renamed(moments: stats.Moments, names: tuple[str, ...]) -> stats.Moments:
    return stats.Moments(names, moments.n, moments.means, moments.comoments)
