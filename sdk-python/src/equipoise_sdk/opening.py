"""Makes clients, and looks after them when the process forks or ends."""

from __future__ import annotations

import atexit
import os
from collections.abc import Mapping
from pathlib import Path
from weakref import WeakSet

from equipoise_sdk.client import Client
from equipoise_sdk.connection import Connection
from equipoise_sdk.keeper import Keeper
from equipoise_sdk.outbox import Outbox
from equipoise_sdk.rehearsal import InMemoryClient
from equipoise_sdk.settings import PER_USER, Outside, Settings, chosen_directory
from equipoise_sdk.signatures import Verifier
from equipoise_sdk.spool import Spool, SpooledOutbox
from equipoise_sdk.stickiness import StickyStore

_open_clients: WeakSet[Client] = WeakSet()


def connect(  # noqa: PLR0913 - each is one setting; a settings object would only hide them
    server_url: str,
    key: str,
    *,
    poll_interval_seconds: float = 10.0,
    start_timeout_seconds: float = 0.9,
    request_timeout_seconds: float = 5.0,
    cache_directory: Path | str | None = PER_USER,
    exposure_attributes: tuple[str, ...] = (),
    queue_size: int = 10_000,
    headers: Mapping[str, str] | None = None,
    streaming: bool = True,
    stream_silence_seconds: float = 25.0,
    bootstrap: Path | str | Mapping[str, object] | None = None,
    verify_keys: tuple[str, ...] = (),
    sticky_store: StickyStore | None = None,
    spool_file: Path | str | None = None,
    spool_size: int = 100_000,
    outside: Outside | None = None,
) -> Client:
    """Return a client of a server, within `start_timeout_seconds` whatever the network does.

    What each argument means, and in which unit: `help(equipoise_sdk.settings.Settings)`.

    Raises:
        ValueError: for bad arguments, all at once; never for trouble with the network.
    """
    settings = Settings(
        server_url=server_url,
        key=key,
        poll_interval_seconds=poll_interval_seconds,
        start_timeout_seconds=start_timeout_seconds,
        request_timeout_seconds=request_timeout_seconds,
        cache_directory=chosen_directory(cache_directory),
        exposure_attributes=exposure_attributes,
        queue_size=queue_size,
        headers=dict(headers or {}),
        streaming=streaming,
        stream_silence_seconds=stream_silence_seconds,
        bootstrap=Path(bootstrap) if isinstance(bootstrap, str) else bootstrap,
        verify_keys=verify_keys,
        spool_file=None if spool_file is None else Path(spool_file),
        spool_size=spool_size,
        outside=outside or Outside(),
    )
    return _opened(settings, sticky_store)


def _opened(settings: Settings, sticky_store: StickyStore | None) -> Client:
    keeper = Keeper(verifier=Verifier(tuple(settings.verify_keys)) if settings.verify_keys else None)
    outbox = _outbox(settings)
    connection = Connection(settings, keeper, outbox)
    client = Client(
        keeper,
        outbox,
        outside=settings.outside,
        exposure_attributes=tuple(settings.exposure_attributes),
        connection=connection,
        sticky_store=sticky_store,
    )
    connection.open(settings.start_timeout_seconds, bootstrap=settings.bootstrap)
    _open_clients.add(client)
    return client


def _outbox(settings: Settings) -> Outbox:
    if settings.spool_file is None:
        return Outbox(settings.queue_size)
    now = settings.outside.now
    spool = Spool(settings.spool_file, size=settings.spool_size, now=lambda: now().timestamp())
    return SpooledOutbox(settings.queue_size, spool)


def in_memory(
    snapshot_document: Mapping[str, object],
    *,
    sticky_store: StickyStore | None = None,
    outside: Outside | None = None,
) -> InMemoryClient:
    """Return a client that serves one document and remembers its events in `recorded`.

    Raises:
        equipoise_engine.SnapshotError: when the document as a whole is unusable.
    """
    return InMemoryClient(snapshot_document, sticky_store=sticky_store, outside=outside or Outside())


def _close_all() -> None:
    for client in list(_open_clients):
        client.close()


def _after_fork() -> None:
    for client in list(_open_clients):
        client._after_fork()  # noqa: SLF001 - the application is not to call it


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
