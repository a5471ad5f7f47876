"""What one look is judged by: counts, moments, strata, the ledger, and signs of the data's quality."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import equipoise_stats as stats
from equipoise_server.analysis import counting, looks, signs
from equipoise_server.analysis.judging import STATS_KINDS, deciding_by_moments
from equipoise_server.analysis.looks import DueLook, LookFound
from equipoise_server.analysis.marks import Mark, MarkKind
from equipoise_server.analysis.moments import ArmMoments, DayCount, Warehouse, day_end
from equipoise_server.analysis.plan import MeasuredMetric, Plan, Span
from equipoise_server.analysis.ranking import ranked_arms
from equipoise_server.analysis.traffic_values import TrafficFilter
from equipoise_server.analysis.values import Method
from equipoise_server.experiments.values import Iteration

MOST_STRATA = 50


@dataclass(frozen=True, slots=True)
class Past:
    """What is known from beyond this experiment."""

    duplicates: tuple[int, int] | None = None
    """Events that arrived again, and all that arrived, of the environment."""
    priors: Mapping[str, tuple[stats.Prior, int]] = field(default_factory=dict)
    """By metric, how true lifts spread over the project's past experiments, and over how many."""
    null_p_values: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """What one refresh works with."""

    iteration: Iteration
    measured: tuple[MeasuredMetric, ...]
    plan: Plan
    warehouse: Warehouse
    now: datetime
    past: Past = field(default_factory=Past)
    expected_units: int | None = None
    traffic: TrafficFilter | None = None
    """What leaves units out of the warehouse; None when nobody is left out."""
    cleared_through: date | None = None
    """The day of a lock that was a false alarm: after it, units that came later are judged alone."""

    @property
    def until(self) -> datetime:
        """Nothing after the stop counts."""
        return self.now if self.iteration.stopped_at is None else min(self.now, self.iteration.stopped_at)


@dataclass(frozen=True, slots=True)
class Gathered:
    """The evidence of one look, and each arm's moments with the largest units."""

    evidence: stats.Evidence
    arms: Mapping[str, ArmMoments]
    span: Span


def live_evidence(job: Job, pivots: Mapping[str, float]) -> Gathered:
    """What is known now of everybody, for alarms and the gate; no look is taken by it."""
    found = _gathered(job, pivots, Span(job.until, job.until), job.until)
    known = stats.QualityEvidence(duplicates=job.past.duplicates, null_p_values=job.past.null_p_values)
    return Gathered(replace(found.evidence, quality=known), found.arms, found.span)


def evidence_at(
    job: Job, pivots: Mapping[str, float], look: DueLook, ledger: Sequence[LookFound], *, is_newest: bool
) -> Gathered:
    """What one look is judged by. Single days are looked into at the newest look alone."""
    is_complete = job.iteration.is_imported
    span = looks.span_of(look, job.plan.longest_window, is_complete=is_complete)
    found = _gathered(job, pivots, span, look.as_of)
    strata = _strata(job, pivots, found)
    whole = {arm: stats.merge_all(part[arm] for part in strata) for arm in found.arms} if strata else None
    evidence = stats.Evidence(
        counts=found.evidence.counts,
        # Of the same reading as its parts: what arrived in between must not stand in one of them alone.
        moments=found.evidence.moments if whole is None else whole,
        observed_days=found.evidence.observed_days,
        crossed=found.evidence.crossed,
        largest_units=found.evidence.largest_units,
        ledger=looks.ledger_of(ledger),
        strata=strata,
        quality=replace(
            _signs(job, found, look.as_of) if is_newest else stats.QualityEvidence(),
            duplicates=job.past.duplicates,
            past_lift_sds={metric: prior.sd for metric, (prior, _) in job.past.priors.items()},
            daily=_daily(job, pivots, found.span) if is_newest else {},
            sequences=_sequences(look, ledger),
            null_p_values=job.past.null_p_values,
        ),
        quantiles=ranked_arms(job.warehouse, job.plan, span),
    )
    return Gathered(evidence, found.arms, found.span)


def _signs(job: Job, found: Gathered, as_of: datetime) -> stats.QualityEvidence:
    """What the warehouse's own counts say of the data."""
    everybody, counts = Span(as_of, as_of), found.evidence.counts
    return stats.QualityEvidence(
        before=signs.moments_before(found.arms),
        join_lost=signs.lost_units(job.warehouse, job.plan, everybody, counts),
        bots=signs.suspicious_units(job.warehouse, job.plan, everybody, counts),
        null_shares=signs.null_shares(job.warehouse, job.plan, everybody, job.measured),
    )


def _gathered(job: Job, pivots: Mapping[str, float], span: Span, as_of: datetime) -> Gathered:
    arms = job.warehouse.moments(job.plan, span, pivots)
    by_day = job.warehouse.counts(job.plan, Span(as_of, as_of))
    counts = counting.arm_counts(job.iteration.design, by_day)
    evidence = stats.Evidence(
        counts={count.arm: count.exposed for count in counts},
        moments={arm: found.moments for arm, found in arms.items()},
        observed_days=counting.observed_days(job.iteration.started_at, as_of),
        crossed={count.arm: count.crossed for count in counts},
        largest_units={arm: found.largest for arm, found in arms.items()},
        epochs=_epochs(job, by_day, as_of),
    )
    return Gathered(evidence, arms, span)


def _epochs(job: Job, by_day: Sequence[DayCount], as_of: datetime) -> tuple[stats.AllocationEpoch, ...]:
    """The units that the split is judged by; none given are all of them."""
    cleared = job.cleared_through
    if cleared is None or as_of <= day_end(cleared):
        return ()
    design = job.iteration.design
    later = counting.arm_counts(design, [count for count in by_day if count.day > cleared])
    weights = tuple(float(arm.weight) for arm in design.arms)
    return (stats.AllocationEpoch(tuple(arm.exposed for arm in later), weights),)


def _strata(
    job: Job, pivots: Mapping[str, float], found: Gathered
) -> tuple[Mapping[str, stats.Moments], ...]:
    """Moments by the declared attribute; small strata are joined, so that no unit is lost."""
    attribute = job.iteration.design.strata
    if not attribute or not found.arms:
        return ()
    by_value = job.warehouse.moments_by(job.plan, found.span, pivots, Mark(MarkKind.ATTRIBUTE, attribute))
    if not 1 < len(by_value) <= MOST_STRATA:
        return ()
    empty = stats.Moments.empty(job.plan.names)
    held = [
        {arm: arms[arm].moments if arm in arms else empty for arm in found.arms} for arms in by_value.values()
    ]
    return stats.merge_sparse_strata(held)


def _daily(
    job: Job, pivots: Mapping[str, float], span: Span
) -> dict[tuple[str, str], list[tuple[float, float]]]:
    """The deciding metrics' effects by day of first exposure, for days that stand out."""
    by_day = job.warehouse.moments_by(job.plan, span, pivots, Mark(MarkKind.DAY))
    deciding = deciding_by_moments(job.measured)
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for arms in by_day.values():
        for one in deciding:
            for treatment in treatments_of(job.iteration):
                point = _effect(arms, one, (treatment, job.iteration.design.control))
                if point is not None:
                    found.setdefault((one.metric.key, treatment), []).append(point)
    return {pair: days for pair, days in found.items() if len(days) > 2}  # noqa: PLR2004  # others to compare with


def _effect(
    arms: Mapping[str, ArmMoments], one: MeasuredMetric, pair: tuple[str, str]
) -> tuple[float, float] | None:
    """Effect and standard error of one day; None when it has neither."""
    if not set(pair) <= set(arms):
        return None
    plan = stats.MetricPlan(
        one.metric.key, STATS_KINDS[one.metric.definition.kind], stats.MetricRole.DIAGNOSTIC
    )
    treatment, control = (stats.estimate(arms[arm].moments, plan) for arm in pair)
    if treatment.variance is None or control.variance is None:
        return None
    assert treatment.value is not None
    assert control.value is not None
    return treatment.value - control.value, math.sqrt(treatment.variance + control.variance)


def _sequences(
    look: DueLook, ledger: Sequence[LookFound]
) -> dict[tuple[str, str], tuple[stats.Interval, ...]]:
    """What the confidence sequence said at each look so far; repeated intervals promise no common point."""
    if look.method is not Method.CONFIDENCE_SEQUENCE:
        return {}
    found: dict[tuple[str, str], tuple[stats.Interval, ...]] = {}
    for row in (row for taken in ledger for row in taken.rows):
        ends = row.effect_interval
        if row.effect is None or ends is None or ends.low is None or ends.high is None:
            continue
        interval = stats.Interval(row.effect, ends.low, ends.high, row.confidence)
        found[row.metric, row.arm] = (*found.get((row.metric, row.arm), ()), interval)
    return {pair: intervals for pair, intervals in found.items() if len(intervals) > 1}


def treatments_of(iteration: Iteration) -> tuple[str, ...]:
    """The arms that are compared with the control."""
    return tuple(arm.key for arm in iteration.design.arms if arm.key != iteration.design.control)
