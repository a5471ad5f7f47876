"""A small cast of experiments: one line each."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from equipoise_stats import (
    Analysis,
    Design,
    Direction,
    Estimate,
    Evidence,
    Margin,
    MarginKind,
    MetricKind,
    MetricPlan,
    MetricResult,
    MetricRole,
    Moments,
    Results,
    Status,
    VariantPlan,
    Withheld,
)

CONVERSION = MetricPlan("conversion", MetricKind.PROPORTION, MetricRole.OEC)
REVENUE = MetricPlan("revenue", MetricKind.MEAN, MetricRole.SECONDARY)
CLICKS = MetricPlan("clicks", MetricKind.RATIO, MetricRole.SECONDARY)
CRASHES = MetricPlan(
    "crashes",
    MetricKind.PROPORTION,
    MetricRole.GUARDRAIL,
    Direction.DECREASE,
    Margin(MarginKind.ABSOLUTE, 0.01),
)
METRICS = (CONVERSION, REVENUE, CLICKS, CRASHES)
COLUMNS = tuple(column for metric in METRICS for column in metric.columns)


def a_design(*metrics: MetricPlan, treatments: int = 1, ended: bool = False) -> Design:
    variants = ("control", *("treatment", "other")[:treatments])
    return Design(
        tuple(VariantPlan(key, 1) for key in variants),
        "control",
        metrics or METRICS,
        expected_units=20_000,
        planned_end_reached=ended,
    )


def rate(events: int, n: int) -> Estimate:
    p = events / n
    variance = p * (1 - p) * n / (n - 1)
    if variance == 0:
        return Estimate(n, p, None, None, Status.ZERO_VARIANCE)
    return Estimate(n, p, variance / n, variance, Status.OK)


def number(value: float, sd: float, n: int) -> Estimate:
    return Estimate(n, value, sd * sd / n, sd * sd, Status.OK)


def moments(n: int = 10_000, **values: float) -> Moments:
    """Exact moments of an arm: rates of conversion and crashes, mean revenue, clicks per visit."""
    conversion, crashes = values.get("conversion", 0.1), values.get("crashes", 0.02)
    means = [conversion, values.get("revenue", 5.0), values.get("clicks", 0.6), 3.0, crashes]
    variances = [conversion * (1 - conversion), 100.0, 1.0, 2.0, crashes * (1 - crashes)]
    comoments = np.diag(np.array(variances) * n)
    comoments[2, 3] = comoments[3, 2] = 0.4 * n
    return Moments(COLUMNS, n, np.array(means), comoments)


def evidence(*arms: Moments, days: float = 14) -> Evidence:
    keys = ("control", "treatment", "other")
    held = dict(zip(keys, arms, strict=False))
    return Evidence({key: arm.n for key, arm in held.items()}, held, days)


def with_counts(given: Evidence, **counts: int) -> Evidence:
    return replace(given, counts={**given.counts, **counts})


def results(analysis: Analysis) -> Results:
    assert isinstance(analysis, Results), analysis
    return analysis


def withheld(analysis: Analysis) -> Withheld:
    assert isinstance(analysis, Withheld), analysis
    return analysis


def numbers_of(result: MetricResult) -> list[float]:
    """Every number about the comparison that a page could show."""
    found = [result.p_value, result.adjusted_p_value, result.log_e_value]
    for shown in (result.effect, result.lift):
        found += [getattr(shown, name, None) for name in ("value", "lower", "upper")]
    numbers = [number for number in found if number is not None]
    assert all(math.isfinite(number) for number in numbers), result
    return numbers
