"""Turns rows of flags into the frozen values that other rooms see, and finds them or refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from equipoise_server.access.values import Environment
from equipoise_server.flags import models
from equipoise_server.flags.member_hashes import EMPTY, Membership, from_bytes
from equipoise_server.flags.settings_json import (
    override_from_json,
    prerequisites_from_json,
    rule_from_json,
    served_rule,
    variants_from_json,
)
from equipoise_server.flags.values import (
    Flag,
    FlagKind,
    FlagSettings,
    FlagType,
    Group,
    MemberList,
    Pin,
    Segment,
)
from equipoise_server.foundation.refusals import NotFound, Problem


def found_flag(flag_id: UUID) -> models.Flag:
    """The row of a flag, or a refusal."""
    row = models.Flag.objects.filter(pk=flag_id).first()
    if row is None:
        raise NotFound(Problem("flag", "There is no such flag."))
    return row


def found_settings(flag: models.Flag, environment_id: UUID) -> models.FlagSettings:
    """The row of a flag's settings in one environment, or a refusal."""
    row = models.FlagSettings.objects.filter(flag=flag, environment_id=environment_id).first()
    if row is None:
        raise NotFound(Problem("environment", f"The flag “{flag.key}” is not served in that environment."))
    return row


def found_segment(segment_id: UUID) -> models.Segment:
    """The row of a segment, or a refusal."""
    row = models.Segment.objects.filter(pk=segment_id).first()
    if row is None:
        raise NotFound(Problem("segment", "There is no such segment."))
    return row


def flag_value(row: models.Flag, environments: Sequence[Environment]) -> Flag:
    """A flag with its settings in the order of the environments; settings and pins are prefetched."""
    settings = {settings.environment_id: settings for settings in row.settings.all()}
    return Flag(
        id=row.pk,
        project_id=row.project_id,
        key=row.key,
        name=row.name,
        description=row.description,
        type=FlagType(row.type),
        kind=FlagKind(row.kind),
        owner=row.owner,
        variants=variants_from_json(row.variants),
        settings={
            environment.key: _settings_value(row, settings[environment.id], environment)
            for environment in environments
            if environment.id in settings
        },
        created_at=row.created_at,
        archived_at=row.archived_at,
        version=row.version,
        groups=tuple(sorted(group.key for group in row.groups.all())),
    )


def _settings_value(flag: models.Flag, row: models.FlagSettings, environment: Environment) -> FlagSettings:
    pins = [pin for pin in flag.pins.all() if pin.environment_id == environment.id]
    return FlagSettings(
        environment_id=environment.id,
        environment_key=environment.key,
        off=row.off,
        default=row.default,
        killed_at=row.killed_at,
        overrides=tuple(map(override_from_json, row.overrides)),
        rules=tuple(map(rule_from_json, row.rules)),
        version=row.version,
        pins=tuple(Pin(pin.experiment_id, pin.experiment_key) for pin in pins),
        prerequisites=prerequisites_from_json(row.prerequisites),
    )


def found_group(group_id: UUID) -> models.Group:
    """The row of a group, or a refusal."""
    row = models.Group.objects.filter(pk=group_id).first()
    if row is None:
        raise NotFound(Problem("group", "There is no such group."))
    return row


def segment_value(row: models.Segment) -> Segment:
    """A segment; its list is fetched with it."""
    members = getattr(row, "members", None)
    return Segment(
        row.pk, row.project_id, row.key, row.name, row.condition, row.version,
        None if members is None else _list_value(members), row.is_computed,
    )  # fmt: skip


def _list_value(row: models.MemberList) -> MemberList:
    return MemberList(row.unit_type, row.member_count, row.address, row.changed_at)


def group_value(row: models.Group) -> Group:
    """A group; its flags and kills are prefetched."""
    flags = sorted(flag.key for flag in row.flags.all() if flag.archived_at is None)
    kills = {kill.environment_id: kill.killed_at for kill in row.kills.all()}
    return Group(row.pk, row.project_id, row.key, row.name, row.description, tuple(flags), kills, row.version)


def row_node(row: models.FlagSettings) -> dict[str, object]:
    """What a flag's settings put into the snapshot; flag and groups are fetched."""
    return flag_node(
        row.flag,
        {name: getattr(row, name) for name in ("off", "default", "overrides", "rules", "prerequisites")},
        killed=row.killed_at is not None,
    )


def flag_node(flag: models.Flag, settings: Mapping[str, Any], *, killed: bool) -> dict[str, object]:
    """What settings, in the form of a row, put into the snapshot; all members but `experiments`."""
    needs = settings["prerequisites"]
    return {
        "type": flag.type,
        "variants": {variant["key"]: variant["value"] for variant in flag.variants},
        "off": settings["off"],
        "default": settings["default"],
        "killed": killed,
        "groups": sorted(group.key for group in flag.groups.all()),
        "overrides": settings["overrides"],
        "rules": [served_rule(rule) for rule in settings["rules"]],
        **({"prerequisites": needs} if needs else {}),
    }


def membership_of(row: models.Segment, held: models.MemberList) -> Membership:
    """The list as it is kept."""
    if held.address:
        blob = models.MemberBlob.objects.get(pk=held.address)
        return Membership(None, from_bytes(bytes(blob.content)))
    return Membership(frozenset(row.condition["members"]["units"]), None) if held.member_count else EMPTY
