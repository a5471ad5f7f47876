"""Questions to the metric catalogue. Each answers frozen values."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Lower

from equipoise_server.foundation.refusals import NotFound, Problem
from equipoise_server.metrics import models
from equipoise_server.metrics.definition_json import (
    definition_from_json,
    definition_to_json,
    fact_to_json,
    margin_from_json,
)
from equipoise_server.metrics.values import CatalogueRules, Certification, Direction, Metric, Tier

__all__ = [
    "definition_to_json",
    "fact_to_json",
    "metric",
    "metric_by_key",
    "metrics_of",
    "reading_sources",
    "rules_of",
    "versions_of",
]


def metric(metric_id: UUID) -> Metric:
    """The metric with this id, at its newest version."""
    row = _newest().filter(metric_id=metric_id).first()
    if row is None:
        raise NotFound(Problem("metric", "There is no such metric."))
    return _metric(row)


def metric_by_key(project_id: UUID, key: str, *, version: int = 0) -> Metric:
    """The metric with this key at one version; 0 asks for the newest."""
    rows = _newest() if version == 0 else _versions().filter(number=version)
    row = rows.filter(metric__project_id=project_id, metric__key=key).first()
    if row is None:
        named = f"“{key}”" if version == 0 else f"“{key}” at version {version}"
        raise NotFound(Problem("metric", f"There is no metric {named} in this project."))
    return _metric(row)


def metrics_at(wanted: Collection[tuple[UUID, str, int]]) -> dict[tuple[UUID, str, int], Metric]:
    """The metrics there are of many (project, key, version), in one query."""
    rows = _versions().filter(
        metric__project_id__in={project_id for project_id, _, _ in wanted},
        metric__key__in={key for _, key, _ in wanted},
        number__in={version for _, _, version in wanted},
    )
    found = ((row.metric.project_id, row.metric.key, row.number) for row in rows)
    return {place: _metric(row) for place, row in zip(found, rows, strict=True) if place in wanted}


def metrics_of(project_id: UUID, *, archived: bool = False) -> tuple[Metric, ...]:
    """The project's catalogue at its newest versions, by name; archived entries only when asked for."""
    rows = _newest().filter(metric__project_id=project_id)
    if not archived:
        rows = rows.filter(metric__archived_at=None)
    return tuple(_metric(row) for row in rows.order_by(Lower("metric__name"), "metric__key"))


def versions_of(metric_id: UUID) -> tuple[Metric, ...]:
    """Every version of one metric, newest first."""
    return tuple(_metric(row) for row in _versions().filter(metric_id=metric_id).order_by("-number"))


def reading_sources() -> frozenset[tuple[UUID, str, int]]:
    """(project, key, version) of all metrics that read tables or queries, in one query."""
    rows = models.MetricVersion.objects.filter(reads_sources=True)
    return frozenset(rows.values_list("metric__project_id", "metric__key", "number"))


def rules_of(project_id: UUID) -> CatalogueRules:
    """What the project asks of its metrics."""
    row = models.CatalogueRules.objects.filter(project_id=project_id).first()
    return CatalogueRules() if row is None else CatalogueRules(row.requires_certified_oec)


def _versions() -> QuerySet[models.MetricVersion]:
    return models.MetricVersion.objects.select_related("metric")


def _newest() -> QuerySet[models.MetricVersion]:
    last = models.MetricVersion.objects.filter(metric=OuterRef("metric")).order_by("-number")
    return _versions().filter(number=Subquery(last.values("number")[:1]))


def _metric(row: models.MetricVersion) -> Metric:
    entry = row.metric
    return Metric(
        id=entry.pk,
        version_id=row.pk,
        project_id=entry.project_id,
        key=entry.key,
        version=row.number,
        name=entry.name,
        description=entry.description,
        definition=definition_from_json(row.definition),
        direction=Direction(row.direction),
        tier=Tier(entry.tier),
        owner=entry.owner,
        display=entry.display,
        default_margin=margin_from_json(entry.default_margin),
        minimum_units=entry.minimum_units,
        edition=entry.edition,
        archived_at=entry.archived_at,
        author_id=row.author_id,
        certification=_certification(row),
    )


def _certification(row: models.MetricVersion) -> Certification | None:
    if row.certified_at is None:
        return None
    return Certification(row.certified_by, row.certified_at, row.certification_note)
