"""What a piece of work took."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """Rows and bytes that were read, and processor seconds of the worker's thread.

    Events and rollups are read in that thread. Tables and queries use a second one, which is not counted:
    a process has several workers, so that its own seconds would be everybody's.
    """

    rows_read: int
    bytes_read: int
    cpu_seconds: float
