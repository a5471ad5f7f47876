"""All that a relay serves, put together: the environments it follows, and the keys that open its doors."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, UUID, uuid5

import urllib3

from equipoise_server.access.values import KeyKind, SdkKey, WorkingKey, key_prefix
from equipoise_server.edge.relay.following import Follower, environment_id
from equipoise_server.edge.relay.keeping import Shelf
from equipoise_server.edge.relay.upstream import Away, Facts, KeyRefused, Upstream
from equipoise_server.edge.state import EdgeState, Servable, View

CHECK_SECONDS = 5.0
UNNAMED_SECONDS = 3600.0
FIRST_CHECK_SECONDS = 0.5
_UNDATED = datetime.fromtimestamp(0, UTC)

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class ClientKey:
    """A key that evaluates and sends events, and whose it is as far as the upstream has said."""

    key: str
    upstream: Upstream
    facts: Facts | None = None
    is_refused: bool = False


@dataclass(slots=True)
class Relay:
    """The followers and the client keys of one relay. Fills the state that its doors answer from."""

    url: str
    state: EdgeState
    shelf: Shelf
    kill_heard: Callable[[UUID, bytes], None]
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(maxsize=64, block=False))
    followers: list[Follower] = field(default_factory=list)
    client_keys: list[ClientKey] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _showing: threading.Lock = field(default_factory=threading.Lock)

    def follow(self, server_keys: Iterable[str], client_keys: Iterable[str]) -> None:
        """Load what the disk has kept, and follow the upstream from now on."""
        for key in server_keys:
            upstream = Upstream(self.pool, self.url, key)
            follower = Follower(key, upstream, self.shelf, self.show, self.kill_heard, self.state.clock)
            follower.load()
            self.followers.append(follower)
        for key in client_keys:
            known = ClientKey(key, Upstream(self.pool, self.url, key), self.shelf.load_facts(key))
            self.client_keys.append(known)
        if any(follower.served is not None for follower in self.followers):
            self.show()
        for follower in self.followers:
            follower.start()
        threading.Thread(target=self._keep_checking, name="relay-keys", daemon=True).start()

    def stop(self) -> None:
        """End following."""
        self._stop.set()
        for follower in self.followers:
            follower.stop()

    def wait_for_first_answers(self, timeout_seconds: float) -> None:
        """Wait until every environment was asked for once, or the time is over."""
        for follower in self.followers:
            follower.has_asked.wait(timeout_seconds)

    def upstream_of(self, key: SdkKey) -> Upstream | None:
        """Who takes the events of a key."""
        known: list[Follower | ClientKey] = [*self.followers, *self.client_keys]
        return next((one.upstream for one in known if key_prefix(one.key) == key.prefix), None)

    def show(self) -> None:
        """Serve what is known now."""
        with self._showing:
            heard = [follower.heard_at for follower in self.followers if follower.heard_at is not None]
            snapshots = self._snapshots()
            if not heard:
                return
            self.state.signing_key_id = _signing_key_id(snapshots.values())
            self.state.swap(View(self._keys(), snapshots, min(heard)))

    def _snapshots(self) -> dict[UUID, Servable]:
        """Of several keys to an environment, the newest snapshot."""
        newest: dict[UUID, Servable] = {}
        for follower in self.followers:
            place, served = follower.environment_id, follower.served
            if place is None or served is None:
                continue
            held = newest.get(place)
            if held is None or held.revision < served.revision:
                newest[place] = served
        return newest

    def _keys(self) -> dict[str, WorkingKey]:
        known: list[Follower | ClientKey] = [*self.followers, *self.client_keys]
        return dict(
            _working(one.key, one.facts) for one in known if one.facts is not None and not one.is_refused
        )

    def _keep_checking(self) -> None:
        while not self._stop.is_set():
            is_settled = self.check_client_keys()
            self.tidy()
            self._stop.wait(CHECK_SECONDS if is_settled else FIRST_CHECK_SECONDS)

    def check_client_keys(self) -> bool:
        """Ask whose the client keys are, and whether they still work; whether all is known."""
        before = [(known.facts, known.is_refused) for known in self.client_keys]
        for known in self.client_keys:
            try:
                facts, known.is_refused = known.upstream.facts(), False
            except KeyRefused:
                known.is_refused = True
            except Away:
                continue
            else:
                self._keep(known, facts)
        if before != [(known.facts, known.is_refused) for known in self.client_keys]:
            self.show()
        return all(known.facts is not None or known.is_refused for known in self.client_keys)

    def tidy(self) -> None:
        """Say how long ago the upstream was heard, and forget lists that nobody has named for an hour."""
        self.show()
        view = self.state.view
        if view is not None:
            named = frozenset(address for one in view.snapshots.values() for address in one.blobs)
            self.shelf.forget_members(named, before=time.time() - UNNAMED_SECONDS)

    def _keep(self, known: ClientKey, facts: Facts) -> None:
        if known.facts == facts:
            return
        known.facts = facts
        try:
            self.shelf.store_facts(known.key, facts)
        except OSError as cause:
            _log.warning("whose a client key is cannot be kept on disk: %s", cause)


def _working(key: str, facts: Facts | None) -> tuple[str, WorkingKey]:
    assert facts is not None
    prefix = key_prefix(key)
    made = SdkKey(
        uuid5(NAMESPACE_URL, f"equipoise:{prefix}"), environment_id(facts), KeyKind(facts.kind), "relay",
        prefix, _UNDATED, None, None,
    )  # fmt: skip
    return prefix, WorkingKey.of(made, key)


def _signing_key_id(snapshots: Iterable[Servable]) -> str:
    return next((one.signature.partition(" ")[0] for one in snapshots if one.signature), "")
