"""Every exposure that the store holds after everything that waits was compacted, as JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import duckdb
from django.utils import timezone

from equipoise_server.access.models import Environment
from equipoise_server.events.actions import compact
from equipoise_server.events.reads import pinned_files
from equipoise_server.events.values import EventKind

COLUMNS = ("experiment", "iteration", "variant", "unit_type", "unit", "cluster_type", "cluster", "differs")
EVER = {"since": datetime(2000, 1, 1, tzinfo=UTC), "until": datetime(2100, 1, 1, tzinfo=UTC)}

compact(now=timezone.now())
found = []
for environment in Environment.objects.filter(key="production"):
    paths = [str(path) for path in pinned_files(environment.pk, EventKind.EXPOSURE, **EVER).paths]
    if paths:
        rows = duckdb.execute(f"SELECT {', '.join(COLUMNS)} FROM read_parquet(?)", [paths]).fetchall()
        found += [dict(zip(COLUMNS, row, strict=True)) for row in rows]
print(json.dumps(found))
