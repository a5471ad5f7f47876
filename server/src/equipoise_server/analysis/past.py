"""What earlier experiments of the project say: how far true lifts spread, and what metrics are like today."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import equipoise_stats as stats
from equipoise_server.analysis import models
from equipoise_server.analysis.codec import from_json
from equipoise_server.analysis.evidence import Past
from equipoise_server.analysis.plan import MeasuredMetric
from equipoise_server.analysis.values import ComparisonRow, Report
from equipoise_server.events import reads as events
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.values import Experiment, Iteration

TWO_SIDED_95 = 1.959964
NULL_COMPARISONS = 200
MOST_NULL_LOOKS = 1_000
"""Last looks that are searched for them: not every metric has a period before exposure."""


@dataclass(frozen=True, slots=True)
class KnownMetric:
    """What a metric was in the control of the newest experiment that measured it."""

    value: float
    deviation: float | None
    units: int
    experiment: str
    as_of: datetime


def installation_of(iteration: Iteration) -> Past:
    """What every refresh knows from beyond: repeated events, and comparisons that cannot differ."""
    delivered = events.data_quality(iteration.environment_id)
    # An import that is repeated adds nothing, and says nothing of any sender.
    is_told = delivered.received and not iteration.is_imported
    return Past(
        duplicates=(delivered.duplicates, delivered.received) if is_told else None,
        null_p_values=_null_p_values(iteration),
    )


def _null_p_values(iteration: Iteration) -> tuple[float, ...]:
    """Of others' last looks, oldest first: one each, because an experiment's metrics move together."""
    looks = models.Look.objects.filter(is_final=True).exclude(iteration_id=iteration.id).order_by("-as_of")
    found = looks.values_list("found__null_p_value", flat=True)[:MOST_NULL_LOOKS]
    held = [p for p in found if isinstance(p, float | int)]
    return tuple(float(p) for p in reversed(held[:NULL_COMPARISONS]))


def past_of(iteration: Iteration, measured: Sequence[MeasuredMetric]) -> Past:
    """What this experiment is judged beside."""
    lifts = past_lifts(iteration.project_id, except_for=iteration.experiment_id)
    priors = {}
    for one in measured:
        found = [pair for metric, pair in lifts if metric == one.metric.key]
        prior = stats.prior_of_experiments([lift for lift, _ in found], [error for _, error in found])
        if isinstance(prior, stats.Prior):
            priors[one.metric.key] = (prior, len(found))
    return replace(installation_of(iteration), priors=priors)


def past_lifts(project_id: UUID, *, except_for: UUID) -> tuple[tuple[str, tuple[float, float]], ...]:
    """(metric, (lift, standard error)) of every finished comparison in the project's other experiments."""
    ended = [
        one.iteration
        for one in experiments.experiments_of(project_id)
        if one.id != except_for and one.iteration is not None and one.iteration.stopped_at is not None
    ]
    return tuple(_lifts(_reports(ended)))


def lifts_of_arm(experiment: Experiment, metric: str, arm: str) -> tuple[tuple[float, float], ...]:
    """(lift, standard error) of one arm on one metric, by the experiment's last report; at most one."""
    reports = _reports([experiment.iteration] if experiment.iteration is not None else [])
    rows = (row for one in reports if one.results is not None for row in one.results.rows)
    return tuple(
        (row.lift, error)
        for row in rows
        if (row.metric, row.arm) == (metric, arm)
        and row.lift is not None
        and (error := _error(row)) is not None
    )


def known_metrics(project_id: UUID) -> dict[str, KnownMetric]:
    """By metric, its control in the newest report that has it."""
    found: dict[str, KnownMetric] = {}
    held = {one.iteration.id: one for one in experiments.experiments_of(project_id) if one.iteration}
    reports = sorted(_reports([one.iteration for one in held.values() if one.iteration]), key=_computed)
    for report in reports:
        found |= dict(_controls(report, held[report.iteration_id]))
    return found


def _computed(report: Report) -> datetime:
    return report.computed_at


def _controls(report: Report, experiment: Experiment) -> Iterator[tuple[str, KnownMetric]]:
    if report.results is None:
        return
    for row in report.results.rows:
        if row.control_value is not None:
            yield row.metric, KnownMetric(
                row.control_value, row.control_deviation, row.control_units, experiment.name,
                report.results.looked_at,
            )  # fmt: skip


def _reports(iterations: Sequence[Iteration]) -> list[Report]:
    stored = models.StoredReport.objects.filter(iteration_id__in=[one.id for one in iterations])
    found = [from_json(row.report, Report) for row in stored]
    return [report for report in found if report is not None]


def _lifts(reports: Sequence[Report]) -> Iterator[tuple[str, tuple[float, float]]]:
    for report in reports:
        for row in () if report.results is None else report.results.rows:
            error = _error(row)
            if row.lift is not None and error is not None:
                yield row.metric, (row.lift, error)


def _error(row: ComparisonRow) -> float | None:
    """The standard error that an interval stands for, by the width of its confidence."""
    ends = row.lift_interval
    if ends is None or ends.low is None or ends.high is None or ends.high <= ends.low:
        return None
    reach = row.look.critical if row.look is not None else TWO_SIDED_95
    return (ends.high - ends.low) / (2 * reach)
