"""The hash chain: how a record's hash follows from its content and the record before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC

from equipoise_server.audit.models import AuditRecord

FIRST_HASH = "0" * 64


def record_hash(previous_hash: str, content: Mapping[str, object]) -> str:
    """SHA-256 over the previous hash and the record's canonical JSON."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{previous_hash}\n{text}".encode()).hexdigest()


def content_of(row: AuditRecord) -> dict[str, object]:
    """What a record's hash is made of."""
    return {
        "number": row.number,
        "at": row.at.astimezone(UTC).isoformat(),
        "author": [row.author_kind, row.author_id, row.author_name],
        "action": row.action,
        "reason": row.reason,
        "changes": row.changes,
        "revisions": row.revisions,
    }
