"""One refresh of one iteration: live counts and alarms, looks that fell due, and the report.

The order is law: the split is judged first, and while results are withheld no metric number is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db import transaction

import equipoise_stats as stats
from equipoise_server.analysis import counting, looks, models, quality, rows
from equipoise_server.analysis.codec import from_json, to_json
from equipoise_server.analysis.looks import DueLook, LookFound
from equipoise_server.analysis.moments import ArmMoments, DayCount, Files, Warehouse, pivots_for
from equipoise_server.analysis.plan import (
    MeasuredMetric,
    Plan,
    Span,
    plan_of,
    planned_units,
    stats_design,
)
from equipoise_server.analysis.reporting import Live, report_of
from equipoise_server.analysis.values import Method, QualityNote, Report, SoundedAlarm, SrmState
from equipoise_server.events import reads as events
from equipoise_server.events.values import EventKind
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.values import Iteration
from equipoise_server.metrics import reads as metrics

FALLBACK_EXPECTED_UNITS = 20_000


@dataclass(frozen=True, slots=True)
class _Refresh:
    """What one refresh works with."""

    iteration: Iteration
    measured: tuple[MeasuredMetric, ...]
    plan: Plan
    warehouse: Warehouse
    now: datetime

    @property
    def until(self) -> datetime:
        """Nothing after the stop counts."""
        return self.now if self.iteration.stopped_at is None else min(self.now, self.iteration.stopped_at)


def build_report(iteration_id: UUID, *, now: datetime) -> Report:
    """Take the looks that are due and make the report; the ledger is written, the report is not."""
    iteration = experiments.iteration(iteration_id)
    measured = measured_metrics(iteration)
    plan = plan_of(iteration, measured)
    until = now if iteration.stopped_at is None else min(now, iteration.stopped_at)
    files = Files(
        *(
            events.pinned_files(iteration.environment_id, kind, since=iteration.started_at, until=until).paths
            for kind in (EventKind.EXPOSURE, EventKind.TRACK)
        )
    )
    warehouse = Warehouse(files)
    try:
        return _report(_Refresh(iteration, measured, plan, warehouse, now))
    finally:
        warehouse.close()


def measured_metrics(iteration: Iteration) -> tuple[MeasuredMetric, ...]:
    """The iteration's metrics at their frozen versions."""
    return tuple(
        MeasuredMetric(
            metrics.metric_by_key(iteration.project_id, planned.key, version=planned.version), planned
        )
        for planned in iteration.design.metrics
    )


def _report(refresh: _Refresh) -> Report:
    span = Span(refresh.until, refresh.until)
    counts = refresh.warehouse.counts(refresh.plan, span)
    design = refresh.iteration.design
    srm = counting.srm_of(refresh.iteration, counts, now=refresh.now)
    live = Live(
        refresh.iteration,
        refresh.now,
        arms=counting.arm_counts(design, counts),
        exposures=counting.exposures_over_time(design, counts),
        srm=srm,
        notes=(),
        alarms=(),
    )
    if not counts or srm.state is SrmState.LOCKED:
        forget_looks(refresh.iteration.id)
        return report_of(replace(live, notes=_exposure_notes(refresh, counts, ())), ledger=())
    facts = _frozen_facts(refresh, counts)
    analysis = _analyse(refresh, facts, DueLook(refresh.until, False, Method.CONFIDENCE_SEQUENCE))
    notes = _exposure_notes(refresh, counts, analysis.analysis.quality)
    if isinstance(analysis.analysis, stats.Withheld):
        forget_looks(refresh.iteration.id)
        return report_of(replace(live, notes=notes, withheld=analysis.analysis.reason), ledger=())
    alarms = _latch(refresh, facts, analysis.analysis)
    ledger = _take_looks(refresh, facts)
    return report_of(replace(live, notes=notes, alarms=alarms), ledger=ledger)


def forget_looks(iteration_id: UUID) -> None:
    """Take the ledger away: hidden means absent. It can be made again from the events."""
    models.Look.objects.filter(iteration_id=iteration_id).delete()


@dataclass(frozen=True, slots=True)
class _Analysed:
    analysis: stats.Analysis
    arms: dict[str, ArmMoments]


def _analyse(refresh: _Refresh, facts: models.FrozenFacts, look: DueLook) -> _Analysed:
    is_complete = refresh.iteration.is_imported
    span = looks.span_of(look, refresh.plan.longest_window, is_complete=is_complete)
    arms = refresh.warehouse.moments(refresh.plan, span, facts.pivots)
    everybody = Span(look.as_of, look.as_of)
    counts = counting.arm_counts(refresh.iteration.design, refresh.warehouse.counts(refresh.plan, everybody))
    evidence = stats.Evidence(
        counts={count.arm: count.exposed - count.crossed for count in counts},
        moments={arm: found.moments for arm, found in arms.items()},
        observed_days=counting.observed_days(refresh.iteration.started_at, look.as_of),
        crossed={count.arm: count.crossed for count in counts},
        largest_units={arm: found.largest for arm, found in arms.items()},
    )
    design = stats_design(
        refresh.iteration,
        refresh.measured,
        expected_units=facts.expected_units,
        planned_end_reached=look.method is Method.FIXED,
    )
    return _Analysed(stats.analyse(evidence, design), arms)


def _take_looks(refresh: _Refresh, facts: models.FrozenFacts) -> tuple[LookFound, ...]:
    """The ledger, with the looks that have fallen due since the last refresh."""
    iteration_id = refresh.iteration.id
    ledger = _kept_looks(iteration_id)
    latest = ledger[-1].as_of if ledger else refresh.iteration.started_at
    for due in looks.due_looks(refresh.iteration, now=refresh.now):
        if due.as_of <= latest and ledger:
            continue
        found = _look(refresh, facts, due, ledger)
        if found is not None:
            ledger.append(found)
            _keep(iteration_id, found)
    return tuple(ledger)


def _kept_looks(iteration_id: UUID) -> list[LookFound]:
    """The ledger so far; none of it when a look has another release's shape: then all are taken again."""
    kept = models.Look.objects.filter(iteration_id=iteration_id).order_by("number")
    found = [from_json(row.found, LookFound) for row in kept]
    readable = [look for look in found if look is not None]
    if len(readable) < len(found):
        forget_looks(iteration_id)
        return []
    return readable


def _look(
    refresh: _Refresh, facts: models.FrozenFacts, due: DueLook, ledger: list[LookFound]
) -> LookFound | None:
    """One look; None when the data of that instant allow no results."""
    analysed = _analyse(refresh, facts, due)
    results = analysed.analysis
    if isinstance(results, stats.Withheld):
        return None
    found = rows.comparison_rows(results, refresh.measured)
    names = {arm.key: arm.name for arm in refresh.iteration.design.arms}
    return LookFound(
        number=ledger[-1].number + 1 if ledger else 1,
        as_of=due.as_of,
        is_final=due.is_final,
        method=due.method,
        rows=found,
        verdict=rows.verdict_state(results, found, is_final=due.is_final),
        blocked=rows.blocks(found, names),
        notes=tuple(quality.metric_notes(results.quality, refresh.measured, analysed.arms)),
        smallest_p=looks.smallest_p(ledger[-1].smallest_p if ledger else {}, found),
    )


def _keep(iteration_id: UUID, found: LookFound) -> None:
    models.Look.objects.get_or_create(
        iteration_id=iteration_id,
        as_of=found.as_of,
        defaults={"number": found.number, "is_final": found.is_final, "found": to_json(found)},
    )


def _frozen_facts(refresh: _Refresh, counts: tuple[DayCount, ...]) -> models.FrozenFacts:
    """Pivots and the expected size, fixed at the first build that has data."""
    held = models.FrozenFacts.objects.filter(iteration_id=refresh.iteration.id).first()
    if held is not None:
        return held
    arms = refresh.warehouse.moments(refresh.plan, Span(refresh.until, refresh.until), {})
    fixed = models.FrozenFacts(
        iteration_id=refresh.iteration.id,
        pivots=pivots_for(refresh.plan, arms),
        expected_units=planned_units(refresh.iteration) or _guessed_units(refresh, counts),
        breached=[],
    )
    with transaction.atomic():
        row, _ = models.FrozenFacts.objects.get_or_create(
            iteration_id=fixed.iteration_id,
            defaults={"pivots": fixed.pivots, "expected_units": fixed.expected_units},
        )
    return row


def _guessed_units(refresh: _Refresh, counts: tuple[DayCount, ...]) -> int:
    """Without a plan: what two weeks would bring at the pace so far. Units, never outcomes, decide it."""
    days = counting.observed_days(refresh.iteration.started_at, refresh.until)
    units = sum(count.units for count in counts)
    return round(units / days * 14) if days >= 1 else max(units, FALLBACK_EXPECTED_UNITS)


def _latch(refresh: _Refresh, facts: models.FrozenFacts, results: stats.Results) -> tuple[SoundedAlarm, ...]:
    """Alarms that sound now or have sounded before: one valid at any time stays valid."""
    sounding = {(one.metric, one.treatment) for one in results.metrics if rows.is_breached(one)}
    held = {(metric, arm) for metric, arm in facts.breached}
    if sounding - held:
        facts.breached = sorted(held | sounding)
        facts.save(update_fields=["breached"])
    names = {one.metric.key: one.metric.name for one in refresh.measured}
    return tuple(SoundedAlarm(metric, names[metric], arm) for metric, arm in sorted(held | sounding))


def _exposure_notes(
    refresh: _Refresh, counts: tuple[DayCount, ...], checks: tuple[stats.QualityCheck, ...]
) -> tuple[QualityNote, ...]:
    span = Span(refresh.until, refresh.until)
    strangers = refresh.warehouse.strangers(refresh.plan, span)
    delivered = events.data_quality(refresh.iteration.environment_id)
    lost = refresh.warehouse.unjoinable(refresh.plan, span) if counts else ()
    return (
        *quality.exposure_notes(checks, strangers),
        *quality.delivery_notes(lost, refresh.plan.unit_type, delivered),
    )
