"""The metric catalogue: create, revise, archive; a new meaning is a new version."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Field, Query, Router, Schema, Status
from pydantic import model_validator

from equipoise_server.api.authentication import actor_of
from equipoise_server.api.reading import Page, PageQuery, Strict, etag, expected_version, page_of, project_of
from equipoise_server.metrics import actions
from equipoise_server.metrics import reads as metrics
from equipoise_server.metrics.values import (
    Aggregate,
    Align,
    Definition,
    Direction,
    Fact,
    Margin,
    MarginKind,
    Metric,
    MetricKind,
    Spread,
    Through,
    Tier,
    Touch,
    TouchPreset,
    in_order,
    preset_touch,
)

router = Router(tags=["metrics"])
METRICS = "/projects/{project}/metrics"
METRIC = METRICS + "/{metric}"
WEEK_SECONDS = 7 * 86_400.0
LONGEST_SECONDS = 366 * 86_400.0
"""What fits a duration; the catalogue's own limit is lower and says so."""


class MarginBody(Strict):
    """How much worse than control is still acceptable: 0.02 relative is 2 %."""

    kind: MarginKind
    value: float

    def margin(self) -> Margin:
        """As the rooms know it."""
        return Margin(self.kind, self.value)


class FactBody(Strict):
    """Which events, or rows of a source, count, and what of them adds up."""

    event: str = ""
    aggregate: Aggregate = Aggregate.COUNT
    property: str = ""
    where: dict[str, bool | float | str] | None = None
    weights: dict[str, float] | None = None
    source: str = Field("", description="Instead of an event: a source, such as orders, or orders@2.")

    def fact(self) -> Fact:
        """As the rooms know it."""
        return Fact(self.event, self.aggregate, self.property, self.where, self.weights or None, self.source)


class TouchBody(Strict):
    """A click or a view that the metric's events must follow: by a preset, or by both other members."""

    fact: FactBody
    preset: TouchPreset | None = None
    through: Through | None = None
    within_seconds: float | None = Field(None, ge=-LONGEST_SECONDS, le=LONGEST_SECONDS)

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        refuse_unless_one_of_two(self.preset, self.through, within=("within_seconds", self.within_seconds))
        return self

    def touch(self) -> Touch:
        """As the rooms know it."""
        if self.preset is not None:
            return preset_touch(self.preset, self.fact.fact())
        through, within = self.through or Through.CLICK, self.within_seconds or 0.0
        return Touch(through, self.fact.fact(), timedelta(seconds=within))


def refuse_unless_one_of_two(
    preset: TouchPreset | None, through: Through | None, *, within: tuple[str, object]
) -> None:
    """A touch comes by a preset or by its parts; `within` is the name and the value of the last part."""
    parts = through, within[1]
    if preset is not None and parts != (None, None):
        raise ValueError(f"a preset says `through` and `{within[0]}` itself; leave them out")
    if preset is None and None in parts:
        known = ", ".join(TouchPreset)
        raise ValueError(f"give `through` and `{within[0]}`, or a `preset`: {known}")


def _seconds(default: float) -> float:
    found: float = Field(default, ge=-LONGEST_SECONDS, le=LONGEST_SECONDS)
    return found


class DefinitionBody(Strict):
    """The meaning of a metric; a change of any of it makes a new version."""

    kind: MetricKind
    fact: FactBody
    denominator: FactBody | None = None
    window_seconds: float = _seconds(WEEK_SECONDS)
    cap: float | None = None
    delay_seconds: float = _seconds(0.0)
    align: Align = Align.EXACT
    steps: list[FactBody] = Field(default_factory=list, description="What follows in a funnel, in order.")
    quantile: float | None = None
    over: Spread = Field(Spread.EVENTS, description="Of a quantile: over all events, or over units' totals.")
    threshold: float | None = None
    answer: FactBody | None = Field(None, description="What must not follow, for a metric of absence.")
    within_seconds: float | None = Field(None, ge=-LONGEST_SECONDS, le=LONGEST_SECONDS)
    covariate_days: int | None = Field(None, ge=-1000, le=1000)
    touches: list[TouchBody] = Field(
        default_factory=list, description="Clicks and views of which `fact` must follow one in time."
    )

    def definition(self) -> Definition:
        """As the rooms know it."""
        within = self.within_seconds
        return Definition(
            kind=self.kind,
            fact=self.fact.fact(),
            denominator=None if self.denominator is None else self.denominator.fact(),
            window=timedelta(seconds=self.window_seconds),
            cap=self.cap,
            delay=timedelta(seconds=self.delay_seconds),
            align=self.align,
            steps=tuple(step.fact() for step in self.steps),
            quantile=self.quantile,
            over=self.over,
            threshold=self.threshold,
            answer=None if self.answer is None else self.answer.fact(),
            within=None if within is None else timedelta(seconds=within),
            covariate_days=self.covariate_days,
            touches=in_order(touch.touch() for touch in self.touches),
        )


class MetricWords(Strict):
    """What creating and revising share."""

    name: str
    definition: DefinitionBody
    direction: Direction = Direction.INCREASE
    description: str = ""
    tier: Tier = Tier.L3
    owner: str = ""
    display: str = "number"
    default_margin: MarginBody | None = None
    minimum_units: int = Field(100, le=2**31 - 1)

    def margin(self) -> Margin | None:
        """The default margin as the rooms know it."""
        return None if self.default_margin is None else self.default_margin.margin()


class NewMetric(MetricWords):
    """A metric to create."""

    key: str


class MetricEdit(MetricWords):
    """The whole metric as it shall be."""

    expected_version: int | None = Field(None, description="The `edition` you read, unless If-Match is sent.")


class FactShape(Schema):
    """Which events count, and what of them adds up."""

    event: str
    aggregate: Aggregate
    property: str
    where: dict[str, bool | float | str] | None
    weights: dict[str, float] | None
    source: str


class TouchShape(Schema):
    """A click or a view that the metric's events follow."""

    through: Through
    fact: FactShape
    within_seconds: float

    @staticmethod
    def resolve_within_seconds(touch: Touch) -> float:
        """For how long after it events count."""
        return touch.within.total_seconds()


class DefinitionShape(Schema):
    """The meaning of one version."""

    kind: MetricKind
    fact: FactShape
    denominator: FactShape | None
    window_seconds: float
    cap: float | None
    delay_seconds: float
    align: Align
    steps: list[FactShape]
    quantile: float | None
    over: Spread
    threshold: float | None
    answer: FactShape | None
    within_seconds: float | None
    covariate_days: int | None
    touches: list[TouchShape]

    @staticmethod
    def resolve_window_seconds(definition: Definition) -> float:
        """The attribution window."""
        return definition.window.total_seconds()

    @staticmethod
    def resolve_delay_seconds(definition: Definition) -> float:
        """How long after the exposure events begin to count."""
        return definition.delay.total_seconds()

    @staticmethod
    def resolve_within_seconds(definition: Definition) -> float | None:
        """For how long an answer counts."""
        return None if definition.within is None else definition.within.total_seconds()


class MarginShape(Schema):
    """How much worse than control is still acceptable."""

    kind: MarginKind
    value: float


class CertificationShape(Schema):
    """Who vouches for this version, since when, and what was looked at."""

    by: str
    at: datetime
    note: str


class MetricShape(Schema):
    """A metric at one version. `edition` counts every edit, of words too."""

    id: UUID
    version_id: UUID
    key: str
    version: int
    edition: int
    name: str
    description: str
    definition: DefinitionShape
    direction: Direction
    tier: Tier
    owner: str
    display: str
    default_margin: MarginShape | None
    minimum_units: int
    archived_at: datetime | None
    certification: CertificationShape | None


@router.get(METRICS, response=Page[MetricShape])
def list_metrics(
    request: HttpRequest, project: str, page: Query[PageQuery], *, archived: bool = False
) -> dict[str, object]:
    """The catalogue at its newest versions, by key; archived metrics as well when asked for."""
    found = metrics.metrics_of(project_of(request, project).id, archived=archived)
    return page_of(found, page, lambda metric: metric.key)


@router.post(METRICS, response={201: MetricShape})
def create_metric(
    request: HttpRequest, response: HttpResponse, project: str, body: NewMetric
) -> Status[Metric]:
    """Add a metric to the catalogue, at version 1."""
    command = actions.CreateMetric(
        project_of(request, project).id, body.key, body.name, body.definition.definition(), body.direction,
        body.description, body.tier, body.owner, body.display, body.margin(), body.minimum_units,
    )  # fmt: skip
    made = actions.create_metric(actor_of(request), command, now=timezone.now())
    response["ETag"] = etag(made.edition)
    return Status(201, made)


@router.get(METRIC, response=MetricShape)
def get_metric(
    request: HttpRequest, response: HttpResponse, project: str, metric: str, *, version: int = 0
) -> Metric:
    """One metric, at its newest version unless another is asked for."""
    found = metrics.metric_by_key(project_of(request, project).id, metric, version=version)
    response["ETag"] = etag(found.edition)
    return found


@router.get(METRIC + "/versions", response=Page[MetricShape])
def list_metric_versions(
    request: HttpRequest, project: str, metric: str, page: Query[PageQuery]
) -> dict[str, object]:
    """Every meaning the metric has had, oldest first."""
    found = metrics.metric_by_key(project_of(request, project).id, metric)
    return page_of(metrics.versions_of(found.id), page, lambda version: f"{version.version:09}")


@router.put(METRIC, response=MetricShape)
def revise_metric(
    request: HttpRequest, response: HttpResponse, project: str, metric: str, body: MetricEdit
) -> Metric:
    """Change a metric. Only another definition or direction makes a new version."""
    found = metrics.metric_by_key(project_of(request, project).id, metric)
    command = actions.ReviseMetric(
        found.id, expected_version(request, body.expected_version), body.name, body.definition.definition(),
        body.direction, body.description, body.tier, body.owner, body.display, body.margin(),
        body.minimum_units,
    )  # fmt: skip
    revised = actions.revise_metric(actor_of(request), command, now=timezone.now())
    response["ETag"] = etag(revised.edition)
    return revised


@router.post(METRIC + "/archive", response=MetricShape)
def archive_metric(request: HttpRequest, project: str, metric: str) -> Metric:
    """Take a metric out of the catalogue; experiments that use it keep it."""
    found = metrics.metric_by_key(project_of(request, project).id, metric)
    return actions.archive_metric(actor_of(request), found.id, now=timezone.now())
