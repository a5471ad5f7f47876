"""Designs of experiments as the API reads and shows them."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from ninja import Schema

from equipoise_server.api.design_parts import (
    GateStepBody,
    GateStepShape,
    ScheduleShape,
    SwitchbackBody,
    SwitchbackShape,
)
from equipoise_server.api.exposures import ExposureTableBody, ExposureTableShape
from equipoise_server.api.metrics import MarginBody, MarginShape
from equipoise_server.api.reading import Strict
from equipoise_server.api.shapes import Json
from equipoise_server.api.traffic import TrafficRuleBody, TrafficRuleShape
from equipoise_server.experiments.values import (
    Arm,
    BreachAction,
    DecisionKind,
    Design,
    Looks,
    MetricRole,
    PlannedMetric,
    Spending,
    Spillover,
    Status,
    StopCause,
    VerdictState,
)


class ArmBody(Strict):
    """One variant of the experiment; `values` gives each flag the key of one of its variants."""

    key: str
    name: str = ""
    weight: int = 1
    values: dict[str, str] = {}
    description: str = ""

    def arm(self) -> Arm:
        """As the rooms know it."""
        return Arm(self.key, self.name, self.weight, self.values, self.description)


class PlannedMetricBody(Strict):
    """A metric in its role. Its version freezes at launch.

    Several metrics with the role `oec` and a `weight` each decide together. A guardrail has a margin;
    `bound` is what the treatment itself must stay clear of, `alarm_margin` the harm at which its alarm may
    sound.
    """

    key: str
    role: MetricRole
    margin: MarginBody | None = None
    on_breach: BreachAction = BreachAction.ALERT
    weight: float | None = None
    bound: float | None = None
    alarm_margin: MarginBody | None = None
    baseline: float | None = None
    deviation: float | None = None

    def planned(self) -> PlannedMetric:
        """As the rooms know it."""
        return PlannedMetric(
            **self.model_dump(exclude={"margin", "alarm_margin"}),
            margin=None if self.margin is None else self.margin.margin(),
            alarm_margin=None if self.alarm_margin is None else self.alarm_margin.margin(),
        )


class LooksBody(Strict):
    """Looks before a planned end: how many (null is one a day, 1 only at the end), and how alpha is spent."""

    count: int | None = None
    spending: Spending = Spending.OBRIEN_FLEMING
    gamma: float = -4.0

    def looks(self) -> Looks:
        """As the rooms know it."""
        return Looks(self.count, self.spending, self.gamma)


class DesignBody(Strict):
    """A plan. A draft may be incomplete; the launch checks say what is missing.

    An empty `layer` gives the experiment one of its own; `slot_share` is its share of the layer's slots,
    above 0 and at most 1. `planned_days` null plans no end, and `looks` are then not used: results are read
    as sequences. With a `cluster_type` clusters of it are randomised, and units exposed. `only_differing`
    asks for an analysis of those units alone whose exposures say that another arm would have differed.
    `covariates`, `strata` and `breakdowns` name attributes that exposures carry. `traffic` says who leaves
    the analysis: null as the project's filter says, a list of rules in its place, an empty one nobody.
    With `exposures` units are assigned outside, and a table says who met what: there is no flag, layer,
    audience or ramp.
    """

    hypothesis: str = ""
    unit_type: str = "user"
    eligibility: Json | None = None
    arms: list[ArmBody] = []
    control: str = "control"
    metrics: list[PlannedMetricBody] = []
    layer: str = ""
    slot_share: float = 1.0
    audience_parts_per_million: int = 1_000_000
    alpha: float = 0.05
    power: float = 0.8
    mde_relative: float | None = None
    baseline: float | None = None
    baseline_deviation: float | None = None
    daily_units: int | None = None
    planned_days: int | None = None
    looks: LooksBody | None = LooksBody()
    covariates: list[str] = []
    strata: str = ""
    breakdowns: list[str] = []
    expected_reduction: float = 0.0
    cluster_size: float | None = None
    cluster_correlation: float | None = None
    cluster_type: str = ""
    cluster_count: int | None = None
    switchback: SwitchbackBody | None = None
    ramp: list[GateStepBody] = []
    surface: str = ""
    only_differing: bool = False
    spillover: Spillover = Spillover.NOT_SAID
    traffic: list[TrafficRuleBody] | None = None
    exposures: ExposureTableBody | None = None

    def design(self) -> Design:
        """As the rooms know it."""
        own = {"arms", "metrics", "looks", "covariates", "breakdowns", "switchback", "ramp", "traffic"}
        plain = self.model_dump(exclude={*own, "exposures"})
        return Design(
            arms=tuple(arm.arm() for arm in self.arms),
            metrics=tuple(metric.planned() for metric in self.metrics),
            looks=None if self.looks is None else self.looks.looks(),
            covariates=tuple(self.covariates),
            breakdowns=tuple(self.breakdowns),
            switchback=None if self.switchback is None else self.switchback.switchback(),
            ramp=tuple(step.step() for step in self.ramp),
            exposures=None if self.exposures is None else self.exposures.table(),
            traffic=None if self.traffic is None else tuple(rule.rule() for rule in self.traffic),
            **plain,
        )


class ArmShape(Schema):
    """One variant of the experiment."""

    key: str
    name: str
    weight: int
    values: dict[str, str]
    description: str


class PlannedMetricShape(Schema):
    """A metric in its role; version 0 is not frozen yet."""

    key: str
    role: MetricRole
    margin: MarginShape | None
    on_breach: BreachAction
    version: int
    weight: float | None
    bound: float | None
    alarm_margin: MarginShape | None
    baseline: float | None
    deviation: float | None


class LooksShape(Schema):
    """Looks before a planned end."""

    count: int | None
    spending: Spending
    gamma: float


class DesignShape(Schema):
    """A plan."""

    hypothesis: str
    unit_type: str
    eligibility: Json | None
    arms: list[ArmShape]
    control: str
    metrics: list[PlannedMetricShape]
    layer: str
    slot_share: float
    audience_parts_per_million: int
    alpha: float
    power: float
    mde_relative: float | None
    baseline: float | None
    baseline_deviation: float | None
    daily_units: int | None
    planned_days: int | None
    looks: LooksShape | None
    covariates: list[str]
    strata: str
    breakdowns: list[str]
    expected_reduction: float
    cluster_size: float | None
    cluster_correlation: float | None
    cluster_type: str
    cluster_count: int | None
    switchback: SwitchbackShape | None
    ramp: list[GateStepShape]
    surface: str
    only_differing: bool
    spillover: Spillover
    traffic: list[TrafficRuleShape] | None
    exposures: ExposureTableShape | None


class IterationShape(Schema):
    """One run with its frozen design."""

    id: UUID
    number: int
    environment_id: UUID
    design: DesignShape
    layer_key: str
    slots: list[tuple[int, int]]
    gate_parts_per_million: int
    started_at: datetime
    planned_end_at: datetime | None
    stopped_at: datetime | None
    stop_reason: str
    stop_cause: StopCause | None
    is_imported: bool
    schedule: ScheduleShape | None
    gates: list[tuple[datetime, int]]
    ramp_paused_at: datetime | None
    ramp_delay: timedelta
    ramp_held_since: datetime | None
    ramp_note: str


class VerdictShape(Schema):
    """What analysis found last."""

    state: VerdictState
    sentence: str
    as_of: datetime
    blocks_shipping: list[str]


class DecisionShape(Schema):
    """What people chose, and why."""

    kind: DecisionKind
    arm: str
    reason: str
    decided_by: str
    decided_at: datetime


class ExperimentShape(Schema):
    """An experiment with its plan and all its iterations, newest last."""

    id: UUID
    key: str
    name: str
    owner: str
    status: Status
    design: DesignShape
    iterations: list[IterationShape]
    verdict: VerdictShape | None
    decision: DecisionShape | None
    created_at: datetime
    version: int


class CheckShape(Schema):
    """One condition with its outcome; `field` is a path into the design."""

    key: str
    label: str
    passed: bool
    message: str
    field: str
    advice: str


class ChecksShape(Schema):
    """Every condition of a move, all at once."""

    passed: bool
    checks: list[CheckShape]
