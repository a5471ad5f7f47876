"""Turns rows of holdouts into the frozen values that other rooms see."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from equipoise_server.experiments import models
from equipoise_server.experiments.json_reading import Json, Reader
from equipoise_server.experiments.values import CoveredFlag, Holdout, HoldoutScope, Season
from equipoise_server.flags import reads as flags
from equipoise_server.foundation.refusals import NotFound, Problem


def open_holdouts() -> tuple[Holdout, ...]:
    """The holdouts that hold units now, oldest first; without what they cover."""
    return tuple(map(_value, _whole().filter(closed_at=None)))


def all_holdouts() -> tuple[Holdout, ...]:
    """Every holdout, the open ones first; without what they cover."""
    held = map(_value, _whole())
    return tuple(sorted(held, key=lambda holdout: not holdout.is_open))


def holdout_by_key(key: str) -> Holdout:
    """The holdout with this key, with what it covers."""
    return _with_covered(_whole().filter(key=key).first(), key)


def holdout_by_id(holdout_id: UUID) -> Holdout:
    """The holdout with this id, with what it covers."""
    return _with_covered(_whole().filter(pk=holdout_id).first(), str(holdout_id))


def scope_to_json(scope: HoldoutScope) -> dict[str, object]:
    """The scope with every field."""
    return {
        "projects": [str(project_id) for project_id in scope.projects],
        "environments": list(scope.environments),
        "flags": list(scope.flags),
    }


def _scope(written: Json) -> HoldoutScope:
    reader = Reader(written, "", [])
    return HoldoutScope(
        tuple(map(UUID, reader.texts("projects"))), reader.texts("environments"), reader.texts("flags")
    )


def _with_covered(row: models.Holdout | None, named: str) -> Holdout:
    if row is None:
        raise NotFound(Problem("holdout", f"There is no holdout “{named}”."))
    return _value(row, tuple(_covered(held) for held in flags.held_flags(row.pk)))


def _covered(held: flags.HeldFlag) -> CoveredFlag:
    return CoveredFlag(
        held.flag_id, held.flag_key, held.project_id, held.environment_id, held.variant, held.since
    )


def _value(row: models.Holdout, covered: tuple[CoveredFlag, ...] = ()) -> Holdout:
    seasons = sorted(row.seasons.all(), key=lambda season: season.number)
    return Holdout(
        id=row.pk,
        key=row.key,
        name=row.name,
        description=row.description,
        unit_type=row.unit_type,
        parts_per_million=row.parts_per_million,
        scope=_scope(row.scope),
        seasons=tuple(Season(s.number, s.salt, s.started_at, s.ends_at, s.ended_at) for s in seasons),
        closed_at=row.closed_at,
        created_at=row.created_at,
        version=row.version,
        covered=covered,
    )


def _whole() -> QuerySet[models.Holdout]:
    return models.Holdout.objects.prefetch_related("seasons").order_by("created_at", "key")
