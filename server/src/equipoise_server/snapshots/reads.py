"""Questions about snapshots: what clients get now, what they got at a time, and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from equipoise_engine import Decision, Snapshot, Step, compile_snapshot
from equipoise_server.access import reads as access
from equipoise_server.events.values import Vocabulary
from equipoise_server.flags import reads as flags
from equipoise_server.foundation.refusals import NotFound, Problem
from equipoise_server.foundation.revisions import Revision
from equipoise_server.snapshots import keeping, models
from equipoise_server.snapshots.assigning import Assignment, UnitTable, assignments
from equipoise_server.snapshots.composing import Document
from equipoise_server.snapshots.drafts import DraftAnswer, DraftShares, draft_shares, explain_draft
from equipoise_server.snapshots.lists import lists_of
from equipoise_server.snapshots.proposals import (
    FlagShares,
    Proposed,
    Served,
    made_up_contexts,
    served_by,
    with_node,
)
from equipoise_server.snapshots.recent import recent_contexts
from equipoise_server.snapshots.values import KeptSnapshot, Replay, ReplayQuestion

__all__ = [
    "Assignment",
    "DraftAnswer",
    "DraftShares",
    "FlagShares",
    "Proposed",
    "Served",
    "UnitTable",
    "assigned",
    "blob",
    "compiled_at",
    "current",
    "draft_shares",
    "explain",
    "explain_draft",
    "explain_proposed",
    "flag_shares",
    "preview",
    "replay",
    "snapshot_at",
    "vocabulary",
    "without_holdout",
]


def current(environment_id: UUID) -> KeptSnapshot:
    """What clients of the environment get now."""
    return keeping.kept(_found(environment_id))


def vocabulary(environment_id: UUID) -> Vocabulary:
    """What events of the environment may name now: unit types, and experiments by key."""
    return msgspec.convert(keeping.document_of(_found(environment_id)), Vocabulary)


def snapshot_at(environment_id: UUID, at: datetime) -> KeptSnapshot:
    """What clients of the environment got at a time."""
    return keeping.kept(_found(environment_id, at=at))


def compiled_at(environment_id: UUID, at: datetime) -> Snapshot:
    """What clients of the environment evaluated at a time, ready to evaluate again."""
    return _compiled(environment_id, keeping.document_of(_found(environment_id, at=at)))


def preview(environment_id: UUID) -> Snapshot:
    """The environment's current snapshot, ready to evaluate and to explain."""
    return _compiled(environment_id, keeping.document_of(_found(environment_id)))


def explain(
    environment_id: UUID, flag_key: str, context: Mapping[str, object]
) -> tuple[Decision, tuple[Step, ...]]:
    """What a context gets of a flag now, and why, step by step."""
    snapshot = preview(environment_id)
    return snapshot.evaluate(flag_key, context, None), snapshot.explain(flag_key, context)


def assigned(
    environment_id: UUID, flag_key: str, table: UnitTable, *, now: datetime
) -> tuple[Assignment, ...]:
    """What each unit of a list gets of a flag now. Raises Invalid for a file that cannot be read."""
    return tuple(assignments(preview(environment_id), flag_key, table, now=now))


def without_holdout(environment_id: UUID, holdout_key: str) -> Snapshot:
    """The environment's current snapshot as if one holdout covered nothing."""
    document = keeping.document_of(_found(environment_id))
    served = document["flags"]
    assert isinstance(served, dict)
    for node in served.values():
        node["holdouts"] = [one for one in node.get("holdouts", ()) if one["holdout"] != holdout_key]
    return _compiled(environment_id, document)


def explain_proposed(proposed: Proposed, context: Mapping[str, object]) -> tuple[Decision, tuple[Step, ...]]:
    """What a context would get of a flag with other settings, and why, step by step."""
    snapshot = _with(proposed)
    return snapshot.evaluate(proposed.flag_key, context, None), snapshot.explain(proposed.flag_key, context)


def flag_shares(
    proposed: Proposed, attributes: Mapping[str, object], *, unit_type: str, now: datetime
) -> FlagShares:
    """Who gets what: of made-up units with these attributes, and of units that were exposed lately."""
    project = access.project(access.environment(proposed.environment_id).project_id)
    recent, reason = recent_contexts(proposed.environment_id, unit_type, now=now)
    made_up = made_up_contexts(project.unit_types, attributes, now=now)
    snapshot = _with(proposed)
    return FlagShares(
        served_by(snapshot, proposed.flag_key, made_up),
        served_by(snapshot, proposed.flag_key, recent) if recent else None,
        reason,
    )


def _with(proposed: Proposed) -> Snapshot:
    document = keeping.document_of(_found(proposed.environment_id))
    return _compiled(proposed.environment_id, with_node(document, proposed))


def replay(environment_id: UUID, question: ReplayQuestion) -> Replay:
    """What a unit got of a flag at a time, and why, step by step."""
    row = _found(environment_id, at=question.at)
    snapshot = _compiled(environment_id, keeping.document_of(row))
    context = {"units": {question.unit_type: question.unit}, "attributes": dict(question.attributes)}
    return Replay(
        revision=Revision(row.epoch, row.number),
        created_at=row.created_at,
        hash=row.hash,
        decision=snapshot.evaluate(question.flag_key, context, None),
        steps=snapshot.explain(question.flag_key, context),
    )


def _found(environment_id: UUID, *, at: datetime | None = None) -> models.Snapshot:
    row = keeping.newest(environment_id, at=at)
    if row is None:
        raise NotFound(Problem("at", "The environment had no configuration at that time."))
    return row


def blob(environment_id: UUID, address: str) -> bytes | None:
    """The bytes of a hashed list of units that the environment's snapshots name or named; None otherwise."""
    return flags.member_blob(access.environment(environment_id).project_id, address)


def _compiled(environment_id: UUID, document: Document) -> Snapshot:
    return compile_snapshot(document, lists_of(access.environment(environment_id).project_id, document))
