"""Asks the checks of `twyman` of everything that the evidence of one analysis holds.

What was not handed in is not asked. Of checks that need moments alone only warnings are told.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from equipoise_stats.comparison import Comparison, Pair
from equipoise_stats.estimates import Estimate, Status, mean_estimate, ratio_estimate
from equipoise_stats.intervals import Interval, known
from equipoise_stats.moments import Moments
from equipoise_stats.plan import Design, Evidence, MetricKind, MetricPlan
from equipoise_stats.quality import CheckName, Outcome, QualityCheck
from equipoise_stats.twyman import (
    UNEQUAL_SHARE,
    VARIANCE_RATIO,
    constant_metric,
    differs_between_arms,
    duplicate_exposures,
    null_p_values,
    null_share_jump,
    odd_days,
    pre_period_balance,
    skew_of_split,
    stationarity,
    surprise,
    variance_ratio,
)


def arrival_checks(design: Design, evidence: Evidence) -> Iterator[QualityCheck]:
    """Checks of units and exposures; they may be shown while metrics are withheld."""
    signs = evidence.quality
    keys = [v.key for v in design.variants if v.weight > 0]
    units = [evidence.counts.get(key, 0) for key in keys]
    for name, affected in ((CheckName.JOIN_LOSS, signs.join_lost), (CheckName.BOT_SHARE, signs.bots)):
        if affected:
            yield differs_between_arms(name, [affected.get(key, 0) for key in keys], units)
    if signs.duplicates is not None:
        yield duplicate_exposures(*signs.duplicates)
    if signs.null_p_values:
        yield null_p_values(signs.null_p_values)


def comparison_checks(
    design: Design, evidence: Evidence, compared: Sequence[tuple[Pair, Comparison]]
) -> Iterator[QualityCheck]:
    """Checks of metrics, and of each metric × treatment."""
    signs = evidence.quality
    for metric in design.metrics:
        if metric.key in signs.null_shares:
            yield replace(null_share_jump(*signs.null_shares[metric.key]), metric=metric.key)
    yield from _constant(design, compared)
    has_signs = bool(signs.before or signs.past_lift_sds or signs.daily or signs.sequences)
    for pair, comparison in compared:
        found = _spread(pair)
        if has_signs:
            found = [*found, *_checks_of(pair, comparison, evidence, design.control)]
        for check in found:
            yield replace(check, variant=pair.treatment_key, metric=pair.plan.key)


def _checks_of(
    pair: Pair, comparison: Comparison, evidence: Evidence, control: str
) -> Iterator[QualityCheck]:
    """What was handed in beside the moments."""
    signs, key = evidence.quality, (pair.plan.key, pair.treatment_key)
    if signs.before:
        yield from _before(pair, evidence, control)
    if pair.plan.key in signs.past_lift_sds:
        yield from _surprise(pair, comparison, evidence)
    if key in signs.daily:
        yield odd_days([effect for effect, _ in signs.daily[key]], [error for _, error in signs.daily[key]])
    if key in signs.sequences:
        yield stationarity(signs.sequences[key])


def _constant(design: Design, compared: Sequence[tuple[Pair, Comparison]]) -> Iterator[QualityCheck]:
    """A rate without events in one arm is rare, not constant; in all arms it measures nothing."""
    arms: dict[str, dict[str, Estimate]] = {}
    for pair, _ in compared:
        arms.setdefault(pair.plan.key, {design.control: pair.control})[pair.treatment_key] = pair.treatment
    for metric in design.metrics:
        flat = {key: e for key, e in arms[metric.key].items() if e.status is Status.ZERO_VARIANCE}
        needed = len(arms[metric.key]) if metric.kind is MetricKind.PROPORTION else 1
        if len(flat) >= needed:
            yield replace(constant_metric(flat), metric=metric.key)


def _spread(pair: Pair) -> Sequence[QualityCheck]:
    """Outliers in one arm, skew in a small one. Rates, composites and quantiles have no variance of units."""
    treatment, control = pair.treatment, pair.control
    told = {MetricKind.PROPORTION, MetricKind.COMPOSITE, MetricKind.QUANTILE}
    if pair.plan.kind in told or not treatment.unit_variance or not control.unit_variance:
        return ()
    found = []
    if not 1 / VARIANCE_RATIO <= treatment.unit_variance / control.unit_variance <= VARIANCE_RATIO:
        found.append(variance_ratio(treatment, control))
    if min(treatment.n, control.n) < UNEQUAL_SHARE * (treatment.n + control.n):
        check = skew_of_split(treatment, control)
        if check.outcome is Outcome.WARN:
            found.append(check)
    return found


def _before(pair: Pair, evidence: Evidence, control: str) -> Iterator[QualityCheck]:
    arms = [evidence.quality.before.get(key) for key in (pair.treatment_key, control)]
    found = [_estimate_before(moments, pair.plan) for moments in arms if moments is not None]
    known_arms = [estimate for estimate in found if estimate is not None]
    if len(known_arms) == len(arms):
        yield pre_period_balance(*known_arms)


def _estimate_before(moments: Moments, plan: MetricPlan) -> Estimate | None:
    if plan.kind in {MetricKind.COMPOSITE, MetricKind.QUANTILE} or not set(plan.columns) <= set(
        moments.names
    ):
        return None
    if plan.kind is MetricKind.RATIO:
        return ratio_estimate(moments, plan.key, plan.denominator)
    return mean_estimate(moments, plan.key)


def _surprise(pair: Pair, comparison: Comparison, evidence: Evidence) -> Iterator[QualityCheck]:
    """The lift's standard error by the delta method; none without a lift."""
    signs, key = evidence.quality, pair.plan.key
    if not isinstance(comparison.lift, Interval) or pair.treatment.variance is None:
        return
    ratio, base = 1 + comparison.lift.value, known(pair.control.value)
    control = known(pair.control.variance)
    variance = pair.treatment.variance + ratio**2 * control - 2 * ratio * pair.covariance
    error = math.sqrt(variance) / base
    yield surprise(
        comparison.lift.value, error, signs.past_lift_sds[key], acknowledged=key in signs.acknowledged
    )
