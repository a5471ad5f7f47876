"""How often sources are read: a company's database is not asked every minute for each experiment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from equipoise_server.analysis import models
from equipoise_server.experiments.values import Iteration
from equipoise_server.metrics import reads as metrics


def resting(iterations: Sequence[Iteration], *, now: datetime) -> frozenset[UUID]:
    """Running iterations that read sources and whose report is young; when asked for, it is made anyway."""
    reading = metrics.reading_sources()
    waiting = {
        one.id
        for one in iterations
        if one.stopped_at is None
        and (
            one.design.exposures is not None
            or any(
                (one.project_id, planned.key, planned.version) in reading for planned in one.design.metrics
            )
        )
    }
    if not waiting:
        return frozenset()
    young = now - timedelta(minutes=settings.SOURCE_MINUTES)
    rows = models.StoredReport.objects.filter(iteration_id__in=waiting, computed_at__gt=young)
    return frozenset(rows.values_list("iteration_id", flat=True))
