"""What the SDKs' door keeps in memory: keys and snapshots, one immutable view, swapped as a whole.

What was killed by break-glass lies over what the database said (`overlay`); each view gets it anew.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from uuid import UUID

from equipoise_engine import Members, Snapshot, compile_snapshot
from equipoise_server.access.values import WorkingKey
from equipoise_server.edge.frames import Kill, kills_of
from equipoise_server.edge.signing import SnapshotSigner
from equipoise_server.foundation.exposure_tokens import TokenRing, ring_of
from equipoise_server.foundation.preview_tokens import PreviewScope
from equipoise_server.foundation.revisions import Revision
from equipoise_server.foundation.worker_beats import DOWN_AFTER
from equipoise_server.snapshots.values import KeptSnapshot


@dataclass(frozen=True, slots=True)
class Blob:
    """A list of hashed units as it is sent, and as it is asked."""

    data: bytes
    members: Members


NO_BLOBS: Mapping[str, Blob] = {}


def addresses(document: object) -> Iterator[str]:
    """The lists that a snapshot document names, each as often as it does."""
    if isinstance(document, Mapping):
        members = document.get("members")
        address = members.get("blob") if isinstance(members, Mapping) else None
        if isinstance(address, str):
            yield address
        for member in document.values():
            yield from addresses(member)
    elif isinstance(document, list):
        for item in document:
            yield from addresses(item)


@dataclass(frozen=True)  # no slots: it remembers what was compiled
class Servable:
    """One environment's snapshot, ready to be sent and to be evaluated."""

    revision: Revision
    etag: str
    body: bytes
    gzipped: bytes
    document: Mapping[str, object]
    decimal_flags: frozenset[str]
    """The number flags whose values were declared with a decimal point: the canonical body has lost it."""
    blobs: Mapping[str, Blob] = field(default_factory=lambda: NO_BLOBS)
    """The lists that it names, by address, as far as they could be had."""
    signature: str = ""
    """Value of the header Equipoise-Signature; "" when nobody signs."""

    @cached_property
    def kills(self) -> frozenset[Kill]:
        """What it says is killed."""
        return kills_of(self.document)

    @cached_property
    def engine(self) -> Snapshot:
        """The evaluator, compiled when first asked for."""
        members = {address: blob.members for address, blob in self.blobs.items()}
        return compile_snapshot(self.document, members)

    @cached_property
    def lacking(self) -> frozenset[str]:
        """The lists that it names and that could not be had."""
        named = addresses(self.document) if b'"blob"' in self.body else ()
        return frozenset(named) - self.blobs.keys()

    @cached_property
    def unit_types(self) -> tuple[str, ...]:
        """The unit types of its project."""
        named = self.document.get("unit_types")
        return tuple(map(str, named)) if isinstance(named, list) else ()

    @cached_property
    def token_ring(self) -> TokenRing | None:
        """What signs and judges exposure tokens; None where answers carry none."""
        return ring_of(self.document)

    @cached_property
    def preview_scope(self) -> PreviewScope:
        """Where tokens of preview links hold, and the key that signs them."""
        named = (self.document.get(name, "") for name in ("project", "environment", "preview_key"))
        return PreviewScope(*map(str, named))


def servable(
    kept: KeptSnapshot,
    decimal_flags: frozenset[str] = frozenset(),
    *,
    blobs: Mapping[str, Blob] = NO_BLOBS,
    signer: SnapshotSigner | None = None,
) -> Servable:
    """Compress and sign once what is sent often."""
    gzipped = gzip.compress(kept.body, 6, mtime=0)
    document = json.loads(kept.body)
    signature = "" if signer is None else signer.signature_of(document)
    return Servable(kept.revision, kept.etag, kept.body, gzipped, document, decimal_flags, blobs, signature)


@dataclass(frozen=True, slots=True)
class View:
    """What the database said when it was last heard."""

    keys: Mapping[str, WorkingKey]
    """By prefix."""
    snapshots: Mapping[UUID, Servable]
    """By environment."""
    heard_at: float
    """Monotonic seconds."""


Listener = Callable[[View | None, View], None]
"""Gets the view before and the one that took its place, in the thread that swapped them."""
Overlay = Callable[[View], View]
"""Gets what the database said, and gives what is served."""


@dataclass(frozen=True, slots=True)
class WorkersSeen:
    """What the database said of the workers when it was asked; ages go on by the monotonic clock."""

    silent_seconds: float | None
    """Since the last heart beat; None when no worker ever lived."""
    asked_at: float

    def told(self, now: float) -> dict[str, object]:
        """As the health door says it."""
        if self.silent_seconds is None:
            return {"status": "down", "last_seen_seconds": None}
        silent = max(self.silent_seconds, 0.0) + now - self.asked_at
        status = "ok" if silent < DOWN_AFTER.total_seconds() else "down"
        return {"status": status, "last_seen_seconds": round(silent, 1)}


@dataclass(slots=True)
class EdgeState:
    """The current view, who wants to hear of the next, and which keys were used since that was noted."""

    clock: Callable[[], float] = time.monotonic
    view: View | None = None
    """What is served."""
    base: View | None = None
    """What the database said: the view without its overlay."""
    used_keys: set[UUID] = field(default_factory=set)
    listeners: list[Listener] = field(default_factory=list)
    signer: SnapshotSigner | None = None
    workers: WorkersSeen | None = None
    """None where nobody asks: in a relay, or before the first answer."""
    signing_key_id: str = ""
    """Whose signatures are served; "" when there are none."""
    overlay: Overlay | None = None
    _swapping: threading.Lock = field(default_factory=threading.Lock)

    @property
    def age_seconds(self) -> float | None:
        """How old the view is; None before the first."""
        return None if self.view is None else self.clock() - self.view.heard_at

    def swap(self, base: View) -> None:
        """Serve another view from now on, and tell the listeners."""
        with self._swapping:
            self.base = base
            self._show(base)

    def lay_over(self) -> None:
        """Lay the overlay on anew: what it knows has changed."""
        with self._swapping:
            if self.base is not None:
                self._show(self.base)

    def _show(self, base: View) -> None:
        before, shown = self.view, base if self.overlay is None else self.overlay(base)
        self.view = shown
        for listener in self.listeners:
            listener(before, shown)

    def take_used_keys(self) -> tuple[UUID, ...]:
        """The keys used since the last call. A request that notes one meanwhile may be missed."""
        taken, self.used_keys = self.used_keys, set()
        return tuple(taken)
