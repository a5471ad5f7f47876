"""Quantiles of an experiment: ranked from raw events, judged at the planned end as by the library."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from people import NOW
from scenes import Shop, a_design, a_draft_experiment, a_metric, a_shop, launched
from traffic import Visit, visited

import equipoise_stats as stats
from equipoise_server.analysis.actions import refresh
from equipoise_server.analysis.values import ComparisonRow, Conclusion, GuardrailState, Report
from equipoise_server.experiments.values import Design, Iteration, Looks, MetricRole, PlannedMetric
from equipoise_server.foundation.refusals import Invalid
from equipoise_server.metrics.values import (
    Aggregate,
    Definition,
    Direction,
    Fact,
    Margin,
    MarginKind,
    MetricKind,
    Spread,
)

pytestmark = pytest.mark.django_db
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
UNITS = 1_200
P95 = Definition(MetricKind.QUANTILE, Fact("page", Aggregate.SUM), window=DAY, quantile=0.95)
SECOND = PlannedMetric("slowest-pages", MetricRole.SECONDARY)
BOUND = PlannedMetric(
    "slowest-pages", MetricRole.GUARDRAIL, margin=Margin(MarginKind.RELATIVE, 0.1), bound=400.0
)


def a_shop_with_slow_pages() -> Shop:
    shop = a_shop()
    a_metric(shop, "slowest-pages", P95, direction=Direction.DECREASE)
    return shop


def planned(*metrics: PlannedMetric, **changes: object) -> Design:
    plan: dict[str, object] = {"planned_days": 14, "daily_units": 150, "looks": Looks(), **changes}
    return replace(a_design(), metrics=metrics, **plan)  # type: ignore[arg-type]  # fields of a design


def running(shop: Shop, design: Design) -> Iteration:
    found = launched(shop, a_draft_experiment(shop, design=design)).iteration
    assert found is not None
    return found


def visits(units: int, slower: float, days: float = 12.0) -> Iterator[Visit]:
    """Everybody sees three to nine pages, slow ones in a row; one in ten buys."""
    dice = random.Random(7)
    for unit in range(units):
        arm = ("control", "treatment")[unit % 2]
        own = dice.gauss(0, 0.4)
        factor = slower if arm == "treatment" else 1.0
        pages = [factor * math.exp(5 + own + dice.gauss(0, 0.3)) for _ in range(dice.randint(3, 9))]
        did = [("page", round(value, 1), place * MINUTE) for place, value in enumerate(pages)]
        if dice.random() < 0.1:
            did.append(("purchase", None, MINUTE))
        yield Visit(f"u{unit}", arm, NOW + days * DAY * (unit / units), tuple(did))


def row_of(report: Report, metric: str = "slowest-pages") -> ComparisonRow:
    assert report.results is not None, report.withheld
    (row,) = (row for row in report.results.rows if row.metric == metric)
    return row


def plain(arm: str, slower: float, until: datetime = NOW + 14 * DAY) -> stats.QuantileEstimate:
    """The library's own estimate from every single event."""
    mine = [visit for visit in visits(UNITS, slower) if visit.arm == arm and visit.at < until]
    of = [visit.unit for visit in mine for name, _, _ in visit.did if name == "page"]
    values = [value for visit in mine for name, value, _ in visit.did if name == "page"]
    found = stats.event_quantile_of(np.array(values, dtype=float), np.array(of), 0.95)
    assert isinstance(found, stats.QuantileEstimate)
    return found


@pytest.mark.parametrize(("slower", "state"), [(0.8, GuardrailState.PASS), (1.6, GuardrailState.FAIL)])
def test_the_slowest_pages_guard_at_the_planned_end(slower: float, state: GuardrailState) -> None:
    shop = a_shop_with_slow_pages()
    iteration = running(shop, planned(PlannedMetric("purchase", MetricRole.OEC), BOUND))
    visited(iteration, visits(UNITS, slower), now=NOW + 15 * DAY)
    early = row_of(refresh(iteration.id, NOW + 12 * DAY))
    assert early.treatment_value is not None
    assert early.effect is None
    assert early.conclusion is Conclusion.TOO_EARLY
    assert early.reason == "A quantile is judged once, at the planned end."
    report = refresh(iteration.id, NOW + 15 * DAY)
    row = row_of(report)
    assert report.results is not None
    matured = report.results.looked_at - 7 * DAY  # the longest window of the two metrics
    assert row.guardrail is not None
    assert row.guardrail.state is state
    assert row.guardrail.bound_state is (GuardrailState.PASS if slower < 1 else GuardrailState.FAIL)
    treatment, control = (plain(arm, slower, matured) for arm in ("treatment", "control"))
    assert row.treatment_value == pytest.approx(treatment.value, rel=5.1e-4)
    assert row.control_value == pytest.approx(control.value, rel=5.1e-4)
    assert (row.treatment_units, row.control_units) == (treatment.units, control.units)


def test_the_interval_is_the_librarys_widened_by_the_bins() -> None:
    shop = a_shop_with_slow_pages()
    oec = PlannedMetric("slowest-pages", MetricRole.OEC)
    iteration = running(shop, planned(oec, looks=None, baseline=350.0, baseline_deviation=2_000.0))
    visited(iteration, visits(UNITS, 0.8), now=NOW + 15 * DAY)
    row = row_of(refresh(iteration.id, NOW + 15 * DAY))
    wanted = stats.quantile_difference(plain("treatment", 0.8), plain("control", 0.8))
    assert isinstance(wanted, stats.Interval)
    assert row.effect_interval is not None
    assert row.effect_interval.low == pytest.approx(wanted.lower, abs=0.5)
    assert row.effect_interval.high == pytest.approx(wanted.upper, abs=0.5)
    assert row.conclusion is Conclusion.BETTER
    assert row.lift == pytest.approx(row.treatment_value / row.control_value - 1)  # type: ignore[operator]  # numbers


def test_the_quantile_of_units_ranks_each_units_total() -> None:
    shop = a_shop_with_slow_pages()
    total = replace(P95, quantile=0.5, over=Spread.UNITS)
    a_metric(shop, "waiting", total, direction=Direction.DECREASE)
    oec = PlannedMetric("waiting", MetricRole.OEC)
    iteration = running(shop, planned(oec, looks=None, baseline=900.0, baseline_deviation=3_000.0))
    visited(iteration, visits(UNITS, 0.8), now=NOW + 15 * DAY)
    row = row_of(refresh(iteration.id, NOW + 15 * DAY), "waiting")
    totals: dict[str, list[float]] = {"control": [], "treatment": []}
    for visit in visits(UNITS, 0.8):
        totals[visit.arm].append(sum(value or 0.0 for name, value, _ in visit.did if name == "page"))
    ranked = [stats.unit_quantile(stats.Ordered.of(totals[arm]), 0.5) for arm in ("treatment", "control")]
    wanted = stats.quantile_difference(*ranked)
    assert isinstance(wanted, stats.Interval)
    assert (row.treatment_units, row.control_units) == (UNITS // 2, UNITS // 2)
    assert row.effect == pytest.approx(wanted.value, abs=1.0)
    assert row.effect_interval is not None
    assert row.effect_interval.low == pytest.approx(wanted.lower, abs=1.5)
    assert row.effect_interval.high == pytest.approx(wanted.upper, abs=1.5)


def test_without_a_planned_end_it_is_shown_and_not_judged() -> None:
    shop = a_shop_with_slow_pages()
    shown = PlannedMetric("slowest-pages", MetricRole.DIAGNOSTIC)
    iteration = running(
        shop, planned(PlannedMetric("purchase", MetricRole.OEC), shown, planned_days=None, looks=None)
    )
    visited(iteration, visits(UNITS, 0.8), now=NOW + 15 * DAY)
    row = row_of(refresh(iteration.id, NOW + 15 * DAY))
    assert row.control_value is not None
    assert row.effect is None


@pytest.mark.parametrize(
    ("changes", "metrics", "fields"),
    [
        ({"planned_days": None, "looks": None}, (SECOND,), {"planned_days"}),
        ({}, (PlannedMetric("slowest-pages", MetricRole.OEC, weight=1.0),), {"metrics.1.role"}),
        ({"cluster_type": "city", "cluster_count": 100, "cluster_size": 20.0, "cluster_correlation": 0.01},
         (SECOND,), {"metrics.1.key"}),
    ],
)  # fmt: skip
def test_a_design_that_no_quantile_fits_is_refused(
    changes: dict[str, object], metrics: tuple[PlannedMetric, ...], fields: set[str]
) -> None:
    shop = a_shop_with_slow_pages()
    draft = a_draft_experiment(
        shop, design=planned(PlannedMetric("purchase", MetricRole.OEC), *metrics, **changes)
    )
    with pytest.raises(Invalid) as refused:
        launched(shop, draft)
    assert fields <= {problem.field for problem in refused.value.problems}
