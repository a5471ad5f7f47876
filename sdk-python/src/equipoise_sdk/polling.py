"""Asks for snapshots and takes what may serve: from the server, from disk, from a bootstrap file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from equipoise_sdk.blobs import Shelf
from equipoise_sdk.disk import Damaged, DiskCache
from equipoise_sdk.keeper import Keeper, Offer, Refused, Source, read_offer
from equipoise_sdk.retries import BackOff
from equipoise_sdk.settings import Bootstrap, Outside
from equipoise_sdk.transport import OK, Answer, HttpTransport, Unreachable
from equipoise_sdk.troubles import Troubles

SPREAD_SECONDS = 0.5
"""Over how long the clients of a server spread their questions after a change."""
NOT_MODIFIED = 304


class Places(NamedTuple):
    """Where snapshots and their lists of members come from and go to."""

    transport: HttpTransport
    disk: DiskCache
    shelf: Shelf


class Poller:
    """Asks for the snapshot at an interval, and later and later while that fails."""

    def __init__(self, places: Places, keeper: Keeper, outside: Outside) -> None:
        self._transport, self._disk, self._shelf = places
        self._keeper = keeper
        self._outside = outside
        self._back_off = BackOff(outside.jitter)
        self._etag: str | None = None
        self.troubles = Troubles()

    @property
    def last_error(self) -> str | None:
        """Return the last trouble with snapshots, or else with what they name."""
        return self.troubles.last or self._shelf.troubles.last

    @property
    def is_incomplete(self) -> bool:
        """Tell whether the snapshot in use names lists that are missing."""
        return not self._keeper.serving.addresses <= self._shelf.members.keys()

    def load(self, bootstrap: Bootstrap) -> None:
        """Serve what the disk kept if it is whole, and else what the application brought along."""
        self._load_kept()
        if self._keeper.serving.snapshot is None and bootstrap is not None:
            self._load_bootstrap(bootstrap)

    def _load_kept(self) -> None:
        try:
            kept = self._disk.load()
            if kept is None:
                return
            offer = self._keeper.examine(kept.body, kept.signature)
            self._shelf.load(offer.addresses)
            at = datetime.fromtimestamp(kept.at, UTC)
            self._keeper.serve(offer, Source.DISK, at, members=self._shelf.members)
        except (Damaged, Refused) as cause:
            self.troubles.note("disk", f"the snapshot on disk is ignored: {cause}")

    def _load_bootstrap(self, bootstrap: Path | Mapping[str, object]) -> None:
        """Trust it: it came with the application."""
        try:
            body = bootstrap.read_bytes() if isinstance(bootstrap, Path) else json.dumps(bootstrap).encode()
            offer = read_offer(body)
            self._shelf.load(offer.addresses)
            self._keeper.serve(offer, Source.BOOTSTRAP, self._outside.now(), members=self._shelf.members)
        except (OSError, ValueError, TypeError, RecursionError, Refused) as cause:
            self.troubles.note("bootstrap", f"the bootstrap snapshot is ignored: {cause}")

    def poll(self, interval_seconds: float) -> float:
        """Ask once; return the seconds until the next time."""
        try:
            answer = self._transport.snapshot(self._etag)
            self._take(answer)
        except (Unreachable, Refused) as cause:
            self.troubles.note("snapshot", f"no new snapshot: {cause}")
            self._keeper.news.stale(str(cause))
            patience = cause.patience if isinstance(cause, _Declined) else None
            return self._back_off.failed(patience)
        self._back_off.succeeded()
        self.troubles.over("snapshot")
        self._keeper.news.fresh()
        return interval_seconds

    def spread_seconds(self) -> float:
        """Return how long to wait when all clients are told of a change at once."""
        return self._outside.jitter() * SPREAD_SECONDS

    def _take(self, answer: Answer) -> None:
        if answer.status == NOT_MODIFIED and self._etag is not None:
            self._keeper.confirm(self._outside.now())
            self._disk.touch()
            self._complete()
            return
        if answer.status != OK:
            raise _Declined(f"the server answered {answer.status}", answer.retry_after_seconds)
        offer = self._keeper.examine(answer.body, answer.signature)
        self._serve(offer)
        self._etag = answer.etag  # only now: a refused snapshot must be asked for again
        try:
            self._disk.store(answer.body, answer.signature)
            self.troubles.over("disk")
        except OSError as cause:
            self.troubles.note("disk", f"the snapshot cannot be kept on disk: {cause}")

    def _serve(self, offer: Offer) -> None:
        """Serve a snapshot once the lists that it names are there; at once when nothing serves yet."""
        if self._keeper.serving.snapshot is not None:
            self._shelf.fetch(offer.addresses)
        self._keeper.serve(offer, Source.POLL, self._outside.now(), members=self._shelf.members)
        self._complete()
        self._shelf.retain(offer.addresses)

    def _complete(self) -> None:
        """Ask again for lists that are missing."""
        if self.is_incomplete and self._shelf.fetch(self._keeper.serving.addresses):
            self._keeper.supply(self._shelf.members)


class _Declined(Refused):
    """The server answered, with no snapshot; it may have asked for patience."""

    def __init__(self, text: str, patience: float | None) -> None:
        super().__init__(text)
        self.patience = patience
