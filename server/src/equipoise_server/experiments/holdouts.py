"""Holdouts: opened for a season, drawn anew, closed; and single units released. They belong to everybody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from equipoise_engine import canonical_unit
from equipoise_server.access import reads as access
from equipoise_server.access.values import Actor, Permission, Project
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Subject
from equipoise_server.experiments import models
from equipoise_server.experiments.holdout_rows import holdout_by_id, scope_to_json
from equipoise_server.experiments.values import Holdout, HoldoutScope
from equipoise_server.flags import reads as flags
from equipoise_server.flags.actions import UpdateFlagSettings, uncover_flags, update_flag_settings
from equipoise_server.flags.values import FlagSettings, Override
from equipoise_server.foundation.clashes import refused_if_taken
from equipoise_server.foundation.ids import KEY_RULE, is_key, key_fault, new_id, new_salt
from equipoise_server.foundation.refusals import Conflict, Invalid, Problem, refuse_all
from equipoise_server.foundation.texts import LONGEST_NAME, text_problems

SMALLEST_SHARE, LARGEST_SHARE = 10_000, 50_000
SHORTEST_SEASON_MONTHS, LONGEST_SEASON_MONTHS = 6, 12
DAYS_A_MONTH = 30.4375


@dataclass(frozen=True, slots=True)
class CreateHoldout:
    """A new holdout, whose first season starts now. It covers nothing until something starts."""

    key: str
    name: str
    unit_type: str
    parts_per_million: int
    scope: HoldoutScope
    months: int = 6
    description: str = ""


@dataclass(frozen=True, slots=True)
class OpenSeason:
    """Draw other units: what was covered is let go, and what starts from now on is covered."""

    holdout_id: UUID
    expected_version: int
    months: int = 6
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CloseHoldout:
    """Hold nobody any more; its units get everything that was kept from them."""

    holdout_id: UUID
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReleaseUnit:
    """Give one held unit a variant of each flag named; by an override, so that it leaves every analysis."""

    holdout_id: UUID
    environment_id: UUID
    unit: str
    variants: Mapping[str, str]
    """Flag key → variant key."""
    reason: str = ""


def create_holdout(actor: Actor, command: CreateHoldout, *, now: datetime) -> Holdout:
    """Open a holdout. Whoever opens it administers every project that it may cover."""
    projects = _projects(actor, command.scope)
    refuse_all(Invalid, [*_naming_problems(command), *_plan_problems(command, projects)])
    holdout_id = new_id()
    with (
        refused_if_taken(Problem("key", _key_taken(command.key))),
        change(actor.author, "holdout.create", _subject(holdout_id, command.key), now=now) as entry,
    ):
        row = models.Holdout.objects.create(
            id=holdout_id, key=command.key, name=command.name.strip(), description=command.description,
            unit_type=command.unit_type, parts_per_million=command.parts_per_million,
            scope=scope_to_json(command.scope), created_at=now,
        )  # fmt: skip
        _begin_season(row, 1, command.months, now)
        entry.after = {
            "parts_per_million": command.parts_per_million,
            "scope": scope_to_json(command.scope),
            "months": command.months,
        }
    return holdout_by_id(holdout_id)


def open_season(actor: Actor, command: OpenSeason, *, now: datetime) -> Holdout:
    """End the season and draw other units for the next."""
    held = holdout_by_id(command.holdout_id)
    _projects(actor, held.scope)
    refuse_all(Invalid, list(_months_problems(command.months)))
    with change(
        actor.author, "holdout.season", _subject(held.id, held.key), now=now, reason=command.reason
    ) as entry:
        row = _locked(held, command.expected_version)
        uncover_flags(actor.author, held.id, now=now)
        row.seasons.filter(ended_at=None).update(ended_at=now)
        _begin_season(row, held.season.number + 1, command.months, now)
        entry.before, entry.after = {"season": held.season.number}, {"season": held.season.number + 1}
    return holdout_by_id(held.id)


def close_holdout(actor: Actor, command: CloseHoldout, *, now: datetime) -> Holdout:
    """Hold nobody any more."""
    held = holdout_by_id(command.holdout_id)
    _projects(actor, held.scope)
    with change(
        actor.author, "holdout.close", _subject(held.id, held.key), now=now, reason=command.reason
    ) as entry:
        row = _locked(held, held.version)
        uncover_flags(actor.author, held.id, now=now)
        row.seasons.filter(ended_at=None).update(ended_at=now)
        models.Holdout.objects.filter(pk=row.pk).update(closed_at=now)
        entry.before = {"season": held.season.number, "flags": [one.flag_key for one in held.covered]}
        entry.after = {"closed": True}
    return holdout_by_id(held.id)


def release_unit(actor: Actor, command: ReleaseUnit, *, now: datetime) -> Holdout:
    """Let one unit have what is kept from it. Its answers leave every analysis."""
    held = holdout_by_id(command.holdout_id)
    environment = access.environment(command.environment_id)
    actor.require(Permission.FLAG_EDIT, environment.project_id)
    refuse_all(Invalid, list(_release_problems(held, command)))
    subject = Subject("holdout", held.id, held.key, environment.project_id, environment.id)
    with change(actor.author, "holdout.release", subject, now=now, reason=command.reason) as entry:
        for key, variant in sorted(command.variants.items()):
            flag = flags.flag_by_key(environment.project_id, key)
            settings = flag.settings[environment.key]
            named = _with_unit(settings, Override(variant, held.unit_type, (command.unit,)))
            released = UpdateFlagSettings(
                flag.id, environment.id, settings.version, settings.off, settings.default, named,
                settings.rules, command.reason, prerequisites=settings.prerequisites,
            )  # fmt: skip
            update_flag_settings(actor, released, now=now)
        entry.after = {"flags": dict(command.variants)}
    return held


def _with_unit(settings: FlagSettings, wanted: Override) -> tuple[Override, ...]:
    """The overrides with one more unit; those that name it already for another variant let it go."""
    kept = [_without(one, wanted) for one in settings.overrides]
    return (wanted, *(one for one in kept if one.units or one.segment))


def _without(held: Override, wanted: Override) -> Override:
    if held.unit_type != wanted.unit_type:
        return held
    return replace(held, units=tuple(unit for unit in held.units if unit not in wanted.units))


def _projects(actor: Actor, scope: HoldoutScope) -> tuple[Project, ...]:
    """The projects that a scope reaches; the actor must administer all of them."""
    known = {environment.project_id for environment in access.all_environments()}
    reached = [
        project_id for project_id in sorted(known) if not scope.projects or project_id in scope.projects
    ]
    for project_id in reached:
        actor.require(Permission.PROJECT_EDIT, project_id)
    return tuple(access.project(project_id) for project_id in reached)


def _naming_problems(command: CreateHoldout) -> Iterator[Problem]:
    if not is_key(command.key):
        yield Problem("key", key_fault(command.key))
    elif (
        models.Holdout.objects.filter(key=command.key).exists()
        or models.Experiment.objects.filter(key=command.key).exists()
    ):
        yield Problem("key", _key_taken(command.key))
    if not command.name.strip():
        yield Problem("name", "Give it a name that a colleague would understand.")
    yield from text_problems(LONGEST_NAME, name=command.name)
    yield from text_problems(description=command.description)


def _key_taken(key: str) -> str:
    return f"“{key}” is the key of another holdout or experiment; choose another key."


def _plan_problems(command: CreateHoldout, projects: tuple[Project, ...]) -> Iterator[Problem]:
    if not SMALLEST_SHARE <= command.parts_per_million <= LARGEST_SHARE:
        yield Problem("parts_per_million", "Hold out 1 % to 5 % of the units: fewer tell nothing, more cost.")
    yield from _months_problems(command.months)
    without = [project.name for project in projects if command.unit_type not in project.unit_types]
    if not projects:
        yield Problem("projects", "Name a project that exists.")
    elif (command.scope.projects and without) or len(without) == len(projects):
        names = ", ".join(without)
        yield Problem("unit_type", f"These projects have no unit type “{command.unit_type}”: {names}.")
    known = {environment.key for project in projects for environment in project.environments}
    for key in command.scope.environments:
        if projects and key not in known:
            yield Problem("environments", f"None of the projects has an environment “{key}”.")
    for key in command.scope.flags:
        if not is_key(key):
            yield Problem("flags", f"“{key}” is no flag's key: {KEY_RULE}.")


def _months_problems(months: int) -> Iterator[Problem]:
    if not SHORTEST_SEASON_MONTHS <= months <= LONGEST_SEASON_MONTHS:
        yield Problem("months", "A season lasts 6 to 12 months: what adds up slowly needs that long to show.")


def _release_problems(held: Holdout, command: ReleaseUnit) -> Iterator[Problem]:
    if canonical_unit(command.unit) is None:
        yield Problem("unit", "A unit id is a text of 1 to 256 bytes.")
    if not command.variants:
        yield Problem("variants", "Say which variant of which flag the unit shall get.")
    covered = {one.flag_key for one in held.covered if one.environment_id == command.environment_id}
    for key in sorted(set(command.variants) - covered):
        yield Problem("variants", f"“{held.key}” does not cover the flag “{key}” in this environment.")


def _locked(held: Holdout, expected_version: int) -> models.Holdout:
    row = models.Holdout.objects.select_for_update().get(pk=held.id)
    if row.closed_at is not None:
        raise Conflict(Problem("", f"“{held.key}” is closed; open another holdout."))
    if row.version != expected_version:
        told = f"Somebody changed “{held.key}” meanwhile; read it again, then repeat your change."
        raise Conflict(Problem("expected_version", told))
    models.Holdout.objects.filter(pk=held.id).update(version=row.version + 1)
    return row


def _begin_season(row: models.Holdout, number: int, months: int, now: datetime) -> None:
    ends_at = now + timedelta(days=round(months * DAYS_A_MONTH))
    models.Season.objects.create(holdout=row, number=number, salt=new_salt(), started_at=now, ends_at=ends_at)


def _subject(holdout_id: UUID, key: str) -> Subject:
    return Subject("holdout", holdout_id, key)
