"""What an environment asks of the events that come with a key: read from the snapshot in memory."""

from __future__ import annotations

from datetime import datetime

from equipoise_server.access.values import KeyKind, SdkKey
from equipoise_server.edge.answers import Refused
from equipoise_server.edge.keys import current_view
from equipoise_server.edge.state import EdgeState
from equipoise_server.events.actions import NO_TERMS, Terms


def terms_of(state: EdgeState, key: SdkKey, received_at: datetime) -> Terms:
    """The terms for one batch. Without the snapshot, client keys wait: it may ask for tokens."""
    found = current_view(state).snapshots.get(key.environment_id)
    if found is None:
        if key.kind is KeyKind.SERVER:
            return NO_TERMS
        told = "The environment's configuration could not be loaded yet. Try again in a second."
        raise Refused(503, "Not ready yet", told, headers={"retry-after": "1"})
    ring = found.token_ring
    is_asked = ring is not None and ring.is_required and key.kind is KeyKind.CLIENT
    return Terms(frozenset(found.unit_types), ring if is_asked else None, received_at.timestamp())
