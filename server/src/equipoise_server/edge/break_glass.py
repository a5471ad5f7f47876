"""Lays kills by break-glass over what the database said, within a tenth of a second of their being written.

The file is watched by a thread of its own, because a stalled database holds up the poller's.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from uuid import UUID

from equipoise_engine import canonical_json, content_hash
from equipoise_server.edge.signing import SnapshotSigner
from equipoise_server.edge.state import Servable, View, servable
from equipoise_server.foundation import break_glass
from equipoise_server.foundation.break_glass import Kills, Level, UnreadableFile
from equipoise_server.foundation.revisions import Revision
from equipoise_server.snapshots.values import KeptSnapshot

LOOK_SECONDS = 0.1
_TABLES = {Level.FLAG: "flags", Level.GROUP: "groups", Level.EXPERIMENT: "experiments"}
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class BreakGlass:
    """What the file says, and the snapshots made of it. Called while the state swaps views, one at a time."""

    directory: Path
    signer: SnapshotSigner | None = None
    kills: Kills = field(default_factory=Kills)
    _seen: tuple[int, int, int] | None = None
    _made: dict[UUID, tuple[Servable, Kills, Servable]] = field(default_factory=dict)

    def look(self) -> bool:
        """Read the file again if it was replaced; whether that changed anything."""
        seen = _identity(break_glass.path_in(self.directory))
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            kills = break_glass.read(self.directory)
        except (UnreadableFile, OSError):
            _log.exception("kills by break-glass cannot be read; those known go on")
            return False
        was, self.kills = self.kills, kills
        return kills != was

    def __call__(self, base: View) -> View:
        """The view with everything killed that the file says and the database does not."""
        kills = self.kills  # once: the watcher may replace it meanwhile
        if not kills.kills:
            return base
        shown = {key: self._over(key, found, kills) for key, found in base.snapshots.items()}
        return replace(base, snapshots=shown)

    def _over(self, environment_id: UUID, found: Servable, kills: Kills) -> Servable:
        made = self._made.get(environment_id)
        if made is not None and made[0] is found and made[1] is kills:
            still = made[2]
        else:
            still = self._laid_over(environment_id, found, kills)
        self._made[environment_id] = (found, kills, still)
        return still

    def _laid_over(self, environment_id: UUID, found: Servable, kills: Kills) -> Servable:
        names = (str(found.document.get(name)) for name in ("project", "environment"))
        number = (found.revision.epoch, found.revision.number)
        ours = [kill for kill in kills.of(*names) if kill.concerns(*number)]
        if not ours:
            return found
        document = json.loads(found.body)
        for kill in ours:
            if not kill.is_lifted:
                apply(document, kill.target.level, kill.target.key)
        # Greater than what the database said, and less than what it will say when it has taken them over.
        revision = Revision(found.revision.epoch, found.revision.number + kills.serial)
        document["revision"] = revision.number
        document["hash"] = content_hash(document)
        at = datetime.fromisoformat(ours[-1].at)
        kept = KeptSnapshot(environment_id, revision, at, str(document["hash"]), canonical_json(document))
        return servable(kept, found.decimal_flags, blobs=found.blobs, signer=self.signer)


def apply(document: dict[str, object], level: Level, key: str) -> None:
    """Kill in a document what it knows; what it does not know cannot be served either."""
    if level is Level.ENVIRONMENT:
        document["killed"] = True
        return
    table = document.get(_TABLES[level])
    entry = table.get(key) if isinstance(table, Mapping) else None
    if isinstance(entry, dict):
        entry["killed"] = True


class Watcher:
    """The thread that looks at the file. `on_change` is called when it says something else."""

    def __init__(self, look: Callable[[], bool], on_change: Callable[[], None]) -> None:
        self._look, self._on_change = look, on_change
        self._is_due = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="break-glass", daemon=True)

    def start(self) -> None:
        """Begin looking."""
        self._thread.start()

    def stop(self) -> None:
        """Stop and wait for the thread."""
        self._stop.set()
        self._thread.join(timeout=5)

    def tick(self) -> None:
        """One look; never raises."""
        try:
            self._is_due = self._look() or self._is_due
            if self._is_due:
                self._on_change()
                self._is_due = False
        except Exception:  # noqa: BLE001  # the loop must go on: the next look may succeed
            _log.exception("kills by break-glass cannot be laid over; trying again")

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self.tick()


def _identity(path: Path) -> tuple[int, int, int] | None:
    """What changes whenever the file is replaced; None while there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
