"""Where the events of this installation lie on disk."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings


def inbox_directory() -> Path:
    """One SQLite file per process that takes events."""
    return Path(settings.DATA_DIRECTORY) / "inbox"


def store_directory() -> Path:
    """The Parquet files; their names in the manifest are relative to it."""
    return Path(settings.DATA_DIRECTORY) / "events"
