"""Settings: which keys exist, who may do what, and how people arrive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from equipoise_server.access.values import ApiToken, Environment, Member, Project, SdkKey
from equipoise_server.dashboard.forms import Form
from equipoise_server.foundation.exposure_tokens import TokenRule


@dataclass(frozen=True, slots=True)
class KeyLine:
    """One SDK key with its environment's name."""

    key: SdkKey
    environment: str


TOKEN_RULES = {
    TokenRule.OFF: "Here they count as they come.",
    TokenRule.ISSUED: "Here answers carry tokens; exposures count with and without.",
    TokenRule.REQUIRED: "Here exposures from client keys count with the token of the answer alone.",
}


@dataclass(frozen=True, slots=True)
class SettingsPage:
    """Keys, members and how to connect code. `secret` is there once, right after issuing."""

    project: Project
    environment: Environment
    address: str
    keys: tuple[KeyLine, ...]
    members: tuple[Member, ...]
    key_form: Form
    member_form: Form
    secret: str
    may_manage_keys: bool
    may_grant: bool
    environment_killed_at: datetime | None
    may_kill: bool
    may_unkill: bool
    tokens: tuple[ApiToken, ...]
    token_form: Form
    roles: tuple[tuple[str, str], ...]
    """Roles that a token of this person may have."""
    may_revoke_tokens: frozenset[UUID]
    environment_form: Form
    may_add_environments: bool
    token_rule_form: Form
    may_set_tokens: bool
    may_rotate_tokens: bool
    issued_what: str = "key"
    may_create_projects: bool = False

    @property
    def token_rule_says(self) -> str:
        """What the environment makes of exposure tokens now."""
        return TOKEN_RULES[self.environment.exposure_tokens]

    @property
    def token_rules(self) -> list[tuple[str, str]]:
        """What may be chosen instead."""
        return [
            (TokenRule.OFF, "count as they come"),
            (TokenRule.ISSUED, "count as they come; answers carry tokens"),
            (TokenRule.REQUIRED, "count with a token alone"),
        ]

    @property
    def copy_options(self) -> list[tuple[str, str]]:
        """What a new environment may start with."""
        copies = [(each.key, f"what {each.name} serves") for each in reversed(self.project.environments)]
        return [("", "every flag off"), *copies]


@dataclass(frozen=True, slots=True)
class StartPage:
    """What somebody without a project sees."""

    form: Form
    may_create: bool


@dataclass(frozen=True, slots=True)
class SignInPage:
    """The sign-in form, and where to go afterwards."""

    form: Form
    next: str


def key_lines(keys: Sequence[SdkKey], project: Project) -> tuple[KeyLine, ...]:
    """The keys that still work first, each with its environment's name."""
    names = {environment.id: environment.name for environment in project.environments}
    ordered = sorted(keys, key=lambda key: key.revoked_at is not None)
    return tuple(KeyLine(key, names[key.environment_id]) for key in ordered)


@dataclass(frozen=True, slots=True)
class ImportPage:
    """The form of an import, and which files it takes."""

    form: Form
    suffixes: tuple[str, ...]
    sources: tuple[tuple[str, str], ...] = ()
    """(key, name) of what may hold the exposures instead of a file."""
