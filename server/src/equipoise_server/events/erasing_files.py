"""Writes Parquet files again without some units: only those that hold them, and each all or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import duckdb
from django.db import transaction
from django.db.models import F

from equipoise_server.events import store
from equipoise_server.events.models import StoreFile, StoreHead

_FILES_AT_ONCE = 200
_HOLDING = """
SELECT held.file, COUNT(*) FROM (
  SELECT stored.filename AS file, stored.unit_type, stored.unit{cluster}
  FROM read_parquet($paths, union_by_name = true, filename = true) AS stored
) AS held
WHERE (held.unit_type = $unit_type AND held.unit IN (SELECT gone.unit FROM gone)){or_cluster}
GROUP BY held.file
"""
_OR_CLUSTER = " OR (held.cluster_type = $unit_type AND held.cluster IN (SELECT gone.unit FROM gone))"
_LEFT = """
COPY (
  SELECT stored.*{replaced} FROM read_parquet($source) AS stored
  {join} WHERE NOT (stored.unit_type = $unit_type AND stored.unit IN (SELECT gone.unit FROM gone))
  ORDER BY stored.unit_type, stored.unit, stored.derived_at, stored.id
) TO $target (FORMAT PARQUET, COMPRESSION ZSTD)
"""
_REPLACED = " REPLACE (COALESCE(mine.token, stored.cluster) AS cluster)"
_JOIN = "LEFT JOIN gone AS mine ON stored.cluster_type = $unit_type AND stored.cluster = mine.unit"


@dataclass(frozen=True, slots=True)
class Erased:
    """What was written again."""

    files: int = 0
    rows: int = 0
    passed_over: int = 0
    """Files that were merged into others meanwhile, which now hold what they held."""


@dataclass(frozen=True, slots=True)
class FilesWithout:
    """Takes units of one type out of files; the database knows them, and their stand-ins as clusters."""

    database: duckdb.DuckDBPyConnection
    directory: Path
    unit_type: str

    def erase(self, files: list[StoreFile], *, now: datetime) -> Erased:
        """Write those files again that hold one of the units. One merged meanwhile is passed over."""
        done = Erased()
        for start in range(0, len(files), _FILES_AT_ONCE):
            some = {str(self.directory / file.path): file for file in files[start : start + _FILES_AT_ONCE]}
            for path, rows in self._holding(list(some)).items():
                if self._replace(some[path], now):
                    done = replace(done, files=done.files + 1, rows=done.rows + rows)
                else:
                    done = replace(done, passed_over=done.passed_over + 1)
        return done

    def _holding(self, paths: list[str]) -> Mapping[str, int]:
        has_cluster = any(self._has_cluster(path) for path in paths)
        query = _HOLDING.format(
            cluster=", stored.cluster_type, stored.cluster" if has_cluster else "",
            or_cluster=_OR_CLUSTER if has_cluster else "",
        )
        given = {"paths": paths, "unit_type": self.unit_type}
        return dict(self.database.execute(query, given).fetchall())

    def _has_cluster(self, path: str) -> bool:
        named = "SELECT COUNT(*) FROM parquet_schema($path) AS one WHERE one.name = 'cluster'"
        return bool(self.database.execute(named, {"path": path}).fetchall()[0][0])

    def _replace(self, old: StoreFile, now: datetime) -> bool:
        """Name the new file and retire the old one at once, unless the old one is retired by then."""
        fresh = self._written(old)
        with transaction.atomic():
            is_live = StoreFile.objects.filter(pk=old.pk, retired_at=None).update(retired_at=now)
            # Whoever compacts from the old file at this moment loses the race, and begins again.
            StoreHead.objects.filter(pk=1).update(version=F("version") + 1)
            if is_live and fresh.rows:
                fresh.created_at = now
                fresh.save(force_insert=True)
        if not (is_live and fresh.rows):
            (self.directory / fresh.path).unlink()
        return bool(is_live)

    def _written(self, old: StoreFile) -> StoreFile:
        """A file with everything else; its row is not saved."""
        name = uuid4()
        path = Path(old.path).with_name(f"{name.hex}.parquet")
        has_cluster = self._has_cluster(str(self.directory / old.path))
        query = _LEFT.format(replaced=_REPLACED if has_cluster else "", join=_JOIN if has_cluster else "")
        given = {"source": str(self.directory / old.path), "unit_type": self.unit_type}
        store.write_durably(self.database, query, self.directory / path, **given)
        described = self.database.execute(store.DESCRIBE, {"path": str(self.directory / path)})
        rows, earliest, latest = described.fetchall()[0]
        return StoreFile(
            id=name, environment_id=old.environment_id, kind=old.kind, day=old.day, path=str(path), rows=rows,
            earliest=old.earliest if earliest is None else earliest.replace(tzinfo=UTC),
            latest=old.latest if latest is None else latest.replace(tzinfo=UTC), arrival=old.arrival,
        )  # fmt: skip


def name_gone(database: duckdb.DuckDBPyConnection, tokens: Mapping[str, str]) -> None:
    """Tell the database which units go, and what stands for each as a cluster."""
    database.execute("CREATE OR REPLACE TEMP TABLE gone (unit VARCHAR, token VARCHAR)").fetchall()
    for some in _chunks(list(tokens.items())):
        marks = ", ".join("(?, ?)" for _ in some)
        given = [text for pair in some for text in pair]
        database.execute(f"INSERT INTO gone VALUES {marks}", given).fetchall()  # noqa: S608  # marks alone


def _chunks(items: list[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    for start in range(0, len(items), 500):
        yield items[start : start + 500]
