"""Makes clients, and looks after them when the process forks or ends."""

from __future__ import annotations

import atexit
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from weakref import WeakSet

from equipoise_engine import compile_snapshot
from equipoise_sdk.client import Client, InMemoryClient
from equipoise_sdk.connection import Connection
from equipoise_sdk.keeper import Keeper, Serving, Source
from equipoise_sdk.outbox import Outbox, Recorder
from equipoise_sdk.settings import PER_USER, Outside, Settings, chosen_directory

_open_clients: WeakSet[Client] = WeakSet()


def connect(  # noqa: PLR0913 - each is one setting; a settings object would only hide them
    server_url: str,
    key: str,
    *,
    poll_interval_seconds: float = 10.0,
    start_timeout_seconds: float = 1.0,
    request_timeout_seconds: float = 5.0,
    cache_directory: Path | str | None = PER_USER,
    exposure_attributes: tuple[str, ...] = (),
    queue_size: int = 10_000,
    headers: Mapping[str, str] | None = None,
    streaming: bool = True,
    stream_silence_seconds: float = 25.0,
    outside: Outside | None = None,
) -> Client:
    """Return a client of a server, within `start_timeout_seconds` whatever the network does.

    Args:
        server_url: such as "https://flags.example.org".
        key: a server key of one environment.
        poll_interval_seconds: between two questions for a newer snapshot, while no stream tells of changes.
        start_timeout_seconds: how long to wait for the first answer; the disk serves meanwhile.
        request_timeout_seconds: for one request.
        cache_directory: where the last good snapshot is kept; None keeps none.
        exposure_attributes: names of the attributes that exposures may carry.
        queue_size: how many events may wait.
        headers: sent with every request, for a proxy, or to back-fill past events.
        streaming: whether to hear of changes at once over a stream that is held open.
        stream_silence_seconds: how long a stream may be silent; the server lets it beat every 10 seconds.
        outside: time, ids and randomness, for tests.

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
        outside=outside or Outside(),
    )
    return _opened(settings)


def _opened(settings: Settings) -> Client:
    keeper, outbox = Keeper(), Outbox(settings.queue_size)
    connection = Connection(settings, keeper, outbox)
    client = Client(
        keeper,
        outbox,
        outside=settings.outside,
        exposure_attributes=tuple(settings.exposure_attributes),
        connection=connection,
    )
    connection.open(settings.start_timeout_seconds)
    _open_clients.add(client)
    return client


def in_memory(snapshot_document: Mapping[str, object], *, outside: Outside | None = None) -> InMemoryClient:
    """Return a client that serves one document and remembers its events in `recorded`.

    Raises:
        equipoise_engine.SnapshotError: when the document as a whole is unusable.
    """
    world = outside or Outside()
    confirmed_at: datetime = world.now()
    serving = Serving(compile_snapshot(snapshot_document), Source.MEMORY, confirmed_at)
    return InMemoryClient(Keeper(serving), Recorder(), outside=world)


def _close_all() -> None:
    for client in list(_open_clients):
        client.close()


def _after_fork() -> None:
    for client in list(_open_clients):
        client._after_fork()  # noqa: SLF001 - the application is not to call it


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
