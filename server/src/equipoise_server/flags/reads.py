"""Questions about flags and segments. Each answers frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from equipoise_server.access import reads as access
from equipoise_server.flags import models
from equipoise_server.flags.baselines import HeldFlag, baseline_nodes, held_flags, holdouts_over
from equipoise_server.flags.rows import flag_value, found_segment, segment_value
from equipoise_server.flags.settings_json import served_rule
from equipoise_server.flags.values import Condition, Flag, FlagsPayload, FlagType, Segment
from equipoise_server.foundation.refusals import NotFound, Problem

__all__ = [
    "HeldFlag",
    "archived_flags_of",
    "baseline_nodes",
    "conditions_of",
    "decimal_flags",
    "environment_kill",
    "flag",
    "flag_by_key",
    "flags_of",
    "held_flags",
    "holdouts_over",
    "payload",
    "segment",
    "segment_by_key",
    "segments_of",
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
    return segment_value(found_segment(segment_id))


def segment_by_key(project_id: UUID, key: str) -> Segment:
    """The project's segment with this key."""
    row = models.Segment.objects.filter(project_id=project_id, key=key).first()
    if row is None:
        raise NotFound(Problem("segment", f"There is no segment “{key}” in this project."))
    return segment_value(row)


def segments_of(project_id: UUID) -> tuple[Segment, ...]:
    """The project's segments by key."""
    rows = models.Segment.objects.filter(project_id=project_id).order_by("key")
    return tuple(map(segment_value, rows))


def conditions_of(project_id: UUID) -> Mapping[str, Condition]:
    """The conditions of the project's segments by key, as a snapshot has them."""
    rows = models.Segment.objects.filter(project_id=project_id)
    return dict(rows.values_list("key", "condition"))


def environment_kill(environment_id: UUID) -> datetime | None:
    """Since when the environment serves off variants alone; None when it does not."""
    row = models.EnvironmentKill.objects.filter(pk=environment_id).first()
    return None if row is None else row.killed_at


def payload(environment_id: UUID) -> FlagsPayload:
    """What the flags put into the environment's snapshot."""
    environment = access.environment(environment_id)
    rows = models.FlagSettings.objects.filter(environment_id=environment_id, flag__archived_at=None)
    return FlagsPayload(
        flags={row.flag.key: _served(row) for row in rows.select_related("flag").order_by("flag__key")},
        segments=conditions_of(environment.project_id),
        killed=environment_kill(environment_id) is not None,
    )


def decimal_flags(environment_id: UUID) -> frozenset[str]:
    """The environment's number flags with a value that was declared with a decimal point, such as 1.0."""
    rows = models.FlagSettings.objects.filter(environment_id=environment_id, flag__archived_at=None)
    numbers = rows.filter(flag__type=FlagType.NUMBER).values_list("flag__key", "flag__variants")
    return frozenset(
        key for key, variants in numbers if any(isinstance(variant["value"], float) for variant in variants)
    )


def _served(row: models.FlagSettings) -> dict[str, object]:
    return {
        "type": row.flag.type,
        "variants": {variant["key"]: variant["value"] for variant in row.flag.variants},
        "off": row.off,
        "default": row.default,
        "killed": row.killed_at is not None,
        "groups": [],
        "overrides": row.overrides,
        "rules": [served_rule(rule) for rule in row.rules],
    }


def _whole() -> QuerySet[models.Flag]:
    return models.Flag.objects.prefetch_related("settings", "pins")
