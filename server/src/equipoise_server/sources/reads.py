"""Questions to the catalogue of sources, and to what the sources hold. Each answers frozen values."""

from __future__ import annotations

from equipoise_server.sources.counting import (
    Counting,
    count_rows,
    estimate_rows,
    refuse_unreadable,
    written,
)
from equipoise_server.sources.entries import (
    connection,
    connection_by_key,
    connections_of,
    source,
    source_by_key,
    source_by_ref,
    sources_of,
    versions_of,
)
from equipoise_server.sources.previewing import (
    cell,
    distribution,
    estimate_source,
    preview_rows,
    preview_source,
    shortened,
)
from equipoise_server.sources.prometheus import Asked, NotAnswered, ask
from equipoise_server.sources.prometheus_answers import Series
from equipoise_server.sources.statements import RECENT_DAYS, SAMPLE_ROWS, column_names, spread

__all__ = [
    "RECENT_DAYS",
    "SAMPLE_ROWS",
    "Asked",
    "Counting",
    "NotAnswered",
    "Series",
    "ask",
    "cell",
    "column_names",
    "connection",
    "connection_by_key",
    "connections_of",
    "count_rows",
    "distribution",
    "estimate_rows",
    "estimate_source",
    "preview_rows",
    "preview_source",
    "refuse_unreadable",
    "shortened",
    "source",
    "source_by_key",
    "source_by_ref",
    "sources_of",
    "spread",
    "versions_of",
    "written",
]
