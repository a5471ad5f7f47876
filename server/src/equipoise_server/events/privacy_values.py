"""Erasures and retention as other rooms see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

MOST_UNITS = 10_000
"""Of one erasure."""


class ErasureStep(StrEnum):
    """How far an erasure is, in this order. Each step can be done again."""

    BURY = "bury"
    CONFIGURATION = "configuration"
    STORE = "store"
    INBOXES = "inboxes"
    DERIVED = "derived"
    LEFTOVERS = "leftovers"
    FREE_PAGES = "free_pages"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Erasure:
    """One erasure; it names no unit. `removed` says by place how much was taken out."""

    id: UUID
    project_id: UUID
    unit_type: str
    asked: int
    fingerprint: str
    """A keyed hash of the request: the same units of the same type have the same one."""
    asked_by: str
    asked_at: datetime
    step: ErasureStep
    removed: Mapping[str, int]
    waits_for: str
    """Why the step is not done yet; "" while it goes on."""
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Retention:
    """How long an environment keeps raw events (None: for ever) and refused ones, in days."""

    environment_id: UUID
    event_days: int | None = None
    quarantine_days: int = 30
    version: int = 0
    """0 before anything was set."""
    dropped_through: date | None = None
    """The last day whose events are gone."""
    waits_for: str = ""
    """Which experiments still need days that are past their time; "" when none does."""
