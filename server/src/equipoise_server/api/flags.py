"""Flags: create, edit, kill, archive."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Field, Query, Router, Status

from equipoise_server.api.authentication import actor_of
from equipoise_server.api.projects import UNSAID, Reason
from equipoise_server.api.reading import (
    Page,
    PageQuery,
    Strict,
    environment_of,
    etag,
    expected_version,
    page_of,
    project_of,
)
from equipoise_server.api.shapes import FlagSettingsShape, FlagShape, Json, Value
from equipoise_server.flags import actions
from equipoise_server.flags import reads as flags
from equipoise_server.flags.values import (
    Flag,
    FlagKind,
    FlagSettings,
    FlagType,
    FlagVariant,
    Override,
    Prerequisite,
    Ring,
    Rollout,
    Rule,
)
from equipoise_server.foundation.refusals import NotFound, Problem

router = Router(tags=["flags"])
FLAG = "/projects/{project}/flags/{flag}"
SETTINGS = FLAG + "/environments/{environment}"


class VariantBody(Strict):
    """One value a flag can have."""

    key: str
    value: Value

    def variant(self) -> FlagVariant:
        """As the rooms know it."""
        return FlagVariant(self.key, self.value)


class OverrideBody(Strict):
    """Named units, or a segment, that always get one variant."""

    variant: str
    unit_type: str = ""
    units: list[str] = []
    segment: str = ""

    def override(self) -> Override:
        """As the rooms know it."""
        return Override(self.variant, self.unit_type, tuple(self.units), self.segment)


class RingBody(Strict):
    """One stage of a rollout: an audience (null is everybody) and its share. Its id is its name."""

    id: str = ""
    eligibility: Json | None = None
    parts_per_million: int

    def ring(self) -> Ring:
        """As the rooms know it."""
        return Ring(self.id, self.parts_per_million, self.eligibility)


class RolloutBody(Strict):
    """A share of the units gets a variant, or a share of each ring's audience: send one of the two.

    The server chooses the salt and keeps it with the rule's id.
    """

    variant: str
    unit_type: str
    parts_per_million: int = 0
    rings: list[RingBody] = []

    def rollout(self) -> Rollout:
        """As the rooms know it."""
        rings = tuple(ring.ring() for ring in self.rings)
        return Rollout(self.variant, self.unit_type, self.parts_per_million, rings=rings)


class PrerequisiteBody(Strict):
    """Another flag that must serve one of these variants; otherwise this flag is off."""

    flag: str
    variants: list[str]

    def prerequisite(self) -> Prerequisite:
        """As the rooms know it."""
        return Prerequisite(self.flag, tuple(self.variants))


class RuleBody(Strict):
    """One step: `serve` one variant, or `rollout` one to a share. Send a rule's id to keep who is in."""

    id: str = ""
    eligibility: Json | None = None
    serve: str = ""
    rollout: RolloutBody | None = None
    description: str = ""

    def rule(self) -> Rule:
        """As the rooms know it."""
        rollout = None if self.rollout is None else self.rollout.rollout()
        return Rule(self.id, self.eligibility, self.serve, rollout, self.description)


class NewFlag(Strict):
    """A flag to create."""

    key: str
    name: str
    type: FlagType
    variants: list[VariantBody]
    off: str
    default: str
    kind: FlagKind = FlagKind.RELEASE
    description: str = ""
    owner: str = ""
    confirms_growth: bool = False


class FlagEdit(Strict):
    """New words and variants. Key and type never change."""

    name: str
    variants: list[VariantBody]
    kind: FlagKind = FlagKind.RELEASE
    description: str = ""
    owner: str = ""
    reason: str = ""
    confirms_growth: bool = False
    expected_version: int | None = Field(None, description="Unless If-Match is sent.")


class SettingsEdit(Strict):
    """What the environment serves from now on, as a whole."""

    off: str
    default: str
    overrides: list[OverrideBody] = []
    rules: list[RuleBody] = []
    prerequisites: list[PrerequisiteBody] = []
    reason: str = ""
    confirms_growth: bool = False
    expected_version: int | None = Field(None, description="Unless If-Match is sent.")


@router.get("/projects/{project}/flags", response=Page[FlagShape])
def list_flags(
    request: HttpRequest, project: str, page: Query[PageQuery], *, archived: bool = False
) -> dict[str, object]:
    """The project's flags by key, or its archived ones."""
    project_id = project_of(request, project).id
    found = flags.archived_flags_of(project_id) if archived else flags.flags_of(project_id)
    return page_of(found, page, lambda flag: flag.key)


@router.post("/projects/{project}/flags", response={201: FlagShape})
def create_flag(request: HttpRequest, response: HttpResponse, project: str, body: NewFlag) -> Status[Flag]:
    """Create a flag in every environment of the project."""
    command = actions.CreateFlag(
        project_of(request, project).id, body.key, body.name, body.type,
        tuple(variant.variant() for variant in body.variants), body.off, body.default, body.kind,
        body.description, body.owner, body.confirms_growth,
    )  # fmt: skip
    made = actions.create_flag(actor_of(request), command, now=timezone.now())
    response["ETag"] = etag(made.version)
    return Status(201, made)


@router.get(FLAG, response=FlagShape)
def get_flag(request: HttpRequest, response: HttpResponse, project: str, flag: str) -> Flag:
    """One flag with its settings in every environment. The ETag is of its words and variants."""
    found = flags.flag_by_key(project_of(request, project).id, flag)
    response["ETag"] = etag(found.version)
    return found


@router.put(FLAG, response=FlagShape)
def update_flag(
    request: HttpRequest, response: HttpResponse, project: str, flag: str, body: FlagEdit
) -> Flag:
    """Edit a flag's words and variants."""
    found = flags.flag_by_key(project_of(request, project).id, flag)
    command = actions.UpdateFlag(
        found.id, expected_version(request, body.expected_version), body.name,
        tuple(variant.variant() for variant in body.variants), body.kind, body.description, body.owner,
        body.reason, body.confirms_growth,
    )  # fmt: skip
    edited = actions.update_flag(actor_of(request), command, now=timezone.now())
    response["ETag"] = etag(edited.version)
    return edited


@router.post(FLAG + "/archive", response=FlagShape)
def archive_flag(request: HttpRequest, project: str, flag: str, body: Reason) -> Flag:
    """Take a flag out of every environment for good; its key is never used again."""
    found = flags.flag_by_key(project_of(request, project).id, flag)
    command = actions.ArchiveFlag(found.id, body.reason)
    return actions.archive_flag(actor_of(request), command, now=timezone.now())


@router.get(SETTINGS, response=FlagSettingsShape)
def get_flag_settings(
    request: HttpRequest, response: HttpResponse, project: str, flag: str, environment: str
) -> FlagSettings:
    """What one environment serves of a flag."""
    _, settings = settings_named(request, project, flag, environment)
    response["ETag"] = etag(settings.version)
    return settings


@router.put(SETTINGS, response=FlagSettingsShape)
def update_flag_settings(  # request, response, three parts of the address, and the body
    request: HttpRequest,
    response: HttpResponse,
    project: str,
    flag: str,
    environment: str,
    *,
    body: SettingsEdit,
) -> FlagSettings:
    """Change what one environment serves. While an experiment runs on the flag, only overrides may change."""
    found, settings = settings_named(request, project, flag, environment)
    version = expected_version(request, body.expected_version)
    command = settings_command(found.id, settings.environment_id, version, body)
    edited = actions.update_flag_settings(actor_of(request), command, now=timezone.now())
    changed = edited.settings[environment]
    response["ETag"] = etag(changed.version)
    return changed


@router.post(SETTINGS + "/kill", response=FlagSettingsShape)
def kill_flag(
    request: HttpRequest, project: str, flag: str, environment: str, body: Reason = UNSAID
) -> FlagSettings:
    """Serve the off variant at once. Needs no approval; stops what runs on the flag."""
    found, settings = settings_named(request, project, flag, environment)
    command = actions.KillFlag(found.id, settings.environment_id, body.reason)
    return actions.kill_flag(actor_of(request), command, now=timezone.now()).settings[environment]


@router.post(SETTINGS + "/unkill", response=FlagSettingsShape)
def unkill_flag(
    request: HttpRequest, project: str, flag: str, environment: str, body: Reason
) -> FlagSettings:
    """Serve by the rules again; stopped experiments stay stopped."""
    found, settings = settings_named(request, project, flag, environment)
    command = actions.KillFlag(found.id, settings.environment_id, body.reason)
    return actions.unkill_flag(actor_of(request), command, now=timezone.now()).settings[environment]


def settings_command(
    flag_id: UUID, environment_id: UUID, version: int, body: SettingsEdit
) -> actions.UpdateFlagSettings:
    """The command that a body asks for."""
    return actions.UpdateFlagSettings(
        flag_id, environment_id, version, body.off, body.default,
        tuple(override.override() for override in body.overrides), tuple(rule.rule() for rule in body.rules),
        body.reason, body.confirms_growth, tuple(need.prerequisite() for need in body.prerequisites),
    )  # fmt: skip


def settings_named(
    request: HttpRequest, project: str, flag: str, environment: str
) -> tuple[Flag, FlagSettings]:
    """The flag and the settings that the address names."""
    place = project_of(request, project)
    environment_of(place, environment)
    found = flags.flag_by_key(place.id, flag)
    if environment not in found.settings:
        raise NotFound(Problem("environment", f"The flag “{flag}” is not served in “{environment}”."))
    return found, found.settings[environment]
