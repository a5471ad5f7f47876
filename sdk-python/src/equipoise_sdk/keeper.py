"""Decides which snapshot serves: distrusts what it gets, never replaces good with bad or older."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import cast

from equipoise_engine import Members, Snapshot, SnapshotError, compile_snapshot, content_hash
from equipoise_sdk.blobs import Addresses, named_addresses
from equipoise_sdk.changes import flags_changed
from equipoise_sdk.frames import Kill, Number
from equipoise_sdk.news import Event, News, Turn
from equipoise_sdk.previewing import PreviewScope
from equipoise_sdk.signatures import Verifier
from equipoise_sdk.stickiness import clustered_types

_TABLES = {"flag": "flags", "group": "groups", "experiment": "experiments"}


class Source(StrEnum):
    """How the serving snapshot is kept current, or where it came from."""

    STREAM = "stream"
    POLL = "poll"
    DISK = "disk"
    BOOTSTRAP = "bootstrap"
    MEMORY = "memory"
    NONE = "none"


class Refused(Exception):
    """The offered snapshot does not serve; the one before stays."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A snapshot that may serve: whole, of the content that its hash promises, and signed if it must be.

    Attributes:
        snapshot: compiled without its lists of members.
        addresses: of the lists that it names.
    """

    snapshot: Snapshot
    document: dict[str, object]
    body: bytes
    addresses: Addresses


@dataclass(frozen=True, slots=True)
class Serving:
    """The snapshot in use, where it is from, and when it was last known to be current.

    Attributes:
        body: the snapshot as it was received, without the kills that came after it; nothing else of the
            document is held.
        addresses: of the lists of members that it names.
        kills: what was killed after it; each is forgotten once a snapshot of its revision serves.
        preview: whose preview tokens hold; None while the environment has no key.
        clustered: "experiment:iteration" → unit type, of the experiments that randomise clusters.
        unit_types: those that the project declares.
    """

    snapshot: Snapshot | None
    source: Source
    confirmed_at: datetime | None
    body: bytes = b""
    addresses: Addresses = frozenset()
    kills: tuple[Kill, ...] = ()
    preview: PreviewScope | None = None
    clustered: Mapping[str, str] = field(default_factory=dict)
    unit_types: tuple[str, ...] = ()


NOTHING = Serving(None, Source.NONE, None)
NO_MEMBERS: Mapping[str, Members] = {}


class Keeper:
    """Holds one immutable reference; replacing it is atomic, so readers need no lock. Writers share one."""

    __slots__ = ("_members", "_verifier", "_writing", "news", "serving")

    def __init__(self, serving: Serving = NOTHING, *, verifier: Verifier | None = None) -> None:
        self.serving = serving
        self.news = News()
        self._members = NO_MEMBERS
        self._verifier = verifier
        self._writing = threading.Lock()

    @property
    def number(self) -> Number | None:
        """Return epoch and revision of the snapshot in use."""
        snapshot = self.serving.snapshot
        return None if snapshot is None else (snapshot.epoch, snapshot.revision)

    def examine(self, body: bytes, signature: str | None = None) -> Offer:
        """Read what was received.

        Raises:
            Refused: when it cannot be read, contradicts its hash, is not signed, or goes back in time.
        """
        offer = read_offer(body)
        if offer.document.get("hash") != content_hash(offer.document):
            raise Refused("the snapshot does not have the content that its hash promises")
        fault = None if self._verifier is None else self._verifier.fault(signature, offer.snapshot)
        if fault is not None:
            raise Refused(f"the snapshot cannot be trusted: {fault}")
        self._refuse_older(offer.snapshot)
        return offer

    def serve(
        self, offer: Offer, source: Source, at: datetime, *, members: Mapping[str, Members] = NO_MEMBERS
    ) -> None:
        """Serve a snapshot from now on, with the lists of members that are there.

        Raises:
            Refused: when a later one came meanwhile.
        """
        with self._writing:
            before = self.serving
            self._refuse_older(offer.snapshot)
            self._members = members
            self.serving = self._made(offer, source, at, _later(before.kills, offer.snapshot))
        self._tell(before)

    def offer(self, body: bytes, source: Source, at: datetime, signature: str | None = None) -> None:
        """Examine and serve."""
        self.serve(self.examine(body, signature), source, at)

    def supply(self, members: Mapping[str, Members]) -> None:
        """Serve the snapshot in use with lists of members that were missing."""
        with self._writing:
            before = self.serving
            at = before.confirmed_at
            if not before.body or at is None:
                return
            self._members = members
            self.serving = self._made(read_offer(before.body), before.source, at, before.kills)

    def kill(self, kill: Kill) -> None:
        """Serve the snapshot in use with one thing killed, until a snapshot of that revision serves."""
        with self._writing:
            before = self.serving
            snapshot, at = before.snapshot, before.confirmed_at
            if snapshot is None or at is None or not before.body or kill in before.kills:
                return
            kills = _later((*before.kills, kill), snapshot)
            if kills == before.kills:
                return
            self.serving = self._made(read_offer(before.body), before.source, at, kills)
        self._tell(before)

    def confirm(self, at: datetime) -> None:
        """Note that the server still has the snapshot in use; it says nothing of a bootstrap's content."""
        with self._writing:
            if self.serving.snapshot is not None and self.serving.source is not Source.BOOTSTRAP:
                self.serving = replace(self.serving, source=Source.POLL, confirmed_at=at)

    def after_fork(self) -> None:
        """Replace the lock, which another thread of the parent may have held."""
        self._writing = threading.Lock()

    def _made(self, offer: Offer, source: Source, at: datetime, kills: tuple[Kill, ...]) -> Serving:
        if not kills and not offer.addresses:
            return serving_of(offer, offer.snapshot, source, at)
        document = _with_kills(offer.document, kills)
        return serving_of(offer, compile_snapshot(document, self._members), source, at, kills=kills)

    def _tell(self, before: Serving) -> None:
        """Tell listeners which flags may have changed."""
        after = self.serving
        if not self.news.is_heard or not after.body:
            return
        was, now = (_with_kills(json.loads(one.body or b"{}"), one.kills) for one in (before, after))
        if flags := flags_changed(was, now):
            self.news.tell(Event(Turn.CHANGED, flags))

    def _refuse_older(self, offered: Snapshot) -> None:
        current = self.serving.snapshot
        if current is None or self.serving.source is Source.BOOTSTRAP:  # the server knows better
            return
        if (offered.project, offered.environment) != (current.project, current.environment):
            raise Refused(f"the snapshot is of {offered.project}/{offered.environment}, another environment")
        was, now = (current.epoch, current.revision), (offered.epoch, offered.revision)
        if now < was:
            raise Refused(f"epoch and revision {now} are older than {was}")
        if now == was and offered.hash != current.hash:
            raise Refused(f"two different snapshots call themselves epoch and revision {now}")


def read_offer(body: bytes) -> Offer:
    """Read a snapshot whose hash and origin nobody has looked at.

    Raises:
        Refused: when it is unusable as a whole.
    """
    try:
        document = json.loads(body)
        if not isinstance(document, dict):
            raise Refused("the snapshot is not a JSON object")
        return Offer(compile_snapshot(document), document, body, named_addresses(document, body))
    except (ValueError, RecursionError, SnapshotError) as cause:
        raise Refused(f"the snapshot cannot be read: {cause}") from cause


def serving_of(
    offer: Offer, snapshot: Snapshot, source: Source, at: datetime, *, kills: tuple[Kill, ...] = ()
) -> Serving:
    """Return what serves when an offer does."""
    key = offer.document.get("preview_key")
    scope = PreviewScope(snapshot.project, snapshot.environment, key) if isinstance(key, str) else None
    unit_types = cast("list[str]", offer.document["unit_types"])  # the snapshot was compiled
    return Serving(
        snapshot,
        source,
        confirmed_at=at,
        body=offer.body,
        addresses=offer.addresses,
        kills=kills,
        preview=scope,
        clustered=clustered_types(offer.document),
        unit_types=tuple(unit_types),
    )


def _later(kills: tuple[Kill, ...], snapshot: Snapshot) -> tuple[Kill, ...]:
    return tuple(kill for kill in kills if kill.number > (snapshot.epoch, snapshot.revision))


def _with_kills(document: dict[str, object], kills: tuple[Kill, ...]) -> dict[str, object]:
    for kill in kills:
        _apply(kill, document)
    return document


def _apply(kill: Kill, document: dict[str, object]) -> None:
    """Kill in the document what it knows; what it does not know cannot be served either."""
    if kill.level == "environment":
        document["killed"] = True
        return
    table = document.get(_TABLES[kill.level])
    entry = table.get(kill.key) if isinstance(table, dict) else None
    if isinstance(entry, dict):
        entry["killed"] = True
