"""What a piece of work took."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """Rows and bytes that were read, and seconds of one processor."""

    rows_read: int
    bytes_read: int
    cpu_seconds: float
