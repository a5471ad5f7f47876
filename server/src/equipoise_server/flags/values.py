"""Flags as other rooms see them: typed variants, settings per environment, kills and pins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

Condition = Mapping[str, object]
"""A condition as the snapshot carries it (spec/evaluation.md): {"all": …}, {"not": …} or a clause."""

FlagValue = bool | str | int | float | Mapping[str, object]


class FlagType(StrEnum):
    """The type every variant's value has; it never changes."""

    BOOLEAN = "boolean"
    STRING = "string"
    NUMBER = "number"
    OBJECT = "object"


class FlagKind(StrEnum):
    """Why the flag exists; it decides how long it should live."""

    RELEASE = "release"
    EXPERIMENT = "experiment"
    OPS = "ops"
    PERMISSION = "permission"


@dataclass(frozen=True, slots=True)
class FlagVariant:
    """One value a flag can have."""

    key: str
    value: FlagValue


@dataclass(frozen=True, slots=True)
class Override:
    """Named units, or a segment, that always get one variant; they leave every analysis."""

    variant: str
    unit_type: str = ""
    units: tuple[str, ...] = ()
    segment: str = ""


@dataclass(frozen=True, slots=True)
class Rollout:
    """A share of the units gets one variant; raising the share moves nobody out."""

    variant: str
    unit_type: str
    parts_per_million: int
    salt: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One ordered step: who is eligible, and what is served or rolled out to them."""

    id: str
    eligibility: Condition | None = None
    serve: str = ""
    rollout: Rollout | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Pin:
    """A running experiment that sets this flag; edits that would change its answers are refused."""

    experiment_id: UUID
    experiment_key: str


@dataclass(frozen=True, slots=True)
class FlagSettings:
    """What one environment serves. `version` guards against lost updates."""

    environment_id: UUID
    environment_key: str
    off: str
    default: str
    killed_at: datetime | None
    overrides: tuple[Override, ...]
    rules: tuple[Rule, ...]
    version: int
    pins: tuple[Pin, ...]

    @property
    def is_killed(self) -> bool:
        """Whether the off variant is served whatever the rules say."""
        return self.killed_at is not None


@dataclass(frozen=True, slots=True)
class Flag:
    """A typed value that code asks for by key."""

    id: UUID
    project_id: UUID
    key: str
    name: str
    description: str
    type: FlagType
    kind: FlagKind
    owner: str
    variants: tuple[FlagVariant, ...]
    settings: Mapping[str, FlagSettings]
    """By environment key."""
    created_at: datetime
    archived_at: datetime | None
    version: int = 1
    """Guards name, description, owner, kind and variants against lost updates."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A reusable named condition."""

    id: UUID
    project_id: UUID
    key: str
    name: str
    condition: Condition
    version: int = 1


@dataclass(frozen=True, slots=True)
class FlagsPayload:
    """What the flags of one environment put into its snapshot (spec/evaluation.md)."""

    flags: Mapping[str, Mapping[str, object]]
    """By flag key; all members but `experiments`."""
    segments: Mapping[str, Condition]
    killed: bool
