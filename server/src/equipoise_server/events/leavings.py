"""Files that nobody names: retired ones until their readers are done, and what a killed round left behind."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from equipoise_server.events import places
from equipoise_server.events.models import StoreFile
from equipoise_server.foundation.scratch import scratch_directory

GRACE = timedelta(minutes=10)
ORPHAN_AGE = timedelta(hours=1)


def delete_retired(*, now: datetime) -> int:
    """Delete retired files after their grace period, and files that a round which failed left behind."""
    directory = places.store_directory()
    retired = list(StoreFile.objects.filter(retired_at__lt=now - GRACE))
    for file in retired:
        (directory / file.path).unlink(missing_ok=True)
    StoreFile.objects.filter(pk__in=[file.pk for file in retired]).delete()
    oldest = (now - ORPHAN_AGE).timestamp()
    orphans = unnamed_files(before=oldest)
    for path in orphans:
        path.unlink(missing_ok=True)
    return len(retired) + len(orphans)


def unnamed_files(*, before: float) -> list[Path]:
    """What the manifest does not name, in store and scratch directory, and is older than an instant."""
    directory = places.store_directory()
    named = set(StoreFile.objects.values_list("path", flat=True))
    found = [
        path
        for pattern in ("*.parquet", "*.unfinished")
        for path in directory.rglob(pattern)
        if str(path.relative_to(directory)) not in named
    ]
    found += [path for path in scratch_directory().rglob("*") if path.is_file()]
    return [path for path in found if _is_older(path, before)]


def _is_older(path: Path, instant: float) -> bool:
    try:
        return path.stat().st_mtime < instant
    except FileNotFoundError:
        return False
