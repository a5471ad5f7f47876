"""The unit of change: one action = one transaction = one audit record (and a revision if a payload changed).

An action opens `change(...)`. When it composes actions of lower rooms, theirs join the outer one: their
changes are listed in the same record and everything commits together or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from django.db import transaction

from equipoise_server.audit.chain import FIRST_HASH, content_of, record_hash
from equipoise_server.audit.models import AuditedSubject, AuditRecord, ChainHead
from equipoise_server.audit.values import REDACTION, AuditedChange, Author, Facts, Subject
from equipoise_server.foundation import revisions, running
from equipoise_server.foundation.named_units import without_units
from equipoise_server.foundation.texts import storable


@dataclass(slots=True)
class _OpenRecord:
    """What the outermost action gathers until it commits."""

    changes: list[AuditedChange] = field(default_factory=list)
    touched: dict[UUID, set[str]] = field(default_factory=dict)
    growth_confirmed: bool = False
    vetted: set[UUID] = field(default_factory=set)


@dataclass(slots=True)
class Change:
    """One action's entry: its facts before and after, and the environments whose payload it changes."""

    record: _OpenRecord
    before: Facts | None = None
    after: Facts | None = None

    def touches(self, environment_id: UUID, *flag_keys: str) -> None:
        """Say that a client's payload changes: the environment gets a new revision."""
        self.record.touched.setdefault(environment_id, set()).update(flag_keys)
        self.record.vetted.add(environment_id)

    def kills(self, environment_id: UUID, *flag_keys: str) -> None:
        """Say that a kill changes the payload: a new revision that nothing can refuse."""
        self.record.touched.setdefault(environment_id, set()).update(flag_keys)

    def confirms_growth(self) -> None:
        """Say that the author confirmed a much larger snapshot."""
        self.record.growth_confirmed = True


_open_record: ContextVar[_OpenRecord | None] = ContextVar("open_audit_record", default=None)


@contextmanager
def change(
    author: Author, action: str, subject: Subject, *, now: datetime, reason: str = ""
) -> Iterator[Change]:
    """Open the transaction of one action and write its audit record when it succeeds."""
    outer = _open_record.get()
    if outer is not None:
        yield from _joined(outer, action, subject)
        return
    record = _OpenRecord()
    token = _open_record.set(record)
    try:
        with transaction.atomic():
            running.fence()  # due work whose lease went to another worker changes nothing any more
            yield from _joined(record, action, subject)
            # A kill must not fail on its reason: what cannot be kept of it is left out.
            _write(record, author=author, action=action, reason=storable(reason), now=now)
    finally:
        _open_record.reset(token)


def _joined(record: _OpenRecord, action: str, subject: Subject) -> Iterator[Change]:
    entry = Change(record)
    place = len(record.changes)
    yield entry
    record.changes.insert(place, AuditedChange(action, subject, entry.before, entry.after))


def _write(record: _OpenRecord, *, author: Author, action: str, reason: str, now: datetime) -> None:
    revised = {
        str(environment_id): revisions.advance(
            environment_id,
            frozenset(flags),
            now=now,
            growth_confirmed=record.growth_confirmed,
            is_vetted=environment_id in record.vetted,
        )
        for environment_id, flags in sorted(record.touched.items())
    }
    head, _ = ChainHead.objects.select_for_update().get_or_create(pk=1, defaults={"hash": FIRST_HASH})
    content: dict[str, object] = {
        "number": head.number + 1,
        "at": now.astimezone(UTC).isoformat(),
        "author": [author.kind, author.id, author.name],
        "action": action,
        "reason": reason,
        "changes": [_as_json(entry) for entry in record.changes],
        "revisions": {key: f"{value.epoch}.{value.number}" for key, value in revised.items()},
    }
    digest = record_hash(head.hash, content)
    row = AuditRecord.objects.create(
        number=head.number + 1, at=now, author_kind=author.kind, author_id=author.id, author_name=author.name,
        action=action, reason=reason, changes=content["changes"], revisions=content["revisions"],
        previous_hash=head.hash, hash=digest,
    )  # fmt: skip
    AuditedSubject.objects.bulk_create(
        AuditedSubject(record=row, kind=s.kind, subject_id=s.id, project_id=s.project_id)
        for s in dict.fromkeys(entry.subject for entry in record.changes)
    )
    head.number, head.hash = row.number, digest
    head.save()


def _as_json(entry: AuditedChange) -> dict[str, object]:
    subject = entry.subject
    return {
        "action": entry.action,
        "subject": {
            "kind": subject.kind,
            "id": str(subject.id),
            "key": subject.key,
            "project_id": None if subject.project_id is None else str(subject.project_id),
            "environment_id": None if subject.environment_id is None else str(subject.environment_id),
        },
        "before": entry.before,
        "after": entry.after,
    }


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
