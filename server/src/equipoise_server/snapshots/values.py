"""Snapshots as other rooms see them: the bytes that clients get, and what a unit got at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from equipoise_engine import Decision, Step
from equipoise_server.foundation.revisions import Revision


@dataclass(frozen=True, slots=True)
class KeptSnapshot:
    """One environment's configuration at one revision, exactly as clients got it."""

    environment_id: UUID
    revision: Revision
    created_at: datetime
    hash: str
    body: bytes
    """Canonical JSON with the member `hash`."""

    @property
    def etag(self) -> str:
        """The entity tag under which the door serves it."""
        return f'"{self.hash}"'


@dataclass(frozen=True, slots=True)
class ReplayQuestion:
    """Which unit, which flag, when. `attributes` are what the caller knew of the unit then."""

    flag_key: str
    unit_type: str
    unit: str
    at: datetime
    attributes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Replay:
    """What a unit got at a time, step by step, and from which snapshot."""

    revision: Revision
    created_at: datetime
    hash: str
    decision: Decision
    steps: tuple[Step, ...]
