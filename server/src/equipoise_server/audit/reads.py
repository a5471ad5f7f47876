"""Questions to the audit chain: histories, and whether the chain still holds."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from equipoise_server.audit.chain import FIRST_HASH, content_of, record_hash
from equipoise_server.audit.models import AuditRecord, ChainHead
from equipoise_server.audit.values import REDACTION, AuditedChange, AuditEntry, Author, Subject


@dataclass(frozen=True, slots=True)
class ChainFault:
    """The first record that does not follow from the one before it, and why."""

    number: int
    reason: str


def of_project(project_id: UUID, *, before: int | None = None, limit: int = 50) -> tuple[AuditEntry, ...]:
    """The project's newest records first; `before` is the cursor of the next page."""
    rows = AuditRecord.objects.filter(subjects__project_id=project_id)
    return _page(rows if before is None else rows.filter(number__lt=before), limit)


def of_subject(kind: str, subject_id: UUID, *, limit: int = 50) -> tuple[AuditEntry, ...]:
    """One subject's history, newest first."""
    return _page(AuditRecord.objects.filter(subjects__kind=kind, subjects__subject_id=subject_id), limit)


def chain_fault() -> ChainFault | None:
    """None when every record follows from the one before it and none is missing at the end."""
    previous, expected, redacted = FIRST_HASH, 1, _redacted()
    for row in AuditRecord.objects.order_by("number").iterator():
        if row.number != expected:
            return ChainFault(expected, "a record is missing")
        if row.previous_hash != previous or redacted.get(row.number, row.hash) != record_hash(
            previous, content_of(row)
        ):
            return ChainFault(row.number, "the record was changed after it was written")
        previous, expected = row.hash, expected + 1
    head = ChainHead.objects.filter(pk=1).first()
    if head is not None and head.number != expected - 1:
        return ChainFault(expected, "records are missing at the end")
    return None


def _redacted() -> dict[int, str]:
    """What redacted records must hash to, by number; the newest redaction of a record holds."""
    declared: dict[int, str] = {}
    for row in AuditRecord.objects.filter(action=REDACTION).order_by("number"):
        for entry in row.changes:
            records = (entry["after"] or {}).get("records", {})
            declared |= {int(number): digest for number, digest in records.items()}
    return declared


def _page(rows: QuerySet[AuditRecord], limit: int) -> tuple[AuditEntry, ...]:
    newest = rows.order_by("-number").distinct()[:limit]
    return tuple(_entry(row) for row in newest)


def _entry(row: AuditRecord) -> AuditEntry:
    return AuditEntry(
        number=row.number,
        at=row.at,
        author=Author(row.author_kind, row.author_id, row.author_name),
        action=row.action,
        reason=row.reason,
        changes=tuple(_change(change) for change in row.changes),
        revisions=row.revisions,
        hash=row.hash,
    )


def _change(change: dict[str, dict[str, str | None]]) -> AuditedChange:
    subject = change["subject"]
    return AuditedChange(
        action=str(change["action"]),
        subject=Subject(
            kind=str(subject["kind"]),
            id=UUID(subject["id"]),
            key=str(subject["key"]),
            project_id=_optional_id(subject["project_id"]),
            environment_id=_optional_id(subject["environment_id"]),
        ),
        before=change["before"],
        after=change["after"],
    )


def _optional_id(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)
