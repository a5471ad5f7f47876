"""Holdouts: opened for a season, drawn anew, closed; and units released from them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Field, Query, Router, Schema
from ninja import Status as Answer

from equipoise_server.access import reads as access
from equipoise_server.access.values import Project
from equipoise_server.api.authentication import actor_of
from equipoise_server.api.projects import Reason
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
from equipoise_server.experiments import actions
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.values import Holdout, HoldoutScope

router = Router(tags=["holdouts"])
HOLDOUTS = "/projects/{project}/holdouts"
HOLDOUT = HOLDOUTS + "/{holdout}"


class NewHoldout(Strict):
    """A holdout to open. It covers what starts after it."""

    key: str
    name: str
    unit_type: str
    parts_per_million: int = Field(20_000, description="10,000 to 50,000: 1 % to 5 %.")
    months: int = 6
    description: str = ""
    projects: list[str] | None = Field(
        None, description="Keys; null covers the address's project alone, an empty list all there will be."
    )
    environments: list[str] = ["production"]
    flags: list[str] = Field([], description="Keys; an empty list covers everything that starts.")


class SeasonBody(Strict):
    """The next season."""

    months: int = 6
    reason: str = ""
    expected_version: int | None = Field(None, description="Unless If-Match is sent.")


class ReleaseBody(Strict):
    """One unit, and the variant that it gets of each flag."""

    environment: str
    unit: str
    variants: dict[str, str]
    reason: str = ""


class SeasonShape(Schema):
    """One draw of the held units; `ends_at` is the plan, `ended_at` what happened."""

    number: int
    started_at: datetime
    ends_at: datetime
    ended_at: datetime | None


class CoveredShape(Schema):
    """A flag of this project that the holdout covers, and what held units get."""

    flag_key: str
    environment_id: UUID
    baseline: str
    since: datetime


class HoldoutShape(Schema):
    """A holdout; `covered` lists this project's flags, and only when one holdout is asked for."""

    id: UUID
    key: str
    name: str
    description: str
    unit_type: str
    parts_per_million: int
    environments: list[str]
    flags: list[str]
    all_projects: bool
    seasons: list[SeasonShape]
    covered: list[CoveredShape]
    created_at: datetime
    closed_at: datetime | None
    version: int

    @staticmethod
    def resolve_environments(holdout: Holdout) -> list[str]:
        """The environments it may cover."""
        return list(holdout.scope.environments)

    @staticmethod
    def resolve_flags(holdout: Holdout) -> list[str]:
        """The flags it may cover; none named covers all."""
        return list(holdout.scope.flags)

    @staticmethod
    def resolve_all_projects(holdout: Holdout) -> bool:
        """Whether it covers every project there is or will be."""
        return not holdout.scope.projects


@router.get(HOLDOUTS, response=Page[HoldoutShape])
def list_holdouts(request: HttpRequest, project: str, page: Query[PageQuery]) -> dict[str, object]:
    """The holdouts that may cover the project, closed ones too."""
    place = project_of(request, project)
    return page_of(experiments.holdouts_of(place.id), page, lambda holdout: holdout.key)


@router.post(HOLDOUTS, response={201: HoldoutShape})
def create_holdout(
    request: HttpRequest, response: HttpResponse, project: str, body: NewHoldout
) -> Answer[Holdout]:
    """Open a holdout: 1 % to 5 % of the units, for a season of 6 to 12 months."""
    place, actor = project_of(request, project), actor_of(request)
    named = [project] if body.projects is None else body.projects
    projects = tuple(access.project_by_key(actor, key).id for key in named)
    scope = HoldoutScope(projects, tuple(body.environments), tuple(body.flags))
    command = actions.CreateHoldout(
        body.key, body.name, body.unit_type, body.parts_per_million, scope, body.months, body.description
    )
    made = actions.create_holdout(actor, command, now=timezone.now())
    response["ETag"] = etag(made.version)
    return Answer(201, _seen_from(place, made))


@router.get(HOLDOUT, response=HoldoutShape)
def get_holdout(request: HttpRequest, response: HttpResponse, project: str, holdout: str) -> Holdout:
    """One holdout with the project's flags that it covers."""
    found = experiments.holdout(project_of(request, project).id, holdout)
    response["ETag"] = etag(found.version)
    return found


@router.post(HOLDOUT + "/seasons", response=HoldoutShape)
def open_season(
    request: HttpRequest, response: HttpResponse, project: str, holdout: str, body: SeasonBody
) -> Holdout:
    """Draw other units; what was covered is let go, and what starts from now on is covered."""
    place = project_of(request, project)
    found = experiments.holdout(place.id, holdout)
    version = expected_version(request, body.expected_version)
    command = actions.OpenSeason(found.id, version, body.months, body.reason)
    moved = actions.open_season(actor_of(request), command, now=timezone.now())
    response["ETag"] = etag(moved.version)
    return _seen_from(place, moved)


@router.post(HOLDOUT + "/close", response=HoldoutShape)
def close_holdout(request: HttpRequest, project: str, holdout: str, body: Reason) -> Holdout:
    """Hold nobody any more."""
    place = project_of(request, project)
    found = experiments.holdout(place.id, holdout)
    command = actions.CloseHoldout(found.id, body.reason)
    return _seen_from(place, actions.close_holdout(actor_of(request), command, now=timezone.now()))


@router.post(HOLDOUT + "/release", response=HoldoutShape)
def release_unit(request: HttpRequest, project: str, holdout: str, body: ReleaseBody) -> Holdout:
    """Let one held unit have variants of covered flags, by overrides: it leaves every analysis."""
    place = project_of(request, project)
    found = experiments.holdout(place.id, holdout)
    environment = environment_of(place, body.environment)
    command = actions.ReleaseUnit(found.id, environment.id, body.unit, body.variants, body.reason)
    actions.release_unit(actor_of(request), command, now=timezone.now())
    return experiments.holdout(place.id, holdout)


def _seen_from(project: Project, holdout: Holdout) -> Holdout:
    """What the holdout covers elsewhere is not told here."""
    return experiments.holdout(project.id, holdout.key) if _may_cover(project, holdout) else holdout


def _may_cover(project: Project, holdout: Holdout) -> bool:
    return not holdout.scope.projects or project.id in holdout.scope.projects
