"""What an audit record says: who did what to what, before, after and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

Facts = Mapping[str, object]
REDACTION = "audit.redact"
"""The action that takes erased units out of earlier records; it says what these must hash to from then on."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who acts: a person, a machine (by its key) or automation."""

    kind: str
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What is acted on. `key` is what people read; `id` never changes."""

    kind: str
    id: UUID
    key: str
    project_id: UUID | None = None
    environment_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class AuditedChange:
    """One change inside a record, with the subject's facts before and after it."""

    action: str
    subject: Subject
    before: Facts | None
    after: Facts | None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One audit record as pages and the API read it."""

    number: int
    at: datetime
    author: Author
    action: str
    reason: str
    changes: tuple[AuditedChange, ...]
    revisions: Mapping[str, str]
    hash: str
