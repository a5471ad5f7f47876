"""What changes connections and sources, and what reads rows of them into files."""

from __future__ import annotations

from equipoise_server.sources.catalogue import (
    CreateSource,
    ReviseSource,
    archive_source,
    create_source,
    revise_source,
)
from equipoise_server.sources.connections import (
    CreateConnection,
    ReviseConnection,
    archive_connection,
    create_connection,
    revise_connection,
)
from equipoise_server.sources.fetching import Wanted, fetch_facts, fetch_rows, fetch_table
from equipoise_server.sources.usage import fill_usage_port

__all__ = [
    "CreateConnection",
    "CreateSource",
    "ReviseConnection",
    "ReviseSource",
    "Wanted",
    "archive_connection",
    "archive_source",
    "create_connection",
    "create_source",
    "fetch_facts",
    "fetch_rows",
    "fetch_table",
    "fill_usage_port",
    "revise_connection",
    "revise_source",
]
