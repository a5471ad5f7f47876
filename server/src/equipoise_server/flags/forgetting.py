"""Takes erased units out of what flags name: overrides, rules, segments and lists."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from equipoise_server.access import reads as access
from equipoise_server.audit.actions import Change, change
from equipoise_server.audit.values import Subject
from equipoise_server.events.actions import Gone, When, forgets
from equipoise_server.flags import models
from equipoise_server.flags.listing import keep_members
from equipoise_server.flags.member_hashes import changed
from equipoise_server.flags.rows import membership_of
from equipoise_server.foundation.named_units import Cleaned, without_units

_SERVED = ("overrides", "rules")


@forgets(When.CONFIGURATION)
def forget_in_flags(gone: Gone, now: datetime) -> Mapping[str, int]:
    """One change for all flags and segments of the project; running experiments do not hold it up."""
    settings = _settings_naming(gone)
    segments = _segments_naming(gone)
    lists = list(models.MemberList.objects.filter(
        segment__project_id=gone.project_id, unit_type=gone.unit_type
    ).exclude(address="").select_related("segment"))  # fmt: skip
    subject = Subject("project", gone.project_id, access.project(gone.project_id).key, gone.project_id)
    hashed = 0
    if settings or segments or lists:
        with change(gone.author, "unit.forget", subject, now=now) as entry:
            named = _change_settings(settings, entry)
            named += _change_segments(segments)
            hashed = sum(_leave_list(held, gone, now) for held in lists)
            if segments or hashed:
                for environment_id in gone.environments:
                    entry.touches(environment_id)
            entry.after = {"named": named, "in_lists": hashed}
    return {
        "flag settings": sum(one.removed for _, parts in settings for one in parts.values()),
        "segments": sum(one.removed for _, one in segments),
        "hashed lists": hashed,
    }


def _settings_naming(gone: Gone) -> list[tuple[models.FlagSettings, dict[str, Cleaned]]]:
    found = []
    rows = models.FlagSettings.objects.filter(flag__project_id=gone.project_id).select_related("flag")
    for row in rows:
        parts = {name: without_units(getattr(row, name), gone.unit_type, gone.units) for name in _SERVED}
        if any(part.removed for part in parts.values()):
            found.append((row, parts))
    return found


def _segments_naming(gone: Gone) -> list[tuple[models.Segment, Cleaned]]:
    rows = models.Segment.objects.filter(project_id=gone.project_id)
    found = [(row, without_units(row.condition, gone.unit_type, gone.units)) for row in rows]
    return [(row, cleaned) for row, cleaned in found if cleaned.removed]


def _change_settings(found: list[tuple[models.FlagSettings, dict[str, Cleaned]]], entry: Change) -> int:
    for row, parts in found:
        for name, part in parts.items():
            setattr(row, name, part.value)
        row.version += 1
        row.save(update_fields=[*parts, "version"])
        entry.touches(row.environment_id, row.flag.key)
    return sum(part.removed for _, parts in found for part in parts.values())


def _change_segments(found: list[tuple[models.Segment, Cleaned]]) -> int:
    for row, cleaned in found:
        row.condition, row.version = cleaned.value, row.version + 1
        row.save(update_fields=["condition", "version"])
        models.MemberList.objects.filter(segment=row).update(member_count=_named(cleaned.value))
    return sum(cleaned.removed for _, cleaned in found)


def _named(condition: object) -> int:
    """How many units a condition that is a list names."""
    members = condition.get("members") if isinstance(condition, dict) else None
    units = members.get("units") if isinstance(members, dict) else None
    return len(units) if isinstance(units, list) else 0


def _leave_list(held: models.MemberList, gone: Gone, now: datetime) -> int:
    """Take the units out of a hashed list; earlier hashes go 35 days later, as after every change."""
    before = membership_of(held.segment, held)
    after = changed(before, "remove", sorted(gone.units), held.salt)
    if after.count == before.count:
        return 0
    keep_members(held.segment, held, after, now)
    return before.count - after.count
