"""Keeps every snapshot as a list of content-addressed pieces, and puts it together again byte for byte."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from uuid import UUID

from equipoise_engine import canonical_json, content_hash
from equipoise_server.foundation.revisions import Revision
from equipoise_server.snapshots import models
from equipoise_server.snapshots.composing import Document
from equipoise_server.snapshots.values import KeptSnapshot

TABLES = ("flags", "experiments", "layers", "segments")


class CorruptSnapshotError(Exception):
    """A kept snapshot does not have the hash under which it was kept."""


def keep(
    environment_id: UUID, revision: Revision, document: Document, *, byte_count: int, now: datetime
) -> None:
    """Add a snapshot; pieces that an earlier one has are shared."""
    contents: dict[str, str] = {}
    pieces: dict[str, dict[str, str]] = {}
    for table in TABLES:
        entries = document[table]
        assert isinstance(entries, dict)
        written = {key: canonical_json(entry) for key, entry in entries.items()}
        pieces[table] = {key: hashlib.sha256(content).hexdigest() for key, content in written.items()}
        contents |= {pieces[table][key]: content.decode() for key, content in written.items()}
    before = newest(environment_id)
    known = set() if before is None else _hashes(before)
    models.Piece.objects.bulk_create(
        [models.Piece(sha256=h, content=c) for h, c in contents.items() if h not in known],
        ignore_conflicts=True,
    )
    models.Snapshot.objects.create(
        environment_id=environment_id, epoch=revision.epoch, number=revision.number, created_at=now,
        hash=str(document["hash"]), byte_count=byte_count, pieces=pieces,
        head={name: value for name, value in document.items() if name not in TABLES},
    )  # fmt: skip


def newest(environment_id: UUID, *, at: datetime | None = None) -> models.Snapshot | None:
    """The environment's newest snapshot, or the one that held at a time."""
    rows = models.Snapshot.objects.filter(environment_id=environment_id)
    if at is not None:
        rows = rows.filter(created_at__lte=at)
    return rows.order_by("-epoch", "-number").first()


def document_of(row: models.Snapshot) -> Document:
    """The document, put together from its pieces; raises when it is not what was kept."""
    rows = models.Piece.objects.filter(pk__in=_hashes(row)).values_list("sha256", "content")
    contents = {sha256: json.loads(content) for sha256, content in rows}
    document: Document = dict(row.head)
    for table in TABLES:
        document[table] = {key: contents[sha256] for key, sha256 in row.pieces[table].items()}
    if content_hash(document) != row.hash:
        raise CorruptSnapshotError(f"snapshot {row.epoch}.{row.number} of {row.environment_id}")
    return document


def kept(row: models.Snapshot) -> KeptSnapshot:
    """The snapshot with the bytes that clients get."""
    body = canonical_json(document_of(row))
    return KeptSnapshot(row.environment_id, Revision(row.epoch, row.number), row.created_at, row.hash, body)


def _hashes(row: models.Snapshot) -> set[str]:
    return {sha256 for table in TABLES for sha256 in row.pieces[table].values()}
