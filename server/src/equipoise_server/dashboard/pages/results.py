"""The Results tab: what the last look found, in blocks by role; or why there is nothing to see."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from equipoise_server.analysis.values import (
    ComparisonRow,
    Conclusion,
    Guardrail,
    GuardrailState,
    Interval,
    Method,
    PlanReached,
    Report,
    Results,
    SrmState,
    Withheld,
)
from equipoise_server.dashboard import words
from equipoise_server.dashboard.charts import ForestRow
from equipoise_server.dashboard.charts.values import Tone
from equipoise_server.dashboard.pages.figures import (
    ArmNames,
    Figure,
    exposures_figure,
    forest_figure,
    lift_figure,
)
from equipoise_server.dashboard.pages.further import Reading, readings
from equipoise_server.dashboard.pages.localisation import WhereFrom, where_from
from equipoise_server.experiments.values import MetricRole, VerdictState
from equipoise_server.metrics.values import Direction

USUAL_CONFIDENCE = 0.95
LEAST_GAIN = 0.005


class ResultsState(StrEnum):
    """Which of the six faces the tab shows."""

    NOT_STARTED = "not_started"
    COMPUTING = "computing"
    LOCKED = "locked"
    DOUBTED = "doubted"
    """The sums differ from the raw events and are made again."""
    WAITING = "waiting"
    """No result for a harmless reason: no data yet."""
    SHOWN = "shown"


@dataclass(frozen=True, slots=True)
class MetricLine:
    """One metric for one treatment, ready to be read; every number is already text."""

    metric: str
    name: str
    arm: str
    arm_index: int
    role: MetricRole
    says: str
    tone: Tone
    lift: str
    lift_range: str
    effect: str
    effect_range: str
    control_value: str
    treatment_value: str
    control_units: int
    treatment_units: int
    p_value: str
    adjusted_p_value: str
    mde_reached: str
    reason: str
    wants: str
    margin: str
    confidence: str = ""
    """Of the intervals, where it is not the usual one."""
    adjusted: str = ""
    """What was taken out of the noise, and how much of it."""
    bound: str = ""
    part: str = ""
    """Its share of an OEC of several metrics."""


@dataclass(frozen=True, slots=True)
class PlanLine:
    """How far a planned end is."""

    looks: str
    units: str
    share: float
    power: str
    mde: str


@dataclass(frozen=True, slots=True)
class MetricBlock:
    """The metrics of one role."""

    role: MetricRole
    lines: tuple[MetricLine, ...]
    forest: Figure | None
    is_in_proportion: bool = False
    """Some differences in a metric's own unit are drawn as a share of control."""


@dataclass(frozen=True, slots=True)
class ResultsTab:
    """Everything the tab shows. With `withheld` there is no metric number anywhere in it."""

    state: ResultsState
    sentence: str
    computed_at: datetime | None
    withheld: Withheld | None = None
    where_from: WhereFrom | None = None
    is_confirmed: bool = True
    """Of a lock: whether it stays for good."""
    looked_at: datetime | None = None
    is_final: bool = False
    method: Method = Method.CONFIDENCE_SEQUENCE
    plan: PlanLine | None = None
    readings: tuple[Reading, ...] = ()
    note: str = ""
    """How groups of units were compared."""
    blocks: tuple[MetricBlock, ...] = ()
    lift: Figure | None = None
    exposures: Figure | None = None

    @property
    def oec(self) -> tuple[MetricLine, ...]:
        """The lines the decision hangs on."""
        return next((block.lines for block in self.blocks if block.role is MetricRole.OEC), ())


_WITHHELD = {
    VerdictState.WITHHELD_SRM: ResultsState.LOCKED,
    VerdictState.WITHHELD_STATE: ResultsState.DOUBTED,
}
_CONCLUSIONS = {
    Conclusion.BETTER: ("Better", Tone.GOOD),
    Conclusion.WORSE: ("Worse", Tone.BAD),
    Conclusion.UNCLEAR: ("No clear difference", Tone.QUIET),
    Conclusion.TOO_EARLY: ("Too early", Tone.QUIET),
    Conclusion.NOT_READ: ("Not judged", Tone.QUIET),
    Conclusion.UNKNOWN: ("Cannot be computed", Tone.QUIET),
}
_GUARDRAILS = {
    GuardrailState.PASS: ("Within the margin", Tone.GOOD),
    GuardrailState.FAIL: ("Worse than allowed", Tone.BAD),
    GuardrailState.UNCLEAR: ("Not yet proven safe", Tone.QUIET),
}


def results_tab(report: Report | None, arms: ArmNames, *, has_started: bool) -> ResultsTab:
    """The tab of an iteration's report; without one it is being computed, or nothing has started."""
    if report is None:
        state = ResultsState.COMPUTING if has_started else ResultsState.NOT_STARTED
        return ResultsTab(state, "", None)
    if report.results is None:
        return ResultsTab(
            _WITHHELD.get(report.verdict, ResultsState.WAITING),
            report.sentence,
            report.computed_at,
            report.withheld,
            where_from(report),
            is_confirmed=report.srm.state is not SrmState.ALERTED,
        )
    return _shown(report, report.results, arms)


def _shown(report: Report, results: Results, arms: ArmNames) -> ResultsTab:
    oec = next((row.name for row in results.rows if row.role is MetricRole.OEC), "the OEC")
    return ResultsTab(
        state=ResultsState.SHOWN,
        sentence=report.sentence,
        computed_at=report.computed_at,
        looked_at=results.looked_at,
        is_final=results.method is Method.FIXED if results.is_final is None else results.is_final,
        method=results.method,
        plan=None if results.plan is None else _plan_line(results.plan),
        readings=readings(results.further, arms),
        note=results.further.method_note,
        blocks=tuple(_block(role, results.rows, arms) for role in MetricRole if _of(role, results.rows)),
        lift=lift_figure(results.lift_over_time, arms, oec),
        exposures=exposures_figure(report.exposures_over_time, arms),
    )


def _plan_line(plan: PlanReached) -> PlanLine:
    taken = (
        str(plan.looks_taken) if plan.looks_planned is None else f"{plan.looks_taken} of {plan.looks_planned}"
    )
    return PlanLine(
        looks=taken,
        units=f"{words.whole(plan.units)} of {words.whole(plan.units_planned)}",
        share=min(plan.units / plan.units_planned, 1.0),
        power=words.percent(plan.power, 0),
        mde="" if plan.mde_relative is None else words.percent(plan.mde_relative),
    )


def _of(role: MetricRole, rows: Sequence[ComparisonRow]) -> list[ComparisonRow]:
    return [row for row in rows if row.role is role]


def _block(role: MetricRole, rows: Sequence[ComparisonRow], arms: ArmNames) -> MetricBlock:
    mine = _of(role, rows)
    has_several_arms = len({row.arm for row in mine}) > 1
    lines = tuple(line_of(row, arms) for row in mine)
    marks = [forest_row(row, line, named_arm=has_several_arms) for row, line in zip(mine, lines, strict=True)]
    figure = forest_figure(marks, "Lift against control, with its interval")
    told = zip(lines, marks, strict=True)
    return MetricBlock(role, lines, figure, any(mark.text == line.effect_range for line, mark in told))


def line_of(row: ComparisonRow, arms: ArmNames) -> MetricLine:
    """One metric for one treatment in words and numbers."""
    says, tone = _says(row)
    is_usual = math.isclose(row.confidence, USUAL_CONFIDENCE)
    lift, effect = row.lift_interval, row.effect_interval
    return MetricLine(
        metric=row.metric,
        name=row.name,
        arm=arms.name(row.arm),
        arm_index=arms.index(row.arm),
        role=row.role,
        says=says,
        tone=tone,
        lift=words.lift(row.lift) if row.lift is not None else "",
        lift_range=words.lift_range(lift.low, lift.high) if lift else "",
        effect=words.difference(row.effect, row.display) if row.effect is not None else "",
        effect_range=words.difference_range(effect.low, effect.high, row.display) if effect else "",
        control_value=words.measure(row.control_value, row.display),
        treatment_value=words.measure(row.treatment_value, row.display),
        control_units=row.control_units,
        treatment_units=row.treatment_units,
        p_value=words.p_value(row.p_value),
        adjusted_p_value="" if row.adjusted_p_value is None else words.p_value(row.adjusted_p_value),
        mde_reached=words.percent(row.mde_reached) if row.mde_reached is not None else words.UNKNOWN,
        reason=row.reason,
        wants="higher is better" if row.direction is Direction.INCREASE else "lower is better",
        margin=row.guardrail.margin_text if row.guardrail else "",
        confidence="" if is_usual else words.percent(row.confidence),
        adjusted=_adjusted(row),
        bound=_bound(row),
        part="" if row.weight is None else words.percent(row.weight, 0),
    )


def _adjusted(row: ComparisonRow) -> str:
    if row.variance_reduction is None or not row.adjusted_for:
        return ""
    gained = words.percent(row.variance_reduction, 0) if row.variance_reduction >= LEAST_GAIN else "no"
    return f"adjusted for {', '.join(row.adjusted_for)}: {gained} less variance"


def _bound(row: ComparisonRow) -> str:
    guardrail = row.guardrail
    if guardrail is None or guardrail.bound is None or guardrail.bound_state is None:
        return ""
    way = "at least" if row.direction is Direction.INCREASE else "at most"
    says = _GUARDRAILS[guardrail.bound_state][0].lower().replace("within the margin", "kept")
    return f"itself {way} {words.measure(guardrail.bound, row.display)}: {says}"


def _says(row: ComparisonRow) -> tuple[str, Tone]:
    if row.guardrail is None:
        return _CONCLUSIONS[row.conclusion]
    return _guardrail_says(row.guardrail, row.conclusion)


def _guardrail_says(guardrail: Guardrail, conclusion: Conclusion) -> tuple[str, Tone]:
    if guardrail.is_breached:
        return "Breached", Tone.BAD
    if conclusion is Conclusion.TOO_EARLY:
        return _CONCLUSIONS[conclusion]
    return _GUARDRAILS[guardrail.state]


def forest_row(row: ComparisonRow, line: MetricLine, *, named_arm: bool) -> ForestRow:
    """A row on the lift axis. Where the difference was judged, it is drawn in proportion to control."""
    estimate, interval, margin, told = row.lift, row.lift_interval, None, line.lift_range
    if row.lift is None and row.effect is not None and row.control_value:
        estimate, told = row.effect / row.control_value, line.effect_range
        interval = _per_control(row.effect_interval, row.control_value)
    if row.guardrail is not None:
        margin = row.guardrail.margin_lift
        if row.guardrail.margin_effect is not None and row.control_value:
            margin = row.guardrail.margin_effect / row.control_value
            interval, told = _per_control(row.effect_interval, row.control_value), line.effect_range
    return ForestRow(
        label=line.name,
        arm=line.arm if named_arm else "",
        arm_index=line.arm_index,
        estimate=estimate if interval else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        text=told or line.says,
        tone=line.tone,
        margin=margin,
        higher_is_better=row.direction is Direction.INCREASE,
    )


def _per_control(interval: Interval | None, control: float) -> Interval | None:
    if interval is None or control < 0:
        return None
    low, high = interval.low, interval.high
    return Interval(None if low is None else low / control, None if high is None else high / control)
