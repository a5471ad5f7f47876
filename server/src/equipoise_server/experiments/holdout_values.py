"""Holdouts as other rooms see them: seasons, scope, and what they cover."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class HoldoutScope:
    """What a holdout may cover. An empty table covers all there is or will be."""

    projects: tuple[UUID, ...] = ()
    environments: tuple[str, ...] = ("production",)
    """Keys of environments."""
    flags: tuple[str, ...] = ()
    """Keys of flags; empty covers everything that is launched after the season's start."""


@dataclass(frozen=True, slots=True)
class CoveredFlag:
    """A flag that a holdout covers in one environment, and what held units get."""

    flag_id: UUID
    flag_key: str
    project_id: UUID
    environment_id: UUID
    baseline: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Season:
    """One draw of a holdout's units."""

    number: int
    salt: str
    started_at: datetime
    ends_at: datetime
    """When people wanted to end it; it lasts until they do."""
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Holdout:
    """Units kept on the baseline of everything that starts after the season: belongs to the organisation."""

    id: UUID
    key: str
    name: str
    description: str
    unit_type: str
    parts_per_million: int
    scope: HoldoutScope
    seasons: tuple[Season, ...]
    """Newest last."""
    closed_at: datetime | None
    created_at: datetime
    version: int
    covered: tuple[CoveredFlag, ...] = ()

    @property
    def season(self) -> Season:
        """The newest season."""
        return self.seasons[-1]

    @property
    def is_open(self) -> bool:
        """Whether units are held now."""
        return self.closed_at is None


@dataclass(frozen=True, slots=True)
class Covering:
    """What a holdout will do to a flag that starts to change: cover it, or why not."""

    holdout_key: str
    holdout_name: str
    flag_key: str
    baseline: str = ""
    """What held units will get; "" when it is not covered."""
    reason: str = ""
    """Why it is not covered; "" when it is."""
