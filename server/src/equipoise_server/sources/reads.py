"""Questions to the catalogue of sources, and to what the sources hold. Each answers frozen values."""

from __future__ import annotations

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
    estimate_source,
    preview_rows,
    preview_source,
)

__all__ = [
    "connection",
    "connection_by_key",
    "connections_of",
    "estimate_source",
    "preview_rows",
    "preview_source",
    "source",
    "source_by_key",
    "source_by_ref",
    "sources_of",
    "versions_of",
]
