"""Creating, editing and archiving flags. Edits that change a running experiment's answers are refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from uuid import UUID

from equipoise_server.access import reads as access
from equipoise_server.access.values import Actor, Permission, Project
from equipoise_server.audit.actions import Change, change
from equipoise_server.audit.values import Subject
from equipoise_server.flags import models, reads
from equipoise_server.flags.baselines import baseline_problems, rollout_starts
from equipoise_server.flags.checks import (
    Served,
    Surroundings,
    all_problems,
    name_problems,
    naming_problems,
    served_json,
    settings_problems,
    variants_problems,
)
from equipoise_server.flags.needs import graph_of, needs_problems
from equipoise_server.flags.pins import refuse_if_needed_by_pinned, refuse_if_pinned
from equipoise_server.flags.ramp_rows import pause_where_lowered
from equipoise_server.flags.rows import flag_node, found_flag, found_settings
from equipoise_server.flags.settings_json import rule_from_json, variants_from_json, variants_to_json
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
from equipoise_server.foundation.clashes import refused_if_taken
from equipoise_server.foundation.ids import new_id, new_salt
from equipoise_server.foundation.refusals import Conflict, Invalid, Problem, refuse_all
from equipoise_server.foundation.texts import LONGEST_NAME, text_problems

MEANWHILE = "Somebody changed it meanwhile. Reload, look at their change, and make yours again."


@dataclass(frozen=True, slots=True)
class CreateFlag:
    """A new flag; every environment starts with the same off and default variants and no rules."""

    project_id: UUID
    key: str
    name: str
    type: FlagType
    variants: tuple[FlagVariant, ...]
    off: str
    default: str
    kind: FlagKind = FlagKind.RELEASE
    description: str = ""
    owner: str = ""
    confirms_growth: bool = False


@dataclass(frozen=True, slots=True)
class UpdateFlag:
    """New words and variants for a flag. Its key and type never change."""

    flag_id: UUID
    expected_version: int
    name: str
    variants: tuple[FlagVariant, ...]
    kind: FlagKind = FlagKind.RELEASE
    description: str = ""
    owner: str = ""
    reason: str = ""
    confirms_growth: bool = False


@dataclass(frozen=True, slots=True)
class UpdateFlagSettings:
    """What one environment serves from now on. Salts are the server's and stay with their rule's id."""

    flag_id: UUID
    environment_id: UUID
    expected_version: int
    off: str
    default: str
    overrides: tuple[Override, ...] = ()
    rules: tuple[Rule, ...] = ()
    reason: str = ""
    confirms_growth: bool = False
    prerequisites: tuple[Prerequisite, ...] = ()


@dataclass(frozen=True, slots=True)
class ArchiveFlag:
    """Take a flag out of every environment, for good; its key is never used again."""

    flag_id: UUID
    reason: str = ""


def create_flag(actor: Actor, command: CreateFlag, *, now: datetime) -> Flag:
    """Create a flag in every environment of its project."""
    actor.require(Permission.FLAG_EDIT, command.project_id)
    project = access.project(command.project_id)
    around = _surroundings(project, command.variants)
    problems = all_problems(
        naming_problems(command.key, command.name),
        text_problems(description=command.description),
        text_problems(LONGEST_NAME, owner=command.owner),
        variants_problems(command.type, command.variants),
        settings_problems(Served(command.off, command.default), around),
    )
    if models.Flag.objects.filter(project_id=project.id, key=command.key).exists():
        problems.append(Problem("key", _key_taken(command.key)))
    refuse_all(Invalid, problems)
    flag_id = new_id()
    subject = Subject("flag", flag_id, command.key, project.id)
    taken = Problem("key", _key_taken(command.key))
    with refused_if_taken(taken), change(actor.author, "flag.create", subject, now=now) as entry:
        _add(flag_id, command, project, now)
        entry.after = {
            "name": command.name,
            "type": command.type,
            "variants": variants_to_json(command.variants),
            "off": command.off,
            "default": command.default,
        }
        _touch(entry, project, command.key, confirmed=command.confirms_growth)
    return reads.flag(flag_id)


def _key_taken(key: str) -> str:
    return f"There is or was a flag “{key}” in this project; a key is used once, so choose another."


def _add(flag_id: UUID, command: CreateFlag, project: Project, now: datetime) -> None:
    row = models.Flag.objects.create(
        id=flag_id, project_id=project.id, key=command.key, name=command.name, kind=command.kind,
        description=command.description, type=command.type, owner=command.owner,
        variants=variants_to_json(command.variants), created_at=now,
    )  # fmt: skip
    models.FlagSettings.objects.bulk_create(
        models.FlagSettings(flag=row, environment_id=environment.id, off=command.off, default=command.default)
        for environment in project.environments
    )


def update_flag(actor: Actor, command: UpdateFlag, *, now: datetime) -> Flag:
    """Edit a flag's words and variants; a variant in use cannot leave, a pinned flag's cannot change."""
    row = found_flag(command.flag_id)
    actor.require(Permission.FLAG_EDIT, row.project_id)
    _refuse_archived(row)
    problems = all_problems(
        name_problems(command.name),
        text_problems(description=command.description),
        text_problems(LONGEST_NAME, owner=command.owner),
        variants_problems(FlagType(row.type), command.variants),
    )
    refuse_all(Invalid, problems + _removal_problems(row, command.variants))
    old, new = _words_json(row), _words_json(command)
    if _changes_answers(row, command.variants):
        refuse_if_pinned(row, None, "Its variants cannot change")
    subject = Subject("flag", row.pk, row.key, row.project_id)
    with change(actor.author, "flag.update", subject, now=now, reason=command.reason) as entry:
        entry.before, entry.after = differences(old, new)
        held = models.Flag.objects.filter(pk=row.pk, version=command.expected_version)
        if not held.update(version=command.expected_version + 1, **new):
            raise Conflict(Problem("expected_version", MEANWHILE))
        if old["variants"] != new["variants"]:
            _touch(entry, access.project(row.project_id), row.key, confirmed=command.confirms_growth)
    return reads.flag(row.pk)


def _words_json(source: models.Flag | UpdateFlag) -> dict[str, object]:
    variants = source.variants
    return {
        "name": source.name,
        "description": source.description,
        "owner": source.owner,
        "kind": str(source.kind),
        "variants": variants_to_json(variants) if isinstance(source, UpdateFlag) else variants,
    }


def _removal_problems(row: models.Flag, variants: Sequence[FlagVariant]) -> list[Problem]:
    """A variant that some environment still serves cannot be removed."""
    gone = {item["key"] for item in row.variants} - {variant.key for variant in variants}
    problems = baseline_problems(row.pk, gone)
    for settings in reads.flag(row.pk).settings.values():
        problems += _needed_variants_problems(row.key, settings, gone)
        overrides = (override.variant for override in settings.overrides)
        rules = (rule.serve if rule.rollout is None else rule.rollout.variant for rule in settings.rules)
        for key in sorted(gone.intersection([settings.off, settings.default, *overrides, *rules])):
            told = f"{settings.environment_key} still serves “{key}”; take it out of its settings first."
            problems.append(Problem("variants", told))
    return problems


def _needed_variants_problems(key: str, settings: FlagSettings, gone: set[str]) -> Iterator[Problem]:
    for other, needs in graph_of(settings.environment_id).needs.items():
        for variant in sorted(gone & {each for need in needs if need.flag == key for each in need.variants}):
            told = (
                f"In {settings.environment_key} the flag “{other}” needs “{variant}”; change its needs first."
            )
            yield Problem("variants", told)


def _changes_answers(row: models.Flag, variants: Sequence[FlagVariant]) -> bool:
    """Adding a variant changes no answer; changing or removing one may."""
    kept = {variant.key: variant.value for variant in variants}
    return any(
        kept.get(old.key) != old.value or old.key not in kept for old in variants_from_json(row.variants)
    )


def update_flag_settings(actor: Actor, command: UpdateFlagSettings, *, now: datetime) -> Flag:
    """Change what one environment serves. While pinned, only overrides may change."""
    flag = found_flag(command.flag_id)
    actor.require(Permission.FLAG_EDIT, flag.project_id)
    _refuse_archived(flag)
    row = found_settings(flag, command.environment_id)
    around = _surroundings(access.project(flag.project_id), variants_from_json(flag.variants))
    asked = asked_settings(command)
    needs = needs_problems(flag.key, command.prerequisites, graph_of(row.environment_id))
    refuse_all(Invalid, all_problems(settings_problems(asked, around), needs))
    old = _row_json(row)
    new = served_json(replace(asked, rules=with_ids_and_salts(command.rules, row)))
    if {**old, "overrides": None} != {**new, "overrides": None}:
        refuse_if_pinned(flag, row.environment_id, "Only its overrides can change")
        refuse_if_needed_by_pinned(flag, row.environment_id, "Only its overrides can change")
    before = reads.flag(flag.pk)
    subject = Subject("flag", flag.pk, flag.key, flag.project_id, row.environment_id)
    with change(actor.author, "flag.update_settings", subject, now=now, reason=command.reason) as entry:
        entry.before, entry.after = differences(old, new)
        held = models.FlagSettings.objects.filter(pk=row.pk, version=command.expected_version)
        if not held.update(version=command.expected_version + 1, **new):
            raise Conflict(Problem("expected_version", MEANWHILE))
        pause_where_lowered(row, new["rules"], now)
        if _starts_a_rollout(old, new):
            rollout_starts(actor.author, before, row.environment_id, now=now)
        entry.touches(row.environment_id, flag.key)
        if command.confirms_growth:
            entry.confirms_growth()
    return reads.flag(flag.pk)


def proposed_node(command: UpdateFlagSettings) -> dict[str, object]:
    """What an edit would put into the snapshot; refused as the edit itself would be. Changes nothing."""
    flag = found_flag(command.flag_id)
    _refuse_archived(flag)
    row = found_settings(flag, command.environment_id)
    around = _surroundings(access.project(flag.project_id), variants_from_json(flag.variants))
    asked = asked_settings(command)
    needs = needs_problems(flag.key, command.prerequisites, graph_of(row.environment_id))
    refuse_all(Invalid, all_problems(settings_problems(asked, around), needs))
    settings = served_json(replace(asked, rules=with_ids_and_salts(command.rules, row)))
    return flag_node(flag, settings, killed=row.killed_at is not None)


def asked_settings(command: UpdateFlagSettings) -> Served:
    """What a command asks to serve, as checks see it."""
    return Served(command.off, command.default, command.overrides, command.rules, command.prerequisites)


def _starts_a_rollout(old: Mapping[str, object], new: Mapping[str, object]) -> bool:
    return not _rollout_ids(new) <= _rollout_ids(old)


def _rollout_ids(settings: Mapping[str, object]) -> set[str]:
    rules = settings["rules"]
    assert isinstance(rules, list)
    return {rule["id"] for rule in rules if "rollout" in rule}


def _row_json(row: models.FlagSettings) -> dict[str, object]:
    return {
        "off": row.off,
        "default": row.default,
        "overrides": row.overrides,
        "rules": row.rules,
        "prerequisites": row.prerequisites,
    }


def with_ids_and_salts(rules: Sequence[Rule], row: models.FlagSettings) -> tuple[Rule, ...]:
    """Give new rules an id and new rollouts a salt; an earlier rollout keeps its own, so nobody moves out."""
    earlier = {rule.id: rule.rollout for rule in map(rule_from_json, row.rules)}
    return tuple(_completed(rule, earlier) for rule in rules)


def _completed(rule: Rule, earlier: Mapping[str, Rollout | None]) -> Rule:
    rule_id = rule.id or f"r-{new_salt()}"
    if rule.rollout is None:
        return replace(rule, id=rule_id)
    before = earlier.get(rule.id)
    salt = new_salt() if before is None else before.salt
    rollout = replace(rule.rollout, salt=salt, rings=_named(rule.rollout.rings))
    return replace(rule, id=rule_id, rollout=rollout)


def _named(rings: Sequence[Ring]) -> tuple[Ring, ...]:
    """Give nameless rings the name of their place, or the next one that no other ring has."""
    taken = {ring.id for ring in rings}
    named: list[Ring] = []
    for place, ring in enumerate(rings, 1):
        free = (f"ring-{number}" for number in count(place) if f"ring-{number}" not in taken)
        named.append(ring if ring.id else replace(ring, id=next(free)))
        taken.add(named[-1].id)
    return tuple(named)


def archive_flag(actor: Actor, command: ArchiveFlag, *, now: datetime) -> Flag:
    """Take a flag out of every environment. From then on code gets its own default."""
    row = found_flag(command.flag_id)
    actor.require(Permission.FLAG_EDIT, row.project_id)
    _refuse_archived(row)
    refuse_if_pinned(row, None, "It cannot be archived")
    project = access.project(row.project_id)
    refuse_all(Conflict, _needed_problems(row, project))
    subject = Subject("flag", row.pk, row.key, row.project_id)
    with change(actor.author, "flag.archive", subject, now=now, reason=command.reason) as entry:
        held = models.Flag.objects.filter(pk=row.pk, version=row.version)
        if not held.update(archived_at=now, version=row.version + 1):
            raise Conflict(Problem("", MEANWHILE))
        entry.before, entry.after = {"archived": False}, {"archived": True}
        _touch(entry, project, row.key)
    return reads.flag(row.pk)


def _needed_problems(row: models.Flag, project: Project) -> list[Problem]:
    """A flag that others need stays: archived, it would switch them off."""
    needing = {each.key: graph_of(each.id).needed_by(row.key) for each in project.environments}
    return [
        Problem(
            "", f"In {key} it is needed by {', '.join(f'“{one}”' for one in keys)}. Change their needs first."
        )
        for key, keys in needing.items()
        if keys
    ]


def differences(
    old: Mapping[str, object], new: Mapping[str, object]
) -> tuple[dict[str, object], dict[str, object]]:
    """The members that differ, before and after."""
    changed = [name for name in new if old.get(name) != new[name]]
    return {name: old.get(name) for name in changed}, {name: new[name] for name in changed}


def _surroundings(project: Project, variants: Sequence[FlagVariant]) -> Surroundings:
    keys = frozenset(variant.key for variant in variants)
    return Surroundings(keys, project.unit_types, reads.conditions_of(project.id))


def _refuse_archived(row: models.Flag) -> None:
    if row.archived_at is not None:
        raise Conflict(Problem("", f"The flag “{row.key}” is archived; create a new one."))


def _touch(entry: Change, project: Project, key: str, *, confirmed: bool = False) -> None:
    for environment in project.environments:
        entry.touches(environment.id, key)
    if confirmed:
        entry.confirms_growth()
