"""Decides which snapshot serves: distrusts what it gets, never replaces good with bad or older."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from equipoise_engine import Snapshot, SnapshotError, compile_snapshot, content_hash


class Source(StrEnum):
    """Where the serving snapshot came from."""

    NETWORK = "network"
    DISK = "disk"
    MEMORY = "memory"
    NONE = "none"


class Refused(Exception):
    """The offered snapshot does not serve; the one before stays."""


@dataclass(frozen=True, slots=True)
class Serving:
    """The snapshot in use, where it is from, and when it was last known to be current."""

    snapshot: Snapshot | None
    source: Source
    confirmed_at: datetime | None


NOTHING = Serving(None, Source.NONE, None)


class Keeper:
    """Holds one immutable reference; replacing it is atomic, so readers need no lock."""

    __slots__ = ("serving",)

    def __init__(self, serving: Serving = NOTHING) -> None:
        self.serving = serving

    def offer(self, body: bytes, source: Source, at: datetime) -> None:
        """Serve a snapshot from now on.

        Raises:
            Refused: when it cannot be read, contradicts its hash, or goes back in time.
        """
        snapshot = _compiled(body)
        self._refuse_older(snapshot)
        self.serving = Serving(snapshot, source, at)

    def confirm(self, at: datetime) -> None:
        """Note that the server still has the snapshot in use."""
        if self.serving.snapshot is not None:
            self.serving = Serving(self.serving.snapshot, Source.NETWORK, at)

    def _refuse_older(self, offered: Snapshot) -> None:
        current = self.serving.snapshot
        if current is None:
            return
        if (offered.project, offered.environment) != (current.project, current.environment):
            raise Refused(f"the snapshot is of {offered.project}/{offered.environment}, another environment")
        was, now = (current.epoch, current.revision), (offered.epoch, offered.revision)
        if now < was:
            raise Refused(f"epoch and revision {now} are older than {was}")
        if now == was and offered.hash != current.hash:
            raise Refused(f"two different snapshots call themselves epoch and revision {now}")


def _compiled(body: bytes) -> Snapshot:
    try:
        document = json.loads(body)
        if not isinstance(document, dict):
            raise Refused("the snapshot is not a JSON object")
        if document.get("hash") != content_hash(document):
            raise Refused("the snapshot does not have the content that its hash promises")
        return compile_snapshot(document)
    except (ValueError, RecursionError, SnapshotError) as cause:
        raise Refused(f"the snapshot cannot be read: {cause}") from cause
