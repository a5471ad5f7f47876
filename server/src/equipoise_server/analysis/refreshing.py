"""One refresh of one iteration: live counts and alarms, looks that fell due, and the report.

The order is law: the split is judged first, and while results are withheld no metric number is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from django.db import transaction

import equipoise_stats as stats
from equipoise_server.analysis import counting, models, quality, rows, signs
from equipoise_server.analysis.assignment import funnel_at
from equipoise_server.analysis.clustered import last_look
from equipoise_server.analysis.doubts import doubts_of, settle
from equipoise_server.analysis.evidence import Job, live_evidence
from equipoise_server.analysis.failures import broken, naming, told_plainly
from equipoise_server.analysis.false_alarms import with_signatures
from equipoise_server.analysis.judging import planned_units, stats_design
from equipoise_server.analysis.looking import forget_looks, take_looks
from equipoise_server.analysis.looks import LookFound, is_grouped
from equipoise_server.analysis.moments import DayCount, Files, Warehouse, day_end, pivots_for
from equipoise_server.analysis.past import installation_of
from equipoise_server.analysis.plan import MeasuredMetric, Plan, Span, plan_of
from equipoise_server.analysis.reporting import Live, report_of
from equipoise_server.analysis.rollups.keeping import current_state
from equipoise_server.analysis.rollups.nightly import recheck
from equipoise_server.analysis.rollups.warehouse import RolledWarehouse, instant_of
from equipoise_server.analysis.sources.rows import located, reads_sources, source_files
from equipoise_server.analysis.split import (
    ByAttribute,
    Watch,
    day_of_lock,
    localised,
    standing_out,
    watched,
)
from equipoise_server.analysis.switched import last_switchback_look
from equipoise_server.analysis.traffic import traffic_notes, traffic_of
from equipoise_server.analysis.traffic_filters import traffic_filter_of
from equipoise_server.analysis.traffic_values import TrafficFilter
from equipoise_server.analysis.unit_signs import EARLIER
from equipoise_server.analysis.values import (
    Afterwards,
    Funnel,
    QualityNote,
    Report,
    SoundedAlarm,
    Srm,
    SrmState,
    Traffic,
)
from equipoise_server.events import reads as events
from equipoise_server.events.values import EventKind
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.values import Iteration, PlannedMetric
from equipoise_server.foundation.refusals import Problem
from equipoise_server.foundation.running import interruptible, step
from equipoise_server.metrics import reads as metrics
from equipoise_server.metrics.values import Metric

Held = Mapping[tuple[UUID, str, int], Metric]
"""Metrics by project, key and version."""
FALLBACK_EXPECTED_UNITS = 20_000
STEPS = 5
"""Of a refresh, as its progress counts them; the last is the keeping of the report."""
_WITHHOLDING = {SrmState.ALERTED, SrmState.LOCKED}


def build_report(iteration_id: UUID, *, now: datetime) -> Report:
    """Take the looks that are due and make the report; the ledger is written, the report is not."""
    iteration = experiments.iteration(iteration_id)
    step("reading new events", 0, STEPS)
    measured = measured_metrics(iteration)
    plan = plan_of(iteration, measured)
    _settle_doubts(iteration, plan, now=now)
    until = now if iteration.stopped_at is None else min(now, iteration.stopped_at)
    since = iteration.started_at - max(plan.longest_past, EARLIER)
    traffic = traffic_filter_of(iteration)
    files = Files(
        *(
            events.pinned_files(iteration.environment_id, kind, since=since, until=until).paths
            for kind in (EventKind.EXPOSURE, EventKind.TRACK)
        )
    )
    with ExitStack() as opened:
        opened.enter_context(
            told_plainly(lambda: _broken(Job(iteration, measured, plan, Warehouse(files, traffic), until)))
        )
        found = opened.enter_context(source_files(measured, plan, files.exposures, until=until))
        files = replace(files, tracks=(*files.tracks, *found))
        is_raw = bool(found) or plan.needs_raw_events
        lent = _warehouse(iteration, plan, files, traffic, now=now, is_raw=is_raw)
        warehouse, as_of = opened.enter_context(lent)
        past = installation_of(iteration)
        return _report(Job(iteration, measured, plan, warehouse, as_of, past=past, traffic=traffic))


def _settle_doubts(iteration: Iteration, plan: Plan, *, now: datetime) -> None:
    """A run whose state differed is believed again once it equals the raw events; else StateDiffers."""
    if not doubts_of((iteration.id,)):
        return
    plans = running_plans(iteration.environment_id)
    if iteration.stopped_at is None and plan in plans:  # raw events answer for all others
        recheck(iteration.environment_id, plans, plan, now=now)
    settle(iteration.id)


@contextmanager
def _warehouse(
    iteration: Iteration,
    plan: Plan,
    files: Files,
    traffic: TrafficFilter | None,
    *,
    now: datetime,
    is_raw: bool = False,
) -> Iterator[tuple[Warehouse, datetime]]:
    """While it runs, the state that grows with new data only, as of now or a moment ago; else raw events.

    With a traffic filter raw events answer: who is left out may change with every event. So they do where
    rows of sources are among them, which come without the order of their arrival, and where a metric
    follows clicks or views.
    """
    with ExitStack() as opened:
        state = None
        if iteration.stopped_at is None and not iteration.is_imported and traffic is None and not is_raw:
            environment_id = iteration.environment_id
            state = opened.enter_context(
                current_state(environment_id, plan, lambda: running_plans(environment_id), now=now)
            )
        warehouse = Warehouse(files, traffic) if state is None else RolledWarehouse(files, state)
        opened.callback(warehouse.close)
        opened.enter_context(interruptible(warehouse.interrupt))
        yield warehouse, now if state is None else min(now, instant_of(state.as_of))


def running_plans(environment_id: UUID) -> tuple[Plan, ...]:
    """What is measured of everything that runs in an environment."""
    running = [one for one in experiments.running_iterations() if one.environment_id == environment_id]
    held = metrics.metrics_at(
        {(one.project_id, planned.key, planned.version) for one in running for planned in one.design.metrics}
    )
    found = ((one, measured_metrics(one, held)) for one in running)
    plans = (plan_of(one, measured) for one, measured in found if not reads_sources(measured))
    return tuple(plan for plan in plans if not plan.needs_raw_events)


def measured_metrics(iteration: Iteration, held: Held = MappingProxyType({})) -> tuple[MeasuredMetric, ...]:
    """The iteration's metrics at their frozen versions; those are looked up that nobody looked up before."""
    return tuple(
        MeasuredMetric(replace(metric, definition=located(metric.definition)), planned)
        for planned in iteration.design.metrics
        for metric in (_metric(iteration, planned, held),)
    )


def _metric(iteration: Iteration, planned: PlannedMetric, held: Held) -> Metric:
    found = held.get((iteration.project_id, planned.key, planned.version))
    if found is not None:
        return found
    with naming(planned.key, planned.version):
        return metrics.metric_by_key(iteration.project_id, planned.key, version=planned.version)


def _broken(job: Job) -> Sequence[Problem]:
    """The metrics that cannot be computed of the raw events, even alone."""
    span = Span(job.until, job.until)
    try:
        return broken(
            job.measured, lambda one: job.warehouse.moments(plan_of(job.iteration, (one,)), span, {})
        )
    finally:
        job.warehouse.close()


def _report(job: Job) -> Report:
    step("counting units and checking the split", 1, STEPS)
    counts = job.warehouse.counts(job.plan, Span(job.until, job.until))
    design = job.iteration.design
    live = Live(
        job.iteration,
        job.now,
        arms=counting.arm_counts(design, counts),
        exposures=counting.exposures_over_time(design, counts),
        srm=_split(job, _randomised(job, counts)),
        notes=(),
        alarms=(),
        longest_window=job.plan.longest_window,
        traffic=_traffic(job, counts),
    )
    job = replace(job, cleared_through=live.srm.cleared_through)
    if not counts or live.srm.state in _WITHHOLDING:
        forget_looks(job.iteration.id)
        notes = (*_exposure_notes(job, live, counts, ()), *_unit_notes(job, live))
        return report_of(replace(live, notes=notes, funnel=_live_funnel(job, counts)), ledger=())
    facts = _frozen_facts(job, counts)
    if is_grouped(job.iteration):
        return report_of(
            replace(live, notes=_exposure_notes(job, live, counts, ())), ledger=_of_groups(job, facts)
        )
    step(f"checking the guardrails of {len(job.measured)} metrics", 2, STEPS)
    analysis = _live_analysis(job, facts)
    notes = _exposure_notes(job, live, counts, analysis.quality)
    if isinstance(analysis, stats.Withheld):
        forget_looks(job.iteration.id)
        live = replace(live, notes=notes, withheld=analysis.reason, funnel=_live_funnel(job, counts))
        return report_of(live, ledger=())
    alarms = _latch(job, facts, analysis)
    step("taking the looks that are due", 3, STEPS)
    ledger = take_looks(job, facts)
    live = replace(live, notes=notes, alarms=alarms, expected_units=facts.expected_units)
    return report_of(live, ledger=ledger)


def _traffic(job: Job, counts: tuple[DayCount, ...]) -> Traffic | None:
    """What the traffic filter does to the split, if one held at the start."""
    if job.traffic is None:
        return None
    span = Span(job.until, job.until)
    everybody = job.warehouse.counts_before_filter(job.plan, span)
    gone = job.warehouse.left_out(job.plan, span)
    return traffic_of(job.iteration.design, job.traffic, (everybody, counts), gone)


def _live_funnel(job: Job, counts: tuple[DayCount, ...]) -> Funnel | None:
    """Where there is no look that could tell it."""
    return funnel_at(job, Span(job.until, job.until)) if counts else None


def _unit_notes(job: Job, live: Live) -> Iterator[QualityNote]:
    """What looks tell of raw events, while there are none: a broken split has its causes there."""
    span, counts = Span(job.until, job.until), {arm.arm: arm.exposed for arm in live.arms}
    lost = signs.lost_units(job.warehouse, job.plan, span, counts)
    bots = signs.suspicious_units(job.warehouse, job.plan, span, counts)
    for name, units in ((stats.CheckName.JOIN_LOSS, lost), (stats.CheckName.BOT_SHARE, bots)):
        if units:
            checked = stats.differs_between_arms(
                name, [units.get(arm, 0) for arm in counts], [*counts.values()]
            )
            yield from quality.exposure_notes([checked], {})
    yield from quality.suspicion_notes(bots, counts)


def _randomised(job: Job, counts: tuple[DayCount, ...]) -> tuple[DayCount, ...]:
    """What was drawn: clusters where clusters were. Their members come together, so they are no evidence."""
    if not job.iteration.design.cluster_type:
        return counts
    return job.warehouse.clusters(job.plan, Span(job.until, job.until))


def _of_groups(job: Job, facts: models.FrozenFacts) -> tuple[LookFound, ...]:
    """Clusters and switched regions are judged once."""
    if job.iteration.schedule is not None:
        return last_switchback_look(job)
    return last_look(job, facts.pivots) if job.iteration.design.cluster_type else ()


def _split(job: Job, counts: tuple[DayCount, ...]) -> Srm:
    """The gate, with what it remembers; while it withholds it also says where the mismatch comes from."""
    row, _ = models.SplitWatch.objects.get_or_create(iteration_id=job.iteration.id)
    held = Watch(row.looked_at, row.alerted_at, row.confirmed_at, row.cleared_through)
    srm, watch = watched(job.iteration, counts, held, now=job.now)
    if watch != held:  # unless somebody has ended the lock meanwhile
        models.SplitWatch.objects.filter(pk=row.pk, cleared_through=held.cleared_through).update(
            looked_at=watch.looked_at, alerted_at=watch.alerted_at, confirmed_at=watch.confirmed_at
        )
    srm = with_signatures(job.iteration.id, srm)
    if srm.state not in _WITHHOLDING:
        return srm
    span, design = Span(job.until, job.until), job.iteration.design
    by_attribute = job.warehouse.counts_by_attribute(job.plan, span)
    found = localised(design, counts, by_attribute, job.warehouse.stages(job.plan, span))
    return replace(srm, localisation=found, afterwards=_afterwards(job, srm, by_attribute))


def _afterwards(job: Job, srm: Srm, by_attribute: ByAttribute) -> Afterwards | None:
    """Whether those that came since a lock stand out, too."""
    if srm.afterwards is None or srm.confirmed_at is None:
        return None
    end = day_end(day_of_lock(srm.confirmed_at))
    if end >= job.until:
        return srm.afterwards
    before = job.warehouse.counts_by_attribute(job.plan, Span(end, end))
    return replace(srm.afterwards, suspects=standing_out(job.iteration.design, by_attribute, before))


def _live_analysis(job: Job, facts: models.FrozenFacts) -> stats.Analysis:
    """Of everybody so far: quality and alarms. No look is taken, whatever is planned."""
    design = stats_design(
        job.iteration,
        job.measured,
        job.plan,
        expected_units=facts.expected_units,
        planned_end_reached=False,
        has_looks=False,
    )
    return stats.analyse(live_evidence(job, facts.pivots).evidence, design)


def _frozen_facts(job: Job, counts: tuple[DayCount, ...]) -> models.FrozenFacts:
    """Pivots and the expected size, fixed at the first build that has data."""
    held = models.FrozenFacts.objects.filter(iteration_id=job.iteration.id).first()
    if held is not None:
        return held
    arms = job.warehouse.moments(job.plan, Span(job.until, job.until), {})
    planned = planned_units(job.iteration, job.plan.longest_window)
    fixed = models.FrozenFacts(
        iteration_id=job.iteration.id,
        pivots=pivots_for(job.plan, arms),
        expected_units=planned or _guessed_units(job, counts),
        breached=[],
    )
    with transaction.atomic():
        row, _ = models.FrozenFacts.objects.get_or_create(
            iteration_id=fixed.iteration_id,
            defaults={"pivots": fixed.pivots, "expected_units": fixed.expected_units},
        )
    return row


def _guessed_units(job: Job, counts: tuple[DayCount, ...]) -> int:
    """Without a plan: what two weeks would bring at the pace so far. Units, never outcomes, decide it."""
    days = counting.observed_days(job.iteration.started_at, job.until)
    units = sum(count.units for count in counts)
    return round(units / days * 14) if days >= 1 else max(units, FALLBACK_EXPECTED_UNITS)


def _latch(job: Job, facts: models.FrozenFacts, results: stats.Results) -> tuple[SoundedAlarm, ...]:
    """Alarms that sound now or have sounded before: one valid at any time stays valid."""
    sounding = {(one.metric, one.treatment) for one in results.metrics if rows.is_breached(one)}
    held = {(metric, arm) for metric, arm in facts.breached}
    if sounding - held:
        facts.breached = sorted(held | sounding)
        facts.save(update_fields=["breached"])
    names = {one.metric.key: one.metric.name for one in job.measured}
    return tuple(SoundedAlarm(metric, names[metric], arm) for metric, arm in sorted(held | sounding))


def _exposure_notes(
    job: Job, live: Live, counts: tuple[DayCount, ...], checks: tuple[stats.QualityCheck, ...]
) -> tuple[QualityNote, ...]:
    span = Span(job.until, job.until)
    strangers = job.warehouse.strangers(job.plan, span)
    delivered = events.data_quality(job.iteration.environment_id)
    lost = job.warehouse.unjoinable(job.plan, span) if counts else ()
    return (
        *quality.exposure_notes(checks, strangers),
        *quality.false_alarm_notes(live.srm),
        *(() if live.traffic is None else traffic_notes(live.traffic)),
        *quality.delivery_notes(lost, job.plan.unit_type, delivered),
    )
