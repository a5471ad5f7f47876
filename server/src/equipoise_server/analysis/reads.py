"""Questions to analysis: the last report of an iteration, and planning before there is any data."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from equipoise_server.analysis import models
from equipoise_server.analysis.audience import AudienceSize, audience_size
from equipoise_server.analysis.codec import from_json
from equipoise_server.analysis.doubts import doubts_of, withheld_in
from equipoise_server.analysis.false_alarms import FalseAlarm, false_alarm_of
from equipoise_server.analysis.freshness import freshness_of
from equipoise_server.analysis.holdout_impact import holdout_impact
from equipoise_server.analysis.past import KnownMetric, known_metrics
from equipoise_server.analysis.planning import power_plan
from equipoise_server.analysis.power_values import SwitchbackPower
from equipoise_server.analysis.renewing import newest_refresh
from equipoise_server.analysis.sources.exposing import LastReading, last_reading
from equipoise_server.analysis.sources.following import Followed, followed_touches
from equipoise_server.analysis.sources.pace import resting
from equipoise_server.analysis.sources.previewing import FactPreview, preview_definition
from equipoise_server.analysis.switchback_planning import switchback_power
from equipoise_server.analysis.traffic_filters import traffic_filter, traffic_filters
from equipoise_server.analysis.values import Report

__all__ = [
    "AudienceSize",
    "FactPreview",
    "FalseAlarm",
    "Followed",
    "KnownMetric",
    "LastReading",
    "SwitchbackPower",
    "audience_size",
    "evidence_of",
    "false_alarm_of",
    "followed_touches",
    "freshness_of",
    "has_final_report",
    "holdout_impact",
    "known_metrics",
    "last_reading",
    "newest_refresh",
    "outdated_reports",
    "power_plan",
    "preview_definition",
    "report_of",
    "reports_of",
    "resting",
    "switchback_power",
    "traffic_filter",
    "traffic_filters",
]


def report_of(iteration_id: UUID) -> Report | None:
    """The last report; None before the first refresh, and until one of another release is made again."""
    return reports_of((iteration_id,)).get(iteration_id)


def reports_of(iteration_ids: tuple[UUID, ...]) -> dict[UUID, Report]:
    """The last reports of several iterations; without results while their state is in doubt."""
    rows = models.StoredReport.objects.filter(iteration_id__in=iteration_ids)
    found = {row.iteration_id: from_json(row.report, Report) for row in rows}
    doubts = doubts_of(iteration_ids)
    return {
        iteration_id: withheld_in(report, doubts.get(iteration_id))
        for iteration_id, report in found.items()
        if report is not None
    }


def evidence_of(iteration_id: UUID) -> object | None:
    """What the last look was judged by, for `equipoise_stats.from_document`; None before there was one."""
    row = models.LookEvidence.objects.filter(iteration_id=iteration_id).first()
    return None if row is None else row.document


def outdated_reports() -> tuple[UUID, ...]:
    """The iterations whose report another release wrote in a shape that this one cannot read."""
    rows = models.StoredReport.objects.iterator()
    return tuple(row.iteration_id for row in rows if from_json(row.report, Report) is None)


def has_final_report(iteration_id: UUID, *, stopped_at: datetime | None) -> bool:
    """Whether nothing can change any more: stopped, and the last look is in a report made since."""
    if stopped_at is None:
        return False
    return models.StoredReport.objects.filter(
        iteration_id=iteration_id, is_final=True, computed_at__gte=stopped_at
    ).exists()
