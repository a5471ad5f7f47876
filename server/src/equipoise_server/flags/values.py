"""Flags as other rooms see them: typed variants, settings per environment, kills and pins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

Condition = Mapping[str, object]
"""A condition as the snapshot carries it (spec/evaluation.md): {"all": …}, {"not": …} or a clause."""

How = Literal["replace", "append", "remove"]
"""What is done to a list with the units given."""

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
class Ring:
    """One stage of a rollout: an audience (None is everybody) and its share."""

    id: str
    parts_per_million: int
    eligibility: Condition | None = None


@dataclass(frozen=True, slots=True)
class Rollout:
    """A share of the units gets one variant; raising the share moves nobody out.

    With rings, each audience has a share of its own under one salt, and `parts_per_million` says nothing.
    """

    variant: str
    unit_type: str
    parts_per_million: int = 0
    salt: str = ""
    rings: tuple[Ring, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One ordered step: who is eligible, and what is served or rolled out to them."""

    id: str
    eligibility: Condition | None = None
    serve: str = ""
    rollout: Rollout | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """Another flag that must serve one of some variants; otherwise this one is off."""

    flag: str
    variants: tuple[str, ...]


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
    prerequisites: tuple[Prerequisite, ...] = ()

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
    groups: tuple[str, ...] = ()
    """Keys of the groups that it is in."""


@dataclass(frozen=True, slots=True)
class MemberList:
    """The units of a segment that is a list. A large list is hashed, and known by its address alone."""

    unit_type: str
    member_count: int
    address: str
    """The SHA-256 of its hashes; "" while the units are kept by name."""
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Segment:
    """A reusable named condition; `members` when it is a list of units."""

    id: UUID
    project_id: UUID
    key: str
    name: str
    condition: Condition
    version: int = 1
    members: MemberList | None = None
    is_computed: bool = False
    """Whether its membership moves by design, also while a running experiment uses it."""


@dataclass(frozen=True, slots=True)
class SegmentUses:
    """What names a segment: flags (key, environment's key), other segments, and running experiments."""

    flags: tuple[tuple[str, str], ...]
    segments: tuple[str, ...]
    experiments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A named set of flags that can be killed together."""

    id: UUID
    project_id: UUID
    key: str
    name: str
    description: str
    flags: tuple[str, ...]
    """Keys, without archived flags."""
    killed: Mapping[UUID, datetime]
    """Since when, by environment."""
    version: int


@dataclass(frozen=True, slots=True)
class PreviewLink:
    """A token just signed, and when it stops working."""

    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class RampStep:
    """A share and the time from which it holds."""

    at: datetime
    parts_per_million: int


class RampState(StrEnum):
    """Where a schedule stands."""

    RISING = "rising"
    HELD = "held"
    """A step is due, and waits until every health check of the flag passes."""
    PAUSED = "paused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Ramp:
    """A rollout whose share rises at set times. `note` says why it is held, was paused or ended early."""

    id: UUID
    flag_id: UUID
    environment_id: UUID
    rule_id: str
    ring_id: str
    steps: tuple[RampStep, ...]
    done_count: int
    state: RampState
    note: str
    held_since: datetime | None = None
    """Since when a due step waits for health checks; what follows is later by as long."""
    from_parts_per_million: int | None = None
    """The share before the schedule; None of schedules that are older than this."""

    @property
    def next_step(self) -> RampStep | None:
        """The step that comes next; None when there is none."""
        is_over = self.state is RampState.ENDED or self.done_count >= len(self.steps)
        return None if is_over else self.steps[self.done_count]


@dataclass(frozen=True, slots=True)
class FlagsPayload:
    """What the flags of one environment put into its snapshot (spec/evaluation.md)."""

    flags: Mapping[str, Mapping[str, object]]
    """By flag key; all members but `experiments`."""
    segments: Mapping[str, Condition]
    killed: bool
    groups: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    preview_key: str = ""
