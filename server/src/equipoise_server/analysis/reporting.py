"""Puts a report together from what is live and the ledger of looks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import equipoise_stats as stats
from equipoise_server.analysis import sentences
from equipoise_server.analysis.looks import LookFound, is_grouped, look_day, method_of, planned_looks
from equipoise_server.analysis.values import (
    ArmCount,
    ComparisonRow,
    ExposurePoint,
    Funnel,
    LiftPoint,
    Method,
    NoteLevel,
    PlanReached,
    QualityNote,
    Report,
    Results,
    SoundedAlarm,
    Srm,
    SrmState,
    Traffic,
    Withheld,
)
from equipoise_server.experiments.values import Iteration, MetricRole, Verdict, VerdictState


@dataclass(frozen=True, slots=True)
class Live:
    """What every refresh renews."""

    iteration: Iteration
    now: datetime
    arms: tuple[ArmCount, ...]
    exposures: tuple[ExposurePoint, ...]
    srm: Srm
    notes: tuple[QualityNote, ...]
    alarms: tuple[SoundedAlarm, ...]
    withheld: stats.WithheldReason | None = None
    expected_units: int | None = None
    longest_window: timedelta = timedelta(0)
    funnel: Funnel | None = None
    """Only while there is no look to tell it."""
    traffic: Traffic | None = None

    @property
    def arm_names(self) -> dict[str, str]:
        """How arms are called in sentences."""
        return {arm.key: arm.name for arm in self.iteration.design.arms}


def report_of(live: Live, *, ledger: Sequence[LookFound]) -> Report:
    """The report: results of the last look, or why there are none."""
    withheld = _withheld(live)
    if withheld is not None:
        state, reason = withheld
        return _report(live, state, sentences.withheld_sentence(reason), withheld=reason)
    if not ledger:
        units = sum(arm.exposed for arm in live.arms)
        reason = _no_look_yet(live, units)
        state = VerdictState.GUARDRAIL_BREACHED if live.alarms else VerdictState.TOO_EARLY
        return _report(live, state, _early_sentence(live, reason), withheld=reason)
    return _with_results(live, ledger)


def verdict_of(report: Report, blocked: Mapping[str, tuple[str, ...]]) -> Verdict:
    """What the experiments room is told; `blocked` says by treatment why it cannot be shipped."""
    if report.withheld is not None:
        return Verdict(report.verdict, report.sentence, report.computed_at, (report.withheld.title,))
    if all(blocked.values()):
        reasons = tuple(reason for told in blocked.values() for reason in told)
        return Verdict(report.verdict, report.sentence, report.computed_at, reasons)
    kept = {arm: told for arm, told in blocked.items() if told}
    return Verdict(report.verdict, report.sentence, report.computed_at, (), kept)


def _withheld(live: Live) -> tuple[VerdictState, Withheld] | None:
    if not any(arm.exposed for arm in live.arms):
        return VerdictState.NO_DATA, sentences.no_data()
    is_broken = live.srm.state in {SrmState.LOCKED, SrmState.ALERTED}
    if is_broken or live.withheld is stats.WithheldReason.SRM:
        return VerdictState.WITHHELD_SRM, sentences.mismatch(live.arms, live.srm)
    if live.withheld is stats.WithheldReason.QUALITY:
        return VerdictState.WITHHELD_SRM, _blocked_by_quality(live)
    if live.withheld is stats.WithheldReason.NO_DATA:
        return VerdictState.NO_DATA, sentences.no_data()
    return None


def _blocked_by_quality(live: Live) -> Withheld:
    """Units in several arms, or another note that blocks."""
    blocking = [note for note in live.notes if note.level is NoteLevel.BLOCK]
    if not blocking or blocking[0].key == stats.CheckName.CROSSED_UNITS:
        return sentences.crossed(live.arms)
    return Withheld(f"Results are withheld: {blocking[0].title}", blocking[0].message, ())


def _with_results(live: Live, ledger: Sequence[LookFound]) -> Report:
    last = ledger[-1]
    breached = {(alarm.metric, alarm.arm) for alarm in live.alarms}
    rows = tuple(_alarmed(row, breached) for row in last.rows)
    state = VerdictState.GUARDRAIL_BREACHED if breached else last.verdict
    results = Results(
        last.method,
        last.as_of,
        rows,
        _lift_over_time(ledger),
        is_final=last.is_final,
        plan=_plan_reached(live, ledger),
        further=last.further,
    )
    sentence = sentences.conclusion_sentence(state, rows, live.arm_names)
    report = _report(live, state, sentence, results=results)
    return replace(report, notes=(*last.notes, *live.notes), funnel=last.funnel)


def _plan_reached(live: Live, ledger: Sequence[LookFound]) -> PlanReached | None:
    """How far the plan is; nothing was planned for an import."""
    if live.iteration.is_imported or live.expected_units is None:
        return None
    last = ledger[-1]
    oec = [row for row in last.rows if row.role is MetricRole.OEC]
    units = max((row.control_units for row in oec), default=0) + sum(row.treatment_units for row in oec)
    design, planned = live.iteration.design, planned_looks(live.iteration)
    return PlanReached(
        looks_taken=len([look for look in ledger if planned is None or look.information is not None]),
        looks_planned=planned,
        units=units,
        units_planned=live.expected_units,
        power=design.power,
        mde_relative=design.mde_relative,
    )


def _no_look_yet(live: Live, units: int) -> Withheld:
    if is_grouped(live.iteration):
        return sentences.judged_once(units, live.iteration.design.cluster_type)
    if live.iteration.stopped_at is not None:
        return sentences.stopped_before_a_look(units)
    return sentences.before_first_look(units, _waits_for(live))


def _waits_for(live: Live) -> timedelta:
    """How long looks wait for units to mature."""
    waits = method_of(live.iteration) is Method.GROUP_SEQUENTIAL
    return live.longest_window if waits else timedelta(0)


def _report(
    live: Live,
    state: VerdictState,
    sentence: str,
    *,
    results: Results | None = None,
    withheld: Withheld | None = None,
) -> Report:
    return Report(
        iteration_id=live.iteration.id,
        computed_at=live.now,
        verdict=state,
        sentence=sentence,
        arms=live.arms,
        exposures_over_time=live.exposures,
        srm=live.srm,
        notes=live.notes,
        results=results,
        withheld=withheld,
        alarms=() if state is VerdictState.WITHHELD_SRM else live.alarms,
        funnel=live.funnel,
        traffic=live.traffic,
    )


def _alarmed(row: ComparisonRow, breached: AbstractSet[tuple[str, str]]) -> ComparisonRow:
    if row.guardrail is None or (row.metric, row.arm) not in breached:
        return row
    return replace(row, guardrail=replace(row.guardrail, is_breached=True))


def _lift_over_time(ledger: Sequence[LookFound]) -> tuple[LiftPoint, ...]:
    by_day = {look_day(look.as_of): look for look in ledger}
    return tuple(
        LiftPoint(day, row.arm, row.lift, row.lift_interval)
        for day, look in sorted(by_day.items())
        for row in look.rows
        if row.role is MetricRole.OEC
    )


def _early_sentence(live: Live, reason: Withheld) -> str:
    if not live.alarms:
        return sentences.withheld_sentence(reason)
    told = " ".join(sentences.alarm_sentence(alarm, live.arm_names) for alarm in live.alarms)
    return f"{told} {reason.explanation}"
