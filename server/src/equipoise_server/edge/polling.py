"""Keeps the door's memory fresh: one thread asks the database what changed, and outlives its troubles."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection

from equipoise_server.access import reads as access
from equipoise_server.access.actions import record_key_uses
from equipoise_server.edge.members import blobs_of, completed
from equipoise_server.edge.signing import SnapshotSigner
from equipoise_server.edge.state import EdgeState, Servable, View, WorkersSeen, servable
from equipoise_server.flags import reads as flags
from equipoise_server.foundation import revisions
from equipoise_server.foundation.database_troubles import log_trouble
from equipoise_server.foundation.worker_beats import workers
from equipoise_server.snapshots import reads as snapshots

POLL_SECONDS = 0.25
NOTE_USES_SECONDS = 30.0
ASK_FOR_WORKERS_SECONDS = 5.0

_log = logging.getLogger(__name__)


def refresh(state: EdgeState) -> None:
    """Swap in what the database says now; only what changed is loaded again, and lists that were lacking."""
    heard_at = state.clock()
    keys = access.working_sdk_keys()
    held = {} if state.base is None else dict(state.base.snapshots)
    for environment_id, revision in revisions.all_current().items():
        known = held.get(environment_id)
        if known is None or known.revision != revision:
            _keep(environment_id, held, partial(_loaded, environment_id, held, state.signer))
        elif known.lacking:
            _keep(environment_id, held, partial(completed, known, partial(snapshots.blob, environment_id)))
    state.swap(View(keys, held, heard_at))


def _keep(environment_id: UUID, held: dict[UUID, Servable], load: Callable[[], Servable]) -> None:
    """Load one environment; when that fails the others go on, and this one keeps what it has."""
    try:
        held[environment_id] = load()
    except (DatabaseError, InterfaceError):
        raise
    except Exception:  # noqa: BLE001  # recorded; one environment must not hold up the others
        _log.exception("the snapshot of environment %s cannot be loaded", environment_id)


def _loaded(environment_id: UUID, held: Mapping[UUID, Servable], signer: SnapshotSigner | None) -> Servable:
    kept = snapshots.current(environment_id)
    blobs = blobs_of(
        kept.body,
        {address: blob for known in held.values() for address, blob in known.blobs.items()},
        partial(snapshots.blob, environment_id),
    )
    return servable(kept, flags.decimal_flags(environment_id), blobs=blobs, signer=signer)


def ask_for_workers(state: EdgeState) -> None:
    """Note when a worker was last heard."""
    now = datetime.now(UTC)
    seen_at = workers(now).last_seen_at
    silent = None if seen_at is None else (now - seen_at).total_seconds()
    state.workers = WorkersSeen(silent, state.clock())


def note_uses(state: EdgeState) -> None:
    """Write down which keys were used since the last time."""
    used = state.take_used_keys()
    if used:
        record_key_uses(used, now=datetime.now(UTC))


class Poller:
    """The thread. `tick` is one round and never raises."""

    def __init__(
        self,
        state: EdgeState,
        *,
        poll_seconds: float = POLL_SECONDS,
        refresh: Callable[[EdgeState], None] = refresh,
        note_uses: Callable[[EdgeState], None] = note_uses,
        ask_for_workers: Callable[[EdgeState], None] = ask_for_workers,
    ) -> None:
        self._state = state
        self._poll_seconds = poll_seconds
        self._refresh, self._note_uses = refresh, note_uses
        self._noted_at = state.clock()
        self._ask_for_workers, self._workers_due_at = ask_for_workers, state.clock()
        self._is_in_trouble = False
        self._is_stopping = False
        self._wake = threading.Event()
        self.has_ticked = threading.Event()
        """Set after the first round."""
        self._thread = threading.Thread(target=self._run, name="edge-poller", daemon=True)

    def start(self) -> None:
        """Begin polling; the first round starts at once."""
        self._thread.start()

    def wake(self) -> None:
        """Begin the next round now: something was committed."""
        self._wake.set()

    def stop(self) -> None:
        """Stop polling and wait for the round under way."""
        self._is_stopping = True
        self._wake.set()
        self._thread.join(timeout=5)

    def tick(self) -> None:
        """One round: refresh, and now and then write down which keys were used."""
        try:
            self._refresh(self._state)
            if self._state.clock() >= self._workers_due_at:
                self._workers_due_at = self._state.clock() + ASK_FOR_WORKERS_SECONDS
                self._ask_for_workers(self._state)
            if self._state.clock() - self._noted_at >= NOTE_USES_SECONDS:
                self._noted_at = self._state.clock()
                self._note_uses(self._state)
        except Exception as trouble:  # noqa: BLE001  # the loop must go on; what is served stays
            self._record(trouble)
        else:
            self._is_in_trouble = False
        self.has_ticked.set()

    def _record(self, trouble: Exception) -> None:
        """Log the first failure of a row, and start over with a new connection."""
        if not self._is_in_trouble:
            told = "the database cannot be read; flags are served from memory"
            log_trouble(_log, logging.ERROR, told, trouble)
        self._is_in_trouble = True
        connection.close()

    def _run(self) -> None:
        while not self._is_stopping:
            self._wake.clear()  # before the round: what is committed during it begins another
            self.tick()
            self._wake.wait(self._poll_seconds)
        connection.close()
