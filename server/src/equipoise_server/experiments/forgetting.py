"""Takes erased units out of designs, running or not: a condition may name units."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from equipoise_server.access import reads as access
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Subject
from equipoise_server.events.actions import Gone, When, forgets
from equipoise_server.experiments import models
from equipoise_server.foundation.named_units import without_units

Designed = models.Experiment | models.Iteration


@forgets(When.CONFIGURATION)
def forget_in_designs(gone: Gone, now: datetime) -> Mapping[str, int]:
    """An audited change, and a new revision of every environment when a design named one."""
    found: list[tuple[Designed, int]] = []
    designed: list[Designed] = [*models.Experiment.objects.filter(project_id=gone.project_id)]
    designed += models.Iteration.objects.filter(experiment__project_id=gone.project_id)
    for row in designed:
        cleaned = without_units(row.design, gone.unit_type, gone.units)
        if cleaned.removed:
            row.design = cleaned.value
            found.append((row, cleaned.removed))
    removed = sum(count for _, count in found)
    if found:
        _save([row for row, _ in found], gone, now)
    return {"designs": removed}


def _save(rows: list[Designed], gone: Gone, now: datetime) -> None:
    subject = Subject("project", gone.project_id, access.project(gone.project_id).key, gone.project_id)
    with change(gone.author, "unit.forget", subject, now=now) as entry:
        for row in rows:
            row.save(update_fields=["design"])
        for environment_id in gone.environments:
            entry.touches(environment_id)
        entry.after = {"designs": len(rows)}
