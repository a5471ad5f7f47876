"""Follows one environment upstream with one server key: stream, questions in between, and the disk.

Believes a snapshot only when it has the content that its hash promises and does not go back in time;
what is served is never replaced by anything worse.
"""

from __future__ import annotations

import gzip
import json
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from uuid import NAMESPACE_URL, UUID, uuid5

from equipoise_engine import SnapshotError, compile_snapshot, content_hash
from equipoise_server.edge.members import blobs_of
from equipoise_server.edge.relay.keeping import Shelf
from equipoise_server.edge.relay.upstream import Away, Facts, Fetched, KeyRefused, Upstream
from equipoise_server.edge.state import NO_BLOBS, Servable
from equipoise_server.foundation.revisions import Revision

UNSTREAMED_SECONDS = 0.5
STREAMED_SECONDS = 20.0
AWAY_SECONDS = 0.25
LONGEST_AWAY_SECONDS = 1.0
MOST_TRIES = 3

_log = logging.getLogger(__name__)


class NotBelieved(Exception):
    """The upstream sent what cannot be a snapshot of this environment now."""


@dataclass(slots=True)
class Follower:
    """One key's environment. `changed` is called whenever there is something else to serve or to refuse."""

    key: str
    upstream: Upstream
    shelf: Shelf
    changed: Callable[[], None]
    kill_heard: Callable[[UUID, bytes], None]
    """Gets the environment and the frame of a kill, before the snapshot that has it."""
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random
    served: Servable | None = None
    facts: Facts | None = None
    is_refused: bool = False
    heard_at: float | None = None
    _is_live: bool = False
    _failures: int = 0
    _is_stopping: threading.Event = field(default_factory=threading.Event)
    _wanted: threading.Event = field(default_factory=threading.Event)
    has_asked: threading.Event = field(default_factory=threading.Event)
    """Set after the first question, whatever came of it."""

    @property
    def environment_id(self) -> UUID | None:
        """A name for the environment that is the same in every relay; None before it is known."""
        return None if self.facts is None else environment_id(self.facts)

    def load(self) -> None:
        """Begin with what the disk has kept."""
        kept = self.shelf.load(self.key)
        if kept is None:
            return
        try:
            self._believe(kept.fetched, kept.facts, self.shelf.load_members)
        except NotBelieved as cause:
            _log.warning("the snapshot on disk is not used: %s", cause)
        else:
            self.heard_at = self.clock() - max(0.0, time.time() - kept.at)

    def start(self) -> None:
        """Follow from now on."""
        for name, run in (("asks", self._keep_asking), ("listens", self._keep_listening)):
            threading.Thread(target=run, name=f"relay-{name}", daemon=True).start()

    def stop(self) -> None:
        """End; threads that wait for the upstream are left behind."""
        self._is_stopping.set()
        self._wanted.set()

    def ask(self) -> None:
        """Ask once for the snapshot and serve it, if there is another.

        Raises:
            Away: the upstream cannot be asked.
            KeyRefused: it refuses the key.
            NotBelieved: what it sent is not served.
        """
        etag = "" if self.served is None else self.served.etag
        heard = self.upstream.snapshot(etag)
        self.heard_at, fetched = self.clock() - heard.age_seconds, heard.fetched
        is_signed_anew = fetched is None and self._sign(heard.signature)
        if fetched is not None:
            self._take(fetched)
        elif not is_signed_anew:
            self.shelf.touch(self.key)
        was_refused, self.is_refused = self.is_refused, False
        if fetched is not None or is_signed_anew or was_refused:
            self.changed()

    def _sign(self, signature: str) -> bool:
        """Take another signature of the same snapshot; whether it is another."""
        held = self.served
        if held is None or self.facts is None or held.signature == signature:
            return False
        self.served = replace(held, signature=signature)
        self._store(Fetched(held.body, held.etag, signature), self.facts)
        return True

    def _take(self, fetched: Fetched) -> None:
        facts = self.upstream.facts()
        for _ in range(MOST_TRIES):  # a change may fall between the two questions
            if facts.revision == _revision_text(fetched):
                break
            fetched = self.upstream.snapshot("").fetched or fetched
            facts = self.upstream.facts()
        self._believe(fetched, facts, self._members)
        self._store(fetched, facts)

    def _store(self, fetched: Fetched, facts: Facts) -> None:
        try:
            self.shelf.store(self.key, fetched, facts)
        except OSError as cause:
            _log.warning("the snapshot cannot be kept on disk: %s", cause)

    def _believe(self, fetched: Fetched, facts: Facts, members: Callable[[str], bytes | None]) -> None:
        document = _document(fetched.body)
        revision = Revision(int(str(document["epoch"])), int(str(document["revision"])))
        held = self.served
        if held is not None:
            _refuse_worse(held, document, revision)
        blobs = blobs_of(fetched.body, NO_BLOBS if held is None else held.blobs, members)
        packed = gzip.compress(fetched.body, 6, mtime=0)
        etag = f'"{document["hash"]}"'
        self.facts = facts
        self.served = Servable(
            revision, etag, fetched.body, packed, document, facts.decimal_flags, blobs, fetched.signature
        )

    def _members(self, address: str) -> bytes | None:
        kept = self.shelf.load_members(address)
        if kept is not None:
            return kept
        try:
            data = self.upstream.members(address)
            self.shelf.store_members(address, data)
        except (Away, KeyRefused, OSError) as cause:
            _log.warning("the list %s cannot be had: %s", address, cause)
            return None
        return data

    def _keep_asking(self) -> None:
        while not self._is_stopping.is_set():
            self._wanted.clear()
            patience = self._asked()
            self.has_asked.set()
            self._wanted.wait(patience)

    def _asked(self) -> float:
        """Ask once, whatever comes; the seconds until the next time."""
        try:
            self.ask()
        except KeyRefused as cause:
            self._note(cause)
            if not self.is_refused:
                self.is_refused = True
                self.changed()
        except (Away, NotBelieved) as cause:
            self._note(cause)
        except Exception:  # noqa: BLE001  # the loop must go on; what is served stays
            _log.exception("following the upstream failed in a way that was not foreseen")
            self._failures += 1
        else:
            self._failures = 0
            return STREAMED_SECONDS if self._is_live else UNSTREAMED_SECONDS * (0.5 + self.jitter())
        ceiling = min(LONGEST_AWAY_SECONDS, AWAY_SECONDS * 2.0 ** min(self._failures, 10))
        return ceiling * (0.5 + self.jitter() / 2)

    def _note(self, cause: Exception) -> None:
        if not self._failures:
            _log.warning("nothing new from the upstream, what is known is served: %s", cause)
        self._failures += 1

    def _keep_listening(self) -> None:
        while not self._is_stopping.is_set():
            try:
                self._listen()
            except (Away, KeyRefused) as cause:
                _log.info("no stream from the upstream: %s", cause)
            self._is_live = False
            self._wanted.set()
            self._is_stopping.wait(AWAY_SECONDS + self.jitter() * LONGEST_AWAY_SECONDS)

    def _listen(self) -> None:
        """Follow one stream to its end."""
        for event, frame in _events(self.upstream.stream("")):
            self._is_live = True
            place = self.environment_id
            if event == b"kill" and place is not None:
                self.kill_heard(place, frame)
            if event in {b"kill", b"revision"}:
                self._wanted.set()


def environment_id(facts: Facts) -> UUID:
    """A name for an environment that needs no database."""
    return uuid5(NAMESPACE_URL, f"equipoise:{facts.project}/{facts.environment}")


def _events(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The events of a stream as they become whole: their names, and their frames as they came."""
    rest = b""
    for chunk in chunks:
        *frames, rest = (rest + chunk).split(b"\n\n")
        for frame in frames:
            names = [line[7:] for line in frame.split(b"\n") if line.startswith(b"event: ")]
            yield (names[0] if names else b""), frame + b"\n\n"
        if len(rest) > 2**16:
            raise Away("an event of the stream is too long")


def _document(body: bytes) -> dict[str, object]:
    try:
        document = json.loads(body)
        if not isinstance(document, dict) or document.get("hash") != content_hash(document):
            raise NotBelieved("the snapshot does not have the content that its hash promises")
        compile_snapshot(document)
    except (ValueError, RecursionError, SnapshotError) as cause:
        raise NotBelieved(f"the snapshot cannot be read: {cause}") from cause
    return document


def _refuse_worse(held: Servable, document: dict[str, object], revision: Revision) -> None:
    for name in ("project", "environment"):
        if held.document[name] != document[name]:
            raise NotBelieved("the snapshot is of another environment")
    if revision < held.revision:
        raise NotBelieved(f"revision {revision} is older than {held.revision}")
    if revision == held.revision and document["hash"] != held.document["hash"]:
        raise NotBelieved(f"two different snapshots call themselves {revision}")


def _revision_text(fetched: Fetched) -> str:
    try:
        document = json.loads(fetched.body)
        return f"{document['epoch']}.{document['revision']}"
    except (ValueError, RecursionError, KeyError, TypeError):
        return ""
