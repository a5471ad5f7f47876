"""Planning through the API: how large and how long an experiment must be."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Field, Router, Schema

from equipoise_server.analysis import reads as analysis
from equipoise_server.analysis.values import GuardrailQuestion, PowerAnswer, PowerQuestion
from equipoise_server.api.designs import LooksBody
from equipoise_server.api.metrics import MarginBody
from equipoise_server.api.reading import Strict, project_of
from equipoise_server.metrics.values import MetricKind

router = Router(tags=["reports"])


class GuardrailPowerBody(Strict):
    """A guardrail to plan for: what it is today, its deviation per unit, and its margin."""

    name: str
    kind: MetricKind
    baseline: float | None = None
    deviation: float | None = None
    margin: MarginBody | None = None

    def question(self) -> GuardrailQuestion:
        """As the rooms know it."""
        margin = None if self.margin is None else self.margin.margin()
        return GuardrailQuestion(self.name, self.kind, self.baseline, self.deviation, margin)


class PowerBody(Strict):
    """What is planned. `weights` are of all arms, control first; `deviation` is per unit.

    `looks` null plans no end and reads sequences; when left out there is one look at the end. `reduction` is
    the share of variance that covariates will explain; `cluster_size` and `cluster_correlation` describe
    clusters that are randomised.
    """

    kind: MetricKind
    baseline: float | None = None
    deviation: float | None = None
    mde_relative: float | None = None
    alpha: float = 0.05
    power: float = 0.8
    weights: list[int] = Field([1, 1], max_length=64)
    daily_units: int | None = Field(None, ge=1, le=10**9)
    planned_days: int | None = Field(None, ge=1, le=3660)
    looks: LooksBody | None = LooksBody(count=1)
    reduction: float = Field(0.0, ge=0, lt=1)
    guardrails: list[GuardrailPowerBody] = Field([], max_length=50)
    cluster_size: float | None = Field(None, ge=1)
    cluster_correlation: float | None = Field(None, ge=0, le=1)
    window_days: float = Field(0.0, ge=0, le=366)

    def question(self) -> PowerQuestion:
        """As the rooms know it."""
        plain = self.model_dump(exclude={"kind", "weights", "looks", "guardrails"})
        return PowerQuestion(
            kind=self.kind,
            weights=tuple(self.weights),
            looks=None if self.looks is None else self.looks.looks(),
            guardrails=tuple(guardrail.question() for guardrail in self.guardrails),
            **plain,
        )


class WeekMdeShape(Schema):
    """The smallest relative change that so many weeks can find."""

    week: int
    units: int
    mde_relative: float | None


class GuardrailPowerShape(Schema):
    """The chance that a harmless treatment does not pass, and the control units that it takes."""

    name: str
    blocked: float | None
    units_per_arm: int | None
    missing: str


class PowerShape(Schema):
    """How many units and days it takes; what cannot be told is null, and `missing` says what to give."""

    units_per_arm: int | None
    total_units: int | None
    days: int | None
    recommended_days: int | None
    by_week: list[WeekMdeShape]
    missing: list[str]
    inflation: float
    decided_by: str
    guardrails: list[GuardrailPowerShape]
    all_pass: float | None
    clusters: int | None


@router.post("/projects/{project}/power", response=PowerShape)
def plan_power(request: HttpRequest, project: str, body: PowerBody) -> PowerAnswer:
    """How large and how long an experiment must be. Changes nothing."""
    project_of(request, project)
    return analysis.power_plan(body.question())
