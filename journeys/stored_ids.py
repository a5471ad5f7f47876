"""The id of every event in the store after everything that waits was compacted, and the numbers beside it."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime

import duckdb
from django.utils import timezone

from equipoise_server.access.models import Environment
from equipoise_server.events import reads
from equipoise_server.events.actions import compact
from equipoise_server.events.models import StoreFile
from equipoise_server.events.values import EventKind

compact(now=timezone.now())
production = Environment.objects.get(key="production").pk
ever = {"since": datetime(2000, 1, 1, tzinfo=UTC), "until": datetime(2100, 1, 1, tzinfo=UTC)}
paths = [str(path) for path in reads.pinned_files(production, EventKind.TRACK, **ever).paths]
query = "SELECT CAST(id AS VARCHAR) FROM read_parquet(?)"
ids = duckdb.connect().execute(query, [paths]).fetchall() if paths else []
print(
    json.dumps(
        {
            "ids": [row[0] for row in ids],
            "quality": asdict(reads.data_quality(production)),
            "merged": StoreFile.objects.exclude(retired_at=None).count(),
        },
        default=str,
    )
)
