"""What is known of an experiment: its report, its export, the iterations before, and the plan of its power.

A withheld report has no metric number, in no format.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from ninja import Query, Router, Schema

from equipoise_server.analysis import reads as analysis
from equipoise_server.analysis.actions import SIGNATURES, SignFalseAlarm, sign_false_alarm
from equipoise_server.analysis.values import (
    ComparisonRow,
    Interval,
    Report,
    Results,
)
from equipoise_server.api.authentication import actor_of
from equipoise_server.api.designs import IterationShape
from equipoise_server.api.experiments import EXPERIMENT
from equipoise_server.api.job_shapes import FreshReportShape, fresh_report
from equipoise_server.api.projects import Reason
from equipoise_server.api.reading import Page, PageQuery, page_of, project_of
from equipoise_server.api.report_shapes import SignatureShape
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.values import Experiment, Iteration, VerdictState
from equipoise_server.foundation.refusals import Conflict, NotFound, Problem

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
    "confidence": lambda row: row.confidence,
    "variance_reduction": lambda row: row.variance_reduction,
    "information": lambda row: None if row.look is None else row.look.information,
    "reason": lambda row: row.reason,
}


@dataclass(frozen=True, slots=True)
class ResultHistory:
    """One iteration and what was found last about it."""

    iteration: Iteration
    verdict: VerdictState | None
    sentence: str | None
    computed_at: datetime | None


class SignedShape(Schema):
    """Who has signed that a lock was a false alarm; the second signature ends it."""

    signatures: list[SignatureShape]
    is_ended: bool


class ResultHistoryShape(Schema):
    """One iteration and what was found last about it; null before its first refresh."""

    iteration: IterationShape
    verdict: VerdictState | None
    sentence: str | None
    computed_at: datetime | None


@router.get(EXPERIMENT + "/report", response=FreshReportShape)
def get_report(
    request: HttpRequest, project: str, experiment: str, *, iteration: int = 0
) -> dict[str, object]:
    """The last good report of the newest iteration, or of the one with this number, and how fresh it is."""
    chosen = _iteration(_experiment(request, project, experiment), iteration)
    report = _report(chosen)
    freshness = analysis.freshness_of(chosen.id, computed_at=report.computed_at, now=timezone.now())
    return fresh_report(report, freshness)


@router.get(EXPERIMENT + "/report.csv", response=str)
def export_report(request: HttpRequest, project: str, experiment: str, *, iteration: int = 0) -> HttpResponse:
    """The results as CSV, one row per metric and treatment. 409 while they are withheld."""
    chosen = _iteration(_experiment(request, project, experiment), iteration)
    report = _report(chosen)
    if report.results is None:
        raise Conflict(Problem("", _why_withheld(report)))
    name = f"{chosen.experiment_key}-{chosen.number}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(_csv(report.results), content_type="text/csv; charset=utf-8", headers=headers)


@router.get(EXPERIMENT + "/moments.json")
def export_moments(
    request: HttpRequest, project: str, experiment: str, *, iteration: int = 0
) -> JsonResponse:
    """The moments, the ledger and the plan of the last look: `equipoise_stats` makes the same report of them.

    409 while results are withheld, 404 before the first look.
    """
    chosen = _iteration(_experiment(request, project, experiment), iteration)
    report = _report(chosen)
    if report.results is None:
        raise Conflict(Problem("", _why_withheld(report)))
    document = analysis.evidence_of(chosen.id)
    if document is None:
        raise NotFound(Problem("iteration", "The next look will keep its moments; this one did not yet."))
    name = f"{chosen.experiment_key}-{chosen.number}-moments.json"
    return JsonResponse(document, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _why_withheld(report: Report) -> str:
    return "The results are withheld." if report.withheld is None else report.withheld.explanation


@router.post(EXPERIMENT + "/false-alarm", response=SignedShape)
def sign_lock_as_false_alarm(
    request: HttpRequest, project: str, experiment: str, body: Reason
) -> dict[str, object]:
    """Sign that the split's lock came by chance: two people do, after as many units again came in balance."""
    command = SignFalseAlarm(_experiment(request, project, experiment).id, body.reason)
    signed = sign_false_alarm(actor_of(request), command, now=timezone.now())
    return {"signatures": signed, "is_ended": len(signed) >= SIGNATURES}


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
        failed = analysis.freshness_of(iteration.id, computed_at=None, now=timezone.now()).last_failure
        told = "There is no report yet; the next refresh makes one."
        why = () if failed is None else failed.problems
        raise NotFound(Problem("report", told), *why)
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
