"""Vets and keeps an environment's payload whenever it changes, inside the change's own transaction."""

from __future__ import annotations

from uuid import UUID

from equipoise_engine import canonical_json
from equipoise_server.access import reads as access
from equipoise_server.experiments import reads as experiments
from equipoise_server.flags import reads as flags
from equipoise_server.foundation.refusals import Conflict, Invalid, Problem, refuse_all
from equipoise_server.foundation.revisions import PayloadChange
from equipoise_server.snapshots import keeping
from equipoise_server.snapshots.composing import Rows, compose
from equipoise_server.snapshots.vetting import faults, is_large_growth


def publish(change: PayloadChange) -> None:
    """Keep the environment's new snapshot, or refuse with everything that speaks against it."""
    document = compose(rows_of(change.environment_id), change.revision)
    body = canonical_json(document)
    if change.is_vetted:
        refuse_all(Invalid, faults(document, body))
        _refuse_unconfirmed_growth(change, len(body))
    keeping.keep(change.environment_id, change.revision, document, byte_count=len(body), now=change.now)


def rows_of(environment_id: UUID) -> Rows:
    """What the rooms below say of one environment now."""
    environment = access.environment(environment_id)
    return Rows(
        access.project(environment.project_id),
        environment,
        flags.payload(environment_id),
        experiments.payload(environment_id),
        access.token_keys(environment_id),
    )


def _refuse_unconfirmed_growth(change: PayloadChange, byte_count: int) -> None:
    before = keeping.newest(change.environment_id)
    if change.growth_confirmed or before is None or not is_large_growth(before.byte_count, byte_count):
        return
    told = (
        f"This makes what every client loads grow from {before.byte_count:,} to {byte_count:,} bytes. "
        "Confirm the growth if it is meant."
    )
    raise Conflict(Problem("confirms_growth", told))
