"""Units that experiments and holdouts met lately, with the attributes that they came with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import duckdb

from equipoise_server.events import reads as events
from equipoise_server.events.values import EventKind

LOOK_BACK = timedelta(days=14)
MOST_UNITS = 10_000
_SEEN = """
SELECT exposure.unit, ARG_MAX(exposure.properties, exposure.derived_at)
FROM read_parquet($paths, union_by_name = true) AS exposure
WHERE exposure.unit_type = $unit_type AND exposure.derived_at >= $since AND exposure.derived_at < $until
GROUP BY exposure.unit ORDER BY HASH(exposure.unit) LIMIT $most
"""


def recent_contexts(
    environment_id: UUID, unit_type: str, *, now: datetime
) -> tuple[list[Mapping[str, object]], str]:
    """Contexts of units of the last 14 days, at most 10,000 chosen by hash; without any, the reason."""
    since = now - LOOK_BACK
    files = events.pinned_files(environment_id, EventKind.EXPOSURE, since=since, until=now)
    given = {
        "paths": [str(path) for path in files.paths], "unit_type": unit_type, "most": MOST_UNITS,
        "since": since.replace(tzinfo=None), "until": now.replace(tzinfo=None),
    }  # fmt: skip
    rows = _rows(given) if files.paths else []
    contexts: list[Mapping[str, object]] = [
        {
            "units": {unit_type: unit},
            "attributes": {} if properties is None else json.loads(properties),
            "now": now.timestamp(),
        }
        for unit, properties in rows
    ]
    return contexts, "" if contexts else f"Not known yet: no {unit_type} was exposed in the last 14 days."


def _rows(given: dict[str, object]) -> list[tuple[str, str | None]]:
    database = duckdb.connect(":memory:", config={"threads": 1})
    try:
        return database.execute(_SEEN, given).fetchall()
    finally:
        database.close()
