"""Holdouts: the list, one holdout with what it keeps back, and why a unit lacks something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from equipoise_server.access.values import Environment, Project
from equipoise_server.dashboard import words
from equipoise_server.dashboard.forms import Form
from equipoise_server.dashboard.pages.impact import ImpactCard
from equipoise_server.experiments.values import Holdout

SCOPES = (("project", "this project"), ("all", "every project, also later ones"))


@dataclass(frozen=True, slots=True)
class HoldoutRow:
    """One holdout in the list."""

    key: str
    name: str
    share: str
    unit_type: str
    is_open: bool
    season: str
    """The season's number and when it ends, in words."""
    is_overdue: bool
    scope: str


@dataclass(frozen=True, slots=True)
class HoldoutsPage:
    """The project's holdouts, the open ones first."""

    rows: tuple[HoldoutRow, ...]
    may_create: bool


@dataclass(frozen=True, slots=True)
class NewHoldoutPage:
    """The form of a new holdout."""

    form: Form
    unit_types: tuple[str, ...]
    environments: tuple[Environment, ...]
    may_cover_all: bool

    @property
    def unit_options(self) -> list[tuple[str, str]]:
        """The project's unit types."""
        return [(unit_type, unit_type) for unit_type in self.unit_types]

    @property
    def scope_options(self) -> list[tuple[str, str]]:
        """Which projects it may cover."""
        return list(SCOPES if self.may_cover_all else SCOPES[:1])


@dataclass(frozen=True, slots=True)
class CoveredLine:
    """A flag that the holdout covers."""

    flag_key: str
    environment: str
    baseline: str
    since: datetime


@dataclass(frozen=True, slots=True)
class SeasonLine:
    """One season."""

    number: int
    started_at: datetime
    ends_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class LookedUpFlag:
    """What the holdout does to one unit on one flag."""

    flag_key: str
    is_held: bool
    gets: str
    step: str
    without: str
    """The variant that it would get without the holdout."""
    variants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LookUp:
    """Why one unit has or lacks what the holdout covers."""

    unit: str
    is_held: bool
    flags: tuple[LookedUpFlag, ...]


@dataclass(frozen=True, slots=True)
class HoldoutPage:
    """One holdout."""

    row: HoldoutRow
    description: str
    covered: tuple[CoveredLine, ...]
    seasons: tuple[SeasonLine, ...]
    flags: tuple[str, ...]
    environments: tuple[str, ...]
    question: Form
    found: LookUp | None
    version: int
    may_manage: bool
    may_release: bool
    impact: ImpactCard = field(default_factory=ImpactCard)


def holdout_row(holdout: Holdout, now: datetime) -> HoldoutRow:
    """One holdout in words."""
    season = holdout.season
    closed = holdout.closed_at
    told = f"season {season.number}, until {words.day(season.ends_at)}"
    if closed is not None:
        told = f"closed {words.day(closed)}, after {words.counted(season.number, 'season')}"
    places = ", ".join(holdout.scope.environments) or "every environment"
    what = ", ".join(holdout.scope.flags) or "everything that starts"
    return HoldoutRow(
        key=holdout.key,
        name=holdout.name,
        share=words.percent(holdout.parts_per_million / 1_000_000),
        unit_type=holdout.unit_type,
        is_open=holdout.is_open,
        season=told,
        is_overdue=holdout.is_open and now >= season.ends_at,
        scope=f"{what} in {places}{'' if holdout.scope.projects else ' of every project'}",
    )


def holdouts_page(holdouts: Sequence[Holdout], *, may_create: bool, now: datetime) -> HoldoutsPage:
    """The list."""
    return HoldoutsPage(tuple(holdout_row(one, now) for one in holdouts), may_create)


def covered_lines(holdout: Holdout, project: Project) -> tuple[CoveredLine, ...]:
    """What it covers of a project."""
    names = {environment.id: environment.name for environment in project.environments}
    return tuple(
        CoveredLine(one.flag_key, names.get(one.environment_id, ""), one.baseline, one.since)
        for one in holdout.covered
    )


def season_lines(holdout: Holdout) -> tuple[SeasonLine, ...]:
    """Its seasons, newest first."""
    return tuple(
        SeasonLine(one.number, one.started_at, one.ends_at, one.ended_at) for one in reversed(holdout.seasons)
    )
