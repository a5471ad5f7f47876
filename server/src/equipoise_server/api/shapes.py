"""What the API shows of projects, flags, segments and the audit chain, read from the rooms' values."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from ninja import Field, Schema

from equipoise_server.access.values import KeyKind, Role
from equipoise_server.flags.values import FlagKind, FlagType
from equipoise_server.foundation.exposure_tokens import TokenRule

Json = dict[str, object]
Value = bool | int | float | str | Json


class EnvironmentShape(Schema):
    """One environment."""

    id: UUID
    key: str
    name: str
    is_protected: bool
    exposure_tokens: TokenRule = Field(
        description="Whether answers carry tokens of exposures, and whether client keys need them."
    )


class ProjectShape(Schema):
    """A project with its unit types and environments."""

    id: UUID
    key: str
    name: str
    unit_types: list[str]
    default_unit_type: str
    environments: list[EnvironmentShape]
    is_pseudonymised: bool = Field(description="Whether events keep a keyed hash in place of each unit id.")


class MemberShape(Schema):
    """A person's role in a project."""

    email: str
    name: str
    role: Role


class SdkKeyShape(Schema):
    """An SDK key; its secret is shown once, when it is issued."""

    id: UUID
    environment_id: UUID
    kind: KeyKind
    name: str
    prefix: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class IssuedKeyShape(Schema):
    """A key just issued, with its secret."""

    key: SdkKeyShape
    secret: str


class ApiTokenShape(Schema):
    """A management token; its secret is shown once. Without a role it can do all that its person can."""

    id: UUID
    owner: str
    name: str
    prefix: str
    role: Role | None
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


class VariantShape(Schema):
    """One value a flag can have."""

    key: str
    value: Value


class OverrideShape(Schema):
    """Named units, or a segment, that always get one variant."""

    variant: str
    unit_type: str
    units: list[str]
    segment: str


class RingShape(Schema):
    """One stage of a rollout."""

    id: str
    eligibility: Json | None
    parts_per_million: int


class RolloutShape(Schema):
    """A share of the units gets a variant; with rings, a share of each ring's audience."""

    variant: str
    unit_type: str
    parts_per_million: int
    rings: list[RingShape]


class PrerequisiteShape(Schema):
    """Another flag that must serve one of these variants."""

    flag: str
    variants: list[str]


class RuleShape(Schema):
    """One ordered step: who is eligible, and what is served or rolled out to them."""

    id: str
    eligibility: Json | None
    serve: str
    rollout: RolloutShape | None
    description: str


class PinShape(Schema):
    """A running experiment that holds the flag still."""

    experiment_id: UUID
    experiment_key: str


class FlagSettingsShape(Schema):
    """What one environment serves."""

    environment_key: str
    off: str
    default: str
    killed_at: datetime | None
    overrides: list[OverrideShape]
    rules: list[RuleShape]
    prerequisites: list[PrerequisiteShape]
    version: int
    pins: list[PinShape]


class FlagShape(Schema):
    """A flag with its settings by environment key."""

    id: UUID
    key: str
    name: str
    description: str
    type: FlagType
    kind: FlagKind
    owner: str
    variants: list[VariantShape]
    settings: dict[str, FlagSettingsShape]
    groups: list[str]
    created_at: datetime
    archived_at: datetime | None
    version: int


class GroupShape(Schema):
    """A named set of flags that can be killed together; `killed` is since when, by environment."""

    id: UUID
    key: str
    name: str
    description: str
    flags: list[str]
    killed: dict[str, datetime]
    version: int


class ListShape(Schema):
    """The list of units that a segment is; `address` is empty while they are kept by name."""

    unit_type: str
    member_count: int
    address: str
    changed_at: datetime


class SegmentShape(Schema):
    """A reusable named condition, or a list of units (`members`)."""

    id: UUID
    key: str
    name: str
    condition: Json
    members: ListShape | None
    is_computed: bool
    version: int


class SubjectShape(Schema):
    """What was acted on."""

    kind: str
    id: UUID
    key: str


class ChangeShape(Schema):
    """One change of an audit record."""

    action: str
    subject: SubjectShape
    before: Json | None
    after: Json | None


class AuthorShape(Schema):
    """Who acted."""

    kind: str
    id: str
    name: str


class AuditEntryShape(Schema):
    """One audit record."""

    number: int
    at: datetime
    author: AuthorShape
    action: str
    reason: str
    changes: list[ChangeShape]
    revisions: dict[str, str]
    hash: str
