"""Questions about flags and segments. Each answers frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from equipoise_server.access import reads as access
from equipoise_server.flags import models
from equipoise_server.flags.baselines import HeldFlag, baseline_nodes, held_flags, holdouts_over
from equipoise_server.flags.member_hashes import holds
from equipoise_server.flags.needs import NeedsGraph, graph_of
from equipoise_server.flags.pins import experiments_using
from equipoise_server.flags.ramp_rows import ramp_value
from equipoise_server.flags.rows import (
    flag_value,
    found_segment,
    group_value,
    membership_of,
    row_node,
    segment_value,
)
from equipoise_server.flags.settings_json import segments_in, segments_named
from equipoise_server.flags.stand_ins import addresses_in, stand_ins
from equipoise_server.flags.values import (
    Condition,
    Flag,
    FlagsPayload,
    FlagType,
    Group,
    Ramp,
    Segment,
    SegmentUses,
)
from equipoise_server.foundation.refusals import Conflict, NotFound, Problem

__all__ = [
    "HeldFlag",
    "NeedsGraph",
    "addresses_in",
    "archived_flags_of",
    "baseline_nodes",
    "conditions_of",
    "decimal_flags",
    "environment_kill",
    "flag",
    "flag_by_key",
    "flags_of",
    "group",
    "group_by_key",
    "groups_of",
    "held_flags",
    "holdouts_over",
    "is_member",
    "killed_environments",
    "member_blob",
    "needs_graph",
    "payload",
    "preview_key",
    "ramps_of",
    "segment",
    "segment_by_key",
    "segment_uses",
    "segments_of",
    "stand_ins",
]


def flag(flag_id: UUID) -> Flag:
    """The flag with this id."""
    row = _whole().filter(pk=flag_id).first()
    if row is None:
        raise NotFound(Problem("flag", "There is no such flag."))
    return flag_value(row, access.project(row.project_id).environments)


def flag_by_key(project_id: UUID, key: str) -> Flag:
    """The project's flag with this key, archived or not."""
    row = _whole().filter(project_id=project_id, key=key).first()
    if row is None:
        raise NotFound(Problem("flag", f"There is no flag “{key}” in this project."))
    return flag_value(row, access.project(project_id).environments)


def flags_of(project_id: UUID) -> tuple[Flag, ...]:
    """The project's flags by key, without the archived ones."""
    environments = access.project(project_id).environments
    rows = _whole().filter(project_id=project_id, archived_at=None).order_by("key")
    return tuple(flag_value(row, environments) for row in rows)


def archived_flags_of(project_id: UUID) -> tuple[Flag, ...]:
    """The project's archived flags by key."""
    environments = access.project(project_id).environments
    rows = _whole().filter(project_id=project_id, archived_at__isnull=False).order_by("key")
    return tuple(flag_value(row, environments) for row in rows)


def segment(segment_id: UUID) -> Segment:
    """The segment with this id."""
    row = _segments().filter(pk=segment_id).first()
    if row is None:
        raise NotFound(Problem("segment", "There is no such segment."))
    return segment_value(row)


def segment_by_key(project_id: UUID, key: str) -> Segment:
    """The project's segment with this key."""
    row = _segments().filter(project_id=project_id, key=key).first()
    if row is None:
        raise NotFound(Problem("segment", f"There is no segment “{key}” in this project."))
    return segment_value(row)


def segment_uses(segment_id: UUID) -> SegmentUses:
    """What names a segment itself; what reaches it through other segments is not listed."""
    row = found_segment(segment_id)
    environments = {each.id: each.key for each in access.project(row.project_id).environments}
    settings = models.FlagSettings.objects.filter(flag__project_id=row.project_id, flag__archived_at=None)
    named = settings.values_list("flag__key", "environment_id", "overrides", "rules")
    named = named.order_by("flag__key", "pk")
    return SegmentUses(
        flags=tuple(
            (key, environments[environment_id])
            for key, environment_id, overrides, rules in named
            if row.key in segments_in(overrides, rules)
        ),
        segments=tuple(
            key
            for key, condition in conditions_of(row.project_id).items()
            if row.key in segments_named(condition)
        ),
        experiments=tuple(sorted(experiments_using(row))),
    )


def is_member(segment_id: UUID, unit: str) -> bool:
    """Whether a unit is in a segment that is a list; a refusal when it is a condition."""
    row = found_segment(segment_id)
    held = models.MemberList.objects.filter(segment=row).first()
    if held is None:
        raise Conflict(
            Problem("", f"The segment “{row.key}” is a condition; explain a flag to see who is in it.")
        )
    found = membership_of(row, held)
    return unit in (found.names or ()) if found.hashes is None else holds(found.hashes, held.salt, unit)


def segments_of(project_id: UUID) -> tuple[Segment, ...]:
    """The project's segments by key."""
    rows = _segments().filter(project_id=project_id).order_by("key")
    return tuple(map(segment_value, rows))


def conditions_of(project_id: UUID) -> Mapping[str, Condition]:
    """The conditions of the project's segments by key, as a snapshot has them."""
    rows = models.Segment.objects.filter(project_id=project_id)
    return dict(rows.values_list("key", "condition"))


def environment_kill(environment_id: UUID) -> datetime | None:
    """Since when the environment serves off variants alone; None when it does not."""
    row = models.EnvironmentKill.objects.filter(pk=environment_id).first()
    return None if row is None else row.killed_at


def group(group_id: UUID) -> Group:
    """The group with this id."""
    row = _groups().filter(pk=group_id).first()
    if row is None:
        raise NotFound(Problem("group", "There is no such group."))
    return group_value(row)


def group_by_key(project_id: UUID, key: str) -> Group:
    """The project's group with this key."""
    row = _groups().filter(project_id=project_id, key=key).first()
    if row is None:
        raise NotFound(Problem("group", f"There is no group “{key}” in this project."))
    return group_value(row)


def groups_of(project_id: UUID) -> tuple[Group, ...]:
    """The project's groups by key."""
    return tuple(map(group_value, _groups().filter(project_id=project_id).order_by("key")))


def ramps_of(flag_id: UUID, environment_id: UUID) -> tuple[Ramp, ...]:
    """The schedules of a flag's rollouts in an environment, the newest first."""
    rows = models.Ramp.objects.filter(flag_id=flag_id, environment_id=environment_id)
    return tuple(map(ramp_value, rows.order_by("-created_at", "pk")))


def killed_environments(project_id: UUID) -> frozenset[UUID]:
    """The project's environments whose every flag serves its off variant."""
    ids = [environment.id for environment in access.project(project_id).environments]
    return frozenset(models.EnvironmentKill.objects.filter(pk__in=ids).values_list("pk", flat=True))


def preview_key(environment_id: UUID) -> str:
    """What signs the environment's preview links; "" before the first."""
    row = models.PreviewKey.objects.filter(pk=environment_id).first()
    return "" if row is None else row.key


def needs_graph(environment_id: UUID) -> NeedsGraph:
    """Which flags of an environment need which others."""
    return graph_of(environment_id)


def member_blob(project_id: UUID, address: str) -> bytes | None:
    """The bytes of a project's hashed list; None when the project has or had no such list."""
    row = models.MemberBlob.objects.filter(pk=address, project_id=project_id).first()
    return None if row is None else bytes(row.content)


def payload(environment_id: UUID) -> FlagsPayload:
    """What the flags put into the environment's snapshot."""
    environment = access.environment(environment_id)
    settings = models.FlagSettings.objects.filter(environment_id=environment_id, flag__archived_at=None)
    rows = settings.select_related("flag").prefetch_related("flag__groups").order_by("flag__key")
    groups = models.Group.objects.filter(project_id=environment.project_id).order_by("key")
    killed = frozenset(
        models.GroupKill.objects.filter(environment_id=environment_id).values_list("group_id", flat=True)
    )
    return FlagsPayload(
        flags={row.flag.key: row_node(row) for row in rows},
        segments=conditions_of(environment.project_id),
        killed=environment_kill(environment_id) is not None,
        groups={group.key: {"killed": group.pk in killed} for group in groups},
        preview_key=preview_key(environment_id),
    )


def decimal_flags(environment_id: UUID) -> frozenset[str]:
    """The environment's number flags with a value that was declared with a decimal point, such as 1.0."""
    rows = models.FlagSettings.objects.filter(environment_id=environment_id, flag__archived_at=None)
    numbers = rows.filter(flag__type=FlagType.NUMBER).values_list("flag__key", "flag__variants")
    return frozenset(
        key for key, variants in numbers if any(isinstance(variant["value"], float) for variant in variants)
    )


def _segments() -> QuerySet[models.Segment]:
    return models.Segment.objects.select_related("members")


def _groups() -> QuerySet[models.Group]:
    return models.Group.objects.prefetch_related("flags", "kills")


def _whole() -> QuerySet[models.Flag]:
    return models.Flag.objects.prefetch_related("settings", "pins", "groups")
