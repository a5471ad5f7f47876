"""Decides which snapshot serves: distrusts what it gets, never replaces good with bad or older."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from equipoise_engine import Snapshot, SnapshotError, compile_snapshot, content_hash
from equipoise_sdk.frames import Kill, Number

_TABLES = {"flag": "flags", "group": "groups", "experiment": "experiments"}


class Source(StrEnum):
    """How the serving snapshot is kept current, or where it came from."""

    STREAM = "stream"
    POLL = "poll"
    DISK = "disk"
    MEMORY = "memory"
    NONE = "none"


class Refused(Exception):
    """The offered snapshot does not serve; the one before stays."""


@dataclass(frozen=True, slots=True)
class Serving:
    """The snapshot in use, where it is from, and when it was last known to be current.

    Attributes:
        body: the snapshot as it was received, without the kills that came after it.
        kills: what was killed after it; each is forgotten once a snapshot of its revision serves.
    """

    snapshot: Snapshot | None
    source: Source
    confirmed_at: datetime | None
    body: bytes = b""
    kills: tuple[Kill, ...] = ()


NOTHING = Serving(None, Source.NONE, None)


class Keeper:
    """Holds one immutable reference; replacing it is atomic, so readers need no lock. Writers share one."""

    __slots__ = ("_writing", "serving")

    def __init__(self, serving: Serving = NOTHING) -> None:
        self.serving = serving
        self._writing = threading.Lock()

    @property
    def number(self) -> Number | None:
        """Return epoch and revision of the snapshot in use."""
        snapshot = self.serving.snapshot
        return None if snapshot is None else (snapshot.epoch, snapshot.revision)

    def offer(self, body: bytes, source: Source, at: datetime) -> None:
        """Serve a snapshot from now on.

        Raises:
            Refused: when it cannot be read, contradicts its hash, or goes back in time.
        """
        snapshot = _compiled(body)
        with self._writing:
            self._refuse_older(snapshot)
            kills = _later(self.serving.kills, snapshot)
            offered = Serving(snapshot, source, at, body, kills)
            self.serving = _with_kills(offered) if kills else offered

    def kill(self, kill: Kill) -> None:
        """Serve the snapshot in use with one thing killed, until a snapshot of that revision serves."""
        with self._writing:
            serving = self.serving
            snapshot = serving.snapshot
            if snapshot is None or not serving.body or kill in serving.kills:
                return
            kills = _later((*serving.kills, kill), snapshot)
            if kills != serving.kills:
                self.serving = _with_kills(replace(serving, kills=kills))

    def confirm(self, at: datetime) -> None:
        """Note that the server still has the snapshot in use."""
        with self._writing:
            if self.serving.snapshot is not None:
                self.serving = replace(self.serving, source=Source.POLL, confirmed_at=at)

    def after_fork(self) -> None:
        """Replace the lock, which another thread of the parent may have held."""
        self._writing = threading.Lock()

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


def _later(kills: tuple[Kill, ...], snapshot: Snapshot) -> tuple[Kill, ...]:
    return tuple(kill for kill in kills if kill.number > (snapshot.epoch, snapshot.revision))


def _with_kills(serving: Serving) -> Serving:
    document = json.loads(serving.body)
    for kill in serving.kills:
        _apply(kill, document)
    return replace(serving, snapshot=compile_snapshot(document))


def _apply(kill: Kill, document: dict[str, object]) -> None:
    """Kill in the document what it knows; what it does not know cannot be served either."""
    if kill.level == "environment":
        document["killed"] = True
        return
    table = document.get(_TABLES[kill.level])
    entry = table.get(kill.key) if isinstance(table, dict) else None
    if isinstance(entry, dict):
        entry["killed"] = True


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
