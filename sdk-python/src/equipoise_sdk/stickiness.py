"""Keeps each unit with the cluster in which it was first met: where that is stored, and how it is asked.

Without a store a unit follows its clusters.
"""

from __future__ import annotations

import os
import queue
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Protocol, cast

from equipoise_engine import Context, Enrolment, canonical_unit
from equipoise_sdk.forks import IdleLock
from equipoise_sdk.troubles import Troubles

REMEMBERED_UNITS = 100_000
_KEPT_AT_ONCE = 1_000


class StickyStore(Protocol):
    """Remembers first clusters. Called during evaluations, by any thread: it should answer from memory.

    What it raises is taken for "not known", and told once.
    """

    def get(self, iteration: str, unit: str) -> str | None:
        """Return the first cluster of a unit in an iteration ("experiment:1"); None when there is none."""

    def keep(self, iteration: str, unit: str, cluster: str) -> None:
        """Remember a unit's cluster, unless one is remembered already."""


class MemoryStickyStore:
    """First clusters of one process, of the units met last.

    Each step is one operation of the interpreter, so threads need no lock, and forks find none held.

    Args:
        size: how many units are remembered.
    """

    def __init__(self, size: int = REMEMBERED_UNITS) -> None:
        self._size = size
        self._clusters: OrderedDict[tuple[str, str], str] = OrderedDict()

    def get(self, iteration: str, unit: str) -> str | None:
        """Return the first cluster of a unit."""
        cluster = self._clusters.get((iteration, unit))
        if cluster is not None:
            with suppress(KeyError):  # another thread made room meanwhile
                self._clusters.move_to_end((iteration, unit))
        return cluster

    def keep(self, iteration: str, unit: str, cluster: str) -> None:
        """Remember a unit's cluster, unless one is remembered already."""
        self._clusters.setdefault((iteration, unit), cluster)
        if len(self._clusters) > self._size:
            with suppress(KeyError):
                self._clusters.popitem(last=False)

    def replace(self, iteration: str, unit: str, cluster: str) -> None:
        """Remember what another process kept first."""
        self._clusters[iteration, unit] = cluster


_CREATE = """
CREATE TABLE IF NOT EXISTS first_clusters (
  iteration TEXT NOT NULL, unit TEXT NOT NULL, cluster TEXT NOT NULL, PRIMARY KEY (iteration, unit)
) WITHOUT ROWID
"""
_GET = "SELECT cluster FROM first_clusters WHERE iteration = ? AND unit = ?"
_KEEP = "INSERT INTO first_clusters VALUES (?, ?, ?) ON CONFLICT DO NOTHING"


class SqliteStickyStore:
    """First clusters in a file that the processes of one machine share, with those met last in memory.

    Writing is left to a thread, so that no evaluation waits for the disk; the first to write wins.

    Args:
        path: of the file; it is made.
        size: how many units are remembered in memory.
    """

    def __init__(self, path: Path | str, *, size: int = REMEMBERED_UNITS) -> None:
        self._path = path
        self._near = MemoryStickyStore(size)
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._reads, self._writes = IdleLock(), IdleLock()
        self._waiting: queue.SimpleQueue[tuple[str, str, str] | None] = queue.SimpleQueue()
        self._reading = _opened(self._path)
        self._writer = threading.Thread(target=self._write, name="equipoise-sticky", daemon=True)
        self._writer.start()

    def get(self, iteration: str, unit: str) -> str | None:
        """Return the first cluster of a unit.

        Raises:
            sqlite3.Error: when the file cannot be read.
        """
        self._follow_fork()
        near = self._near.get(iteration, unit)
        if near is not None:
            return near
        with self._reads:
            row = self._reading.execute(_GET, (iteration, unit)).fetchone()
        if row is None:
            return None
        self._near.keep(iteration, unit, row[0])
        return str(row[0])

    def keep(self, iteration: str, unit: str, cluster: str) -> None:
        """Remember a unit's cluster, unless one is remembered already."""
        self._follow_fork()
        if self._near.get(iteration, unit) is None:
            self._near.keep(iteration, unit, cluster)
            self._waiting.put((iteration, unit, cluster))

    def close(self) -> None:
        """Write what waits, and let go of the file."""
        if self._process == os.getpid():
            self._waiting.put(None)
            self._writer.join()
            self._reading.close()

    def _follow_fork(self) -> None:
        """Open the file anew in the child of a fork."""
        if self._process != os.getpid():
            self._begin()

    def _write(self) -> None:
        waiting, troubles, is_over = self._waiting, Troubles(), False
        while not is_over:
            rows = list(_taken(waiting))
            is_over = None in rows
            try:
                self._write_rows([row for row in rows if row is not None])
                troubles.over("sticky")
            except sqlite3.Error as cause:  # they are in memory, and nowhere else
                troubles.note("sticky", f"first clusters cannot be kept in {self._path}: {cause}")

    def _write_rows(self, rows: list[tuple[str, str, str]]) -> None:
        with self._writes, closing(_opened(self._path)) as file:
            with file:
                file.executemany(_KEEP, rows)
            for iteration, unit, _ in rows:
                (first,) = file.execute(_GET, (iteration, unit)).fetchone()
                self._near.replace(iteration, unit, first)


def _opened(path: Path | str) -> sqlite3.Connection:
    file = sqlite3.connect(path, timeout=2.0, check_same_thread=False)
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("PRAGMA synchronous = NORMAL")
    with file:
        file.execute(_CREATE)
    return file


def _taken(waiting: queue.SimpleQueue[tuple[str, str, str] | None]) -> Iterator[tuple[str, str, str] | None]:
    """Yield what waits: the first for as long as it takes, others if they are there."""
    yield waiting.get()
    for _ in range(_KEPT_AT_ONCE):
        try:
            yield waiting.get_nowait()
        except queue.Empty:
            return


class FirstClusters(Mapping[str, str]):
    """The "clusters" of a context: what it brings itself, else what the store knows of its units."""

    __slots__ = ("_clustered", "_complain", "_given", "_store", "_units")

    def __init__(
        self,
        context: Context,
        clustered: Mapping[str, str],
        store: StickyStore,
        *,
        complain: Callable[[Exception], None],
    ) -> None:
        given, units = context.get("clusters"), context.get("units")
        self._given = given if isinstance(given, Mapping) else {}
        self._units = units if isinstance(units, Mapping) else {}
        self._clustered = clustered
        self._store = store
        self._complain = complain

    def __getitem__(self, iteration: str) -> str:
        """Return the cluster that holds for a unit in an iteration."""
        if iteration in self._given:
            return cast("str", self._given[iteration])  # the engine judges what applications bring
        unit = canonical_unit(self._units.get(self._clustered[iteration]))
        cluster = None if unit is None else self._known(iteration, unit)
        if cluster is None:
            raise KeyError(iteration)
        return cluster

    def _known(self, iteration: str, unit: str) -> str | None:
        try:
            return self._store.get(iteration, unit)
        except Exception as cause:  # noqa: BLE001 - a store that fails must not fail an evaluation
            self._complain(cause)
            return None

    def __iter__(self) -> Iterator[str]:
        """Iterate over the iterations that randomise clusters."""
        return iter({**self._given, **self._clustered})

    def __len__(self) -> int:
        """Return how many there are."""
        return len({**self._given, **self._clustered})


def with_first_clusters(
    context: object,
    clustered: Mapping[str, str],
    store: StickyStore,
    *,
    complain: Callable[[Exception], None],
) -> Context:
    """Return a context in which a store says which cluster a unit stays with, once the engine asks."""
    if not isinstance(context, Mapping):
        return cast("Context", context)  # the engine tells what is wrong with it
    return {**context, "clusters": FirstClusters(context, clustered, store, complain=complain)}


def keep_cluster(enrolment: Enrolment, store: StickyStore) -> None:
    """Remember the cluster of an exposed unit, if a cluster was randomised."""
    if enrolment.cluster is not None:
        store.keep(enrolment.sticky_key, enrolment.unit, enrolment.cluster)


def clustered_types(document: Mapping[str, object]) -> dict[str, str]:
    """Return "experiment:iteration" → unit type, of the experiments of a snapshot that randomise clusters."""
    experiments = document.get("experiments")
    if not isinstance(experiments, Mapping):
        return {}
    return {
        f"{key}:{node.get('iteration')}": node["unit_type"]
        for key, node in experiments.items()
        if isinstance(node, Mapping) and "cluster_type" in node and isinstance(node.get("unit_type"), str)
    }
