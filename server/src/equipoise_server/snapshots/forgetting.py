"""Takes erased units out of kept snapshots: pieces that name one are replaced, in every revision.

Such a revision gets another hash. Everybody else's answers are the same when it is replayed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from equipoise_engine import canonical_json, content_hash
from equipoise_server.events.actions import Gone, When, forgets
from equipoise_server.foundation.named_units import without_units
from equipoise_server.snapshots import keeping, models


@forgets(When.CONFIGURATION)
def forget_in_snapshots(gone: Gone, _now: datetime) -> Mapping[str, int]:
    """Each snapshot by itself; what nobody refers to any more is deleted at the end."""
    replaced = _replaced(gone)
    count = 0
    for row in models.Snapshot.objects.filter(environment_id__in=gone.environments).order_by("pk"):
        count += _rewritten(row, replaced)
    if replaced:
        _delete_unused(frozenset(replaced))
    return {"kept snapshots": count}


def _replaced(gone: Gone) -> dict[str, str]:
    """By the hash of a piece that names one of the units: the hash of the same piece without them."""
    wanted = {
        sha256
        for row in models.Snapshot.objects.filter(environment_id__in=gone.environments).iterator()
        for table in row.pieces.values()
        for sha256 in table.values()
    }
    found: dict[str, str] = {}
    for piece in models.Piece.objects.filter(content__contains='"units"').iterator(chunk_size=200):
        cleaned = without_units(json.loads(piece.content), gone.unit_type, gone.units)
        if cleaned.removed and piece.pk in wanted:
            content = canonical_json(cleaned.value)
            found[piece.pk] = hashlib.sha256(content).hexdigest()
            models.Piece.objects.get_or_create(sha256=found[piece.pk], defaults={"content": content.decode()})
    return found


@transaction.atomic
def _rewritten(row: models.Snapshot, replaced: Mapping[str, str]) -> bool:
    pieces = {
        table: {key: replaced.get(sha256, sha256) for key, sha256 in held.items()}
        for table, held in row.pieces.items()
    }
    if pieces == row.pieces:
        return False
    document = keeping.document_of(row)
    row.pieces = pieces
    contents = models.Piece.objects.filter(pk__in=set(replaced.values())).values_list("sha256", "content")
    fresh = {sha256: json.loads(content) for sha256, content in contents}
    for table, held in pieces.items():
        entries = document[table]
        assert isinstance(entries, dict)
        entries |= {key: fresh[sha256] for key, sha256 in held.items() if sha256 in fresh}
    row.hash = content_hash({name: value for name, value in document.items() if name != "hash"})
    row.head = {**row.head, "hash": row.hash}
    row.byte_count = len(canonical_json({**document, "hash": row.hash}))
    row.save(update_fields=["pieces", "hash", "head", "byte_count"])
    return True


def _delete_unused(old: frozenset[str]) -> None:
    """Another project may have the very same piece: then it stays."""
    used = {
        sha256
        for held in models.Snapshot.objects.values_list("pieces", flat=True).iterator()
        for table in held.values()
        for sha256 in table.values()
    }
    models.Piece.objects.filter(pk__in=old - used).delete()
