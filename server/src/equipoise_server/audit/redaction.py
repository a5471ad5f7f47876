"""Takes erased units out of earlier records, so that the chain still shows what was written and by whom.

A redacted record keeps its hash. A new record says which ones were redacted and what each must hash to now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from equipoise_server.audit.actions import change
from equipoise_server.audit.chain import content_of, record_hash
from equipoise_server.audit.models import AuditRecord
from equipoise_server.audit.values import REDACTION, Author, Subject
from equipoise_server.foundation.named_units import without_units


@dataclass(frozen=True, slots=True)
class RedactUnits:
    """Units of a project that no record may name any more."""

    project: Subject
    unit_type: str
    units: AbstractSet[str]


def redact_units(author: Author, command: RedactUnits, *, now: datetime) -> int:
    """Take units out of a project's records; how often one was named. Writes nothing when none was."""
    assert command.project.project_id is not None
    found = list(_naming(command.project.project_id, command))
    if not found:
        return 0
    with change(author, REDACTION, command.project, now=now) as entry:
        for row, _ in found:
            AuditRecord.objects.filter(pk=row.pk).update(changes=row.changes)
        entry.after = {"records": dict(_hashes(row for row, _ in found))}
    return sum(removed for _, removed in found)


def _naming(project_id: UUID, command: RedactUnits) -> Iterator[tuple[AuditRecord, int]]:
    """The records that name one of the units, already without it, and how often they did."""
    rows = AuditRecord.objects.filter(subjects__project_id=project_id).distinct().order_by("number")
    for row in rows.iterator(chunk_size=500):
        cleaned = without_units(row.changes, command.unit_type, command.units)
        if cleaned.removed:
            row.changes = cleaned.value
            yield row, cleaned.removed


def _hashes(rows: Iterable[AuditRecord]) -> Iterator[tuple[str, str]]:
    for row in rows:
        yield str(row.number), record_hash(row.previous_hash, content_of(row))
