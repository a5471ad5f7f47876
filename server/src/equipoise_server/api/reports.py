"""What is known of an experiment: its report, its export, the iterations before, and the plan of its power.

A withheld report has no metric number, in no format.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema

from equipoise_server.analysis import reads as analysis
from equipoise_server.analysis.values import (
    ComparisonRow,
    Conclusion,
    GuardrailState,
    Interval,
    Method,
    NoteLevel,
    PowerAnswer,
    PowerQuestion,
    Report,
    Results,
    SrmState,
)
from equipoise_server.api.designs import IterationShape
from equipoise_server.api.experiments import EXPERIMENT
from equipoise_server.api.reading import Page, PageQuery, Strict, page_of, project_of
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.values import Experiment, Iteration, MetricRole, VerdictState
from equipoise_server.foundation.refusals import Conflict, NotFound, Problem
from equipoise_server.metrics.values import Direction, MetricKind

router = Router(tags=["reports"])


def _low(interval: Interval | None) -> float | None:
    return None if interval is None else interval.low


def _high(interval: Interval | None) -> float | None:
    return None if interval is None else interval.high


Cell = Callable[[ComparisonRow], object]
_COLUMNS: dict[str, Cell] = {
    "metric": lambda row: row.metric,
    "metric_version": lambda row: row.metric_version,
    "name": lambda row: row.name,
    "role": lambda row: row.role,
    "arm": lambda row: row.arm,
    "control_units": lambda row: row.control_units,
    "treatment_units": lambda row: row.treatment_units,
    "control_value": lambda row: row.control_value,
    "treatment_value": lambda row: row.treatment_value,
    "effect": lambda row: row.effect,
    "effect_low": lambda row: _low(row.effect_interval),
    "effect_high": lambda row: _high(row.effect_interval),
    "lift": lambda row: row.lift,
    "lift_low": lambda row: _low(row.lift_interval),
    "lift_high": lambda row: _high(row.lift_interval),
    "p_value": lambda row: row.p_value,
    "adjusted_p_value": lambda row: row.adjusted_p_value,
    "conclusion": lambda row: row.conclusion,
    "guardrail": lambda row: None if row.guardrail is None else row.guardrail.state,
    "reason": lambda row: row.reason,
}


class IntervalShape(Schema):
    """A confidence interval; an end is null where it is unbounded."""

    low: float | None
    high: float | None


class ArmCountShape(Schema):
    """How many units met an arm."""

    arm: str
    name: str
    exposed: int
    planned_share: float
    crossed: int


class SrmPointShape(Schema):
    """The sample-ratio test at one instant."""

    at: datetime
    p_value: float


class SrmShape(Schema):
    """The sample-ratio test."""

    state: SrmState
    p_value: float | None
    history: list[SrmPointShape]


class GuardrailShape(Schema):
    """A guardrail's verdict; `is_breached` is the alarm, valid at every look."""

    state: GuardrailState
    margin_text: str
    margin_lift: float | None
    margin_effect: float | None
    is_breached: bool


class ComparisonShape(Schema):
    """One metric for one treatment against control. What is not known is null, and `reason` says why."""

    metric: str
    metric_version: int
    name: str
    role: MetricRole
    direction: Direction
    display: str
    arm: str
    control_units: int
    treatment_units: int
    control_value: float | None
    treatment_value: float | None
    effect: float | None
    effect_interval: IntervalShape | None
    lift: float | None
    lift_interval: IntervalShape | None
    p_value: float | None
    adjusted_p_value: float | None
    mde_reached: float | None
    conclusion: Conclusion
    reason: str
    guardrail: GuardrailShape | None


class LiftPointShape(Schema):
    """The deciding metric's lift at one closed day."""

    day: date
    arm: str
    lift: float | None
    interval: IntervalShape | None


class ExposurePointShape(Schema):
    """Cumulative exposed units of one arm."""

    day: date
    arm: str
    units: int


class NoteShape(Schema):
    """A data-quality check that has something to say."""

    key: str
    level: NoteLevel
    title: str
    message: str


class WithheldShape(Schema):
    """Why there are no results, and what to check."""

    title: str
    explanation: str
    what_to_check: list[str]


class ResultsShape(Schema):
    """Everything the last look found."""

    method: Method
    looked_at: datetime
    rows: list[ComparisonShape]
    lift_over_time: list[LiftPointShape]


class ReportShape(Schema):
    """What is known of one iteration; exactly one of `results` and `withheld` is there."""

    iteration_id: UUID
    computed_at: datetime
    verdict: VerdictState
    sentence: str
    arms: list[ArmCountShape]
    exposures_over_time: list[ExposurePointShape]
    srm: SrmShape
    notes: list[NoteShape]
    results: ResultsShape | None
    withheld: WithheldShape | None


@dataclass(frozen=True, slots=True)
class ResultHistory:
    """One iteration and what was found last about it."""

    iteration: Iteration
    verdict: VerdictState | None
    sentence: str | None
    computed_at: datetime | None


class ResultHistoryShape(Schema):
    """One iteration and what was found last about it; null before its first refresh."""

    iteration: IterationShape
    verdict: VerdictState | None
    sentence: str | None
    computed_at: datetime | None


class PowerBody(Strict):
    """What is planned. `weights` are of all arms, control first; `deviation` is per unit."""

    kind: MetricKind
    baseline: float | None = None
    deviation: float | None = None
    mde_relative: float | None = None
    alpha: float = 0.05
    power: float = 0.8
    weights: list[int] = Field([1, 1], max_length=64)
    daily_units: int | None = Field(None, ge=1, le=10**9)

    def question(self) -> PowerQuestion:
        """As the rooms know it."""
        plain = self.model_dump(exclude={"kind", "weights"})
        return PowerQuestion(kind=self.kind, weights=tuple(self.weights), **plain)


class WeekMdeShape(Schema):
    """The smallest relative change that so many weeks can find."""

    week: int
    units: int
    mde_relative: float | None


class PowerShape(Schema):
    """How many units and days it takes; what cannot be told is null, and `missing` says what to give."""

    units_per_arm: int | None
    total_units: int | None
    days: int | None
    recommended_days: int | None
    by_week: list[WeekMdeShape]
    missing: list[str]


@router.post("/projects/{project}/power", response=PowerShape)
def plan_power(request: HttpRequest, project: str, body: PowerBody) -> PowerAnswer:
    """How large and how long an experiment must be. Changes nothing."""
    project_of(request, project)
    return analysis.power_plan(body.question())


@router.get(EXPERIMENT + "/report", response=ReportShape)
def get_report(request: HttpRequest, project: str, experiment: str, *, iteration: int = 0) -> Report:
    """The last report of the newest iteration, or of the one with this number."""
    return _report(_iteration(_experiment(request, project, experiment), iteration))


@router.get(EXPERIMENT + "/report.csv", response=str)
def export_report(request: HttpRequest, project: str, experiment: str, *, iteration: int = 0) -> HttpResponse:
    """The results as CSV, one row per metric and treatment. 409 while they are withheld."""
    chosen = _iteration(_experiment(request, project, experiment), iteration)
    report = _report(chosen)
    if report.results is None:
        told = "The results are withheld." if report.withheld is None else report.withheld.explanation
        raise Conflict(Problem("", told))
    name = f"{chosen.experiment_key}-{chosen.number}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(_csv(report.results), content_type="text/csv; charset=utf-8", headers=headers)


@router.get(EXPERIMENT + "/history", response=Page[ResultHistoryShape])
def list_result_history(
    request: HttpRequest, project: str, experiment: str, page: Query[PageQuery]
) -> dict[str, object]:
    """Every iteration, oldest first, with what was found last about it."""
    found = _experiment(request, project, experiment)
    reports = analysis.reports_of(tuple(one.id for one in found.iterations))
    listed = [_history(one, reports.get(one.id)) for one in found.iterations]
    return page_of(listed, page, lambda entry: f"{entry.iteration.number:09}")


def _experiment(request: HttpRequest, project: str, key: str) -> Experiment:
    return experiments.experiment_by_key(project_of(request, project).id, key)


def _iteration(experiment: Experiment, number: int) -> Iteration:
    numbered = {one.number: one for one in experiment.iterations}
    chosen = numbered.get(number) if number else experiment.iteration
    if chosen is None:
        told = f"“{experiment.key}” has no iteration {number}." if number else "It has not started yet."
        raise NotFound(Problem("iteration", told))
    return chosen


def _report(iteration: Iteration) -> Report:
    report = analysis.report_of(iteration.id)
    if report is None:
        raise NotFound(Problem("report", "There is no report yet; the next refresh makes one."))
    return report


def _history(iteration: Iteration, report: Report | None) -> ResultHistory:
    if report is None:
        return ResultHistory(iteration, None, None, None)
    return ResultHistory(iteration, report.verdict, report.sentence, report.computed_at)


def _csv(results: Results) -> str:
    written = io.StringIO()
    writer = csv.DictWriter(written, fieldnames=[*_COLUMNS, "method", "looked_at"], lineterminator="\r\n")
    writer.writeheader()
    for row in results.rows:
        cells = {name: _cell(cell(row)) for name, cell in _COLUMNS.items()}
        writer.writerow(cells | {"method": results.method, "looked_at": results.looked_at.isoformat()})
    return written.getvalue()


def _cell(value: object) -> object:
    """A number as it is, nothing as an empty cell, and a text that no spreadsheet runs as a formula."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return "" if value is None else value
