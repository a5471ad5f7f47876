"""Who acts and where: actors, projects, environments and keys, as other rooms see them."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from equipoise_server.access.secrets import digest, matches, prefix_of
from equipoise_server.audit.values import Author
from equipoise_server.foundation.exposure_tokens import TokenRule
from equipoise_server.foundation.refusals import Forbidden, Problem


class Permission(StrEnum):
    """One thing an actor may do inside a project."""

    PROJECT_READ = "project.read"
    AUDIT_READ = "audit.read"
    FLAG_EDIT = "flag.edit"
    FLAG_KILL = "flag.kill"
    FLAG_UNKILL = "flag.unkill"
    EXPERIMENT_EDIT = "experiment.edit"
    EXPERIMENT_LAUNCH = "experiment.launch"
    EXPERIMENT_STOP = "experiment.stop"
    EXPERIMENT_DECIDE = "experiment.decide"
    EXPERIMENT_IMPORT = "experiment.import"
    METRIC_EDIT = "metric.edit"
    METRIC_CERTIFY = "metric.certify"
    EVENT_REPLAY = "event.replay"
    JOB_MANAGE = "job.manage"
    KEY_MANAGE = "key.manage"
    MEMBER_GRANT = "member.grant"
    PROJECT_EDIT = "project.edit"
    UNIT_ERASE = "unit.erase"
    RETENTION_EDIT = "retention.edit"


class Role(StrEnum):
    """A named set of permissions, given to a person in one project."""

    VIEWER = "viewer"
    EXPERIMENTER = "experimenter"
    ENGINEER = "engineer"
    ADMIN = "admin"


class KeyKind(StrEnum):
    """What an SDK key may do: `server` gets rules, `client` only evaluated values; both may send events."""

    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody or something that acts, with what it may do in each project."""

    author: Author
    permissions: Mapping[UUID, frozenset[Permission]]
    may_create_projects: bool = False

    def may(self, permission: Permission, project_id: UUID) -> bool:
        """Whether the actor holds this permission in this project."""
        return permission in self.permissions.get(project_id, frozenset())

    def require(self, permission: Permission, project_id: UUID) -> None:
        """Refuse unless the actor holds this permission in this project."""
        if not self.may(permission, project_id):
            raise Forbidden(
                Problem(
                    "",
                    f"You need the permission “{permission}” in this project. Ask one of its admins.",
                )
            )


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment of a project."""

    id: UUID
    project_id: UUID
    key: str
    name: str
    is_protected: bool
    exposure_tokens: TokenRule = TokenRule.OFF
    """Whether answers carry tokens of exposures, and whether client keys need them."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project with its unit types and environments."""

    id: UUID
    key: str
    name: str
    unit_types: tuple[str, ...]
    default_unit_type: str
    environments: tuple[Environment, ...]
    is_pseudonymised: bool = False
    """Whether events keep a keyed hash in place of each unit id. Decided when it is created."""

    def environment(self, key: str) -> Environment | None:
        """The environment with this key, if any."""
        return next((e for e in self.environments if e.key == key), None)


@dataclass(frozen=True, slots=True)
class SdkKey:
    """An SDK key as it may be listed: never its secret."""

    id: UUID
    environment_id: UUID
    kind: KeyKind
    name: str
    prefix: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    pseudonymised_by: UUID | None = None
    """The project whose key hides unit ids in events that come with this one; None: they are kept."""


@dataclass(frozen=True, slots=True)
class WorkingKey:
    """An SDK key that is not revoked, with what is needed to recognise its secret without a database."""

    key: SdkKey
    secret_sha256: str

    @classmethod
    def of(cls, key: SdkKey, secret: str) -> WorkingKey:
        """The key that this secret opens."""
        return cls(key, digest(secret))

    def is_opened_by(self, presented: str) -> bool:
        """Whether this is the key's secret, compared in constant time."""
        return matches(presented, self.secret_sha256)


def key_prefix(presented: str) -> str:
    """The public part of a presented key or token; "" when it has none."""
    return prefix_of(presented)


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key just made; the secret is shown this once."""

    key: SdkKey
    secret: str


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A management token as it may be listed. Without a project it can do all that its person can."""

    id: UUID
    user_id: UUID
    owner: str
    name: str
    prefix: str
    project_id: UUID | None
    role: Role | None
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token just made; the secret is shown this once."""

    token: ApiToken
    secret: str


@dataclass(frozen=True, slots=True)
class Member:
    """A person's role in a project."""

    user_id: UUID
    email: str
    name: str
    role: Role


_PSEUDONYM = re.compile(r"~[0-9a-f]{40}")


class KeyMissing(Exception):
    """The file of a project's key is gone; says where it belongs."""


@dataclass(frozen=True, slots=True)
class ProjectKey:
    """The key, and what it is used for. Each use has a prefix of its own."""

    secret: bytes

    def pseudonym(self, unit_type: str, unit: str) -> str:
        """What is kept in place of a unit id: `~` and 160 bits. A pseudonym stays as it is."""
        if _PSEUDONYM.fullmatch(unit):
            return unit
        return f"~{self._digest('unit', unit_type, unit)[:40]}"

    def tombstone(self, environment_id: UUID, unit_type: str, unit: str) -> str:
        """By which an erased unit is recognised when it comes again."""
        return self._digest("tombstone", environment_id.hex, unit_type, unit)

    def fingerprint(self, *parts: str) -> str:
        """Of a request, by which it can be recognised and not be guessed."""
        return self._digest("request", *parts)

    def _digest(self, *parts: str) -> str:
        text = "\0".join(parts).encode()
        return hmac.digest(self.secret, text, hashlib.sha256).hex()
