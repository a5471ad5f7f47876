"""Reports as the API shows them; exactly one of results and withheld is there."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from ninja import Schema

from equipoise_server.analysis.values import Conclusion, GuardrailState, Method, NoteLevel, SrmState
from equipoise_server.api.further import FurtherShape
from equipoise_server.api.health_shapes import FunnelShape, TrafficShape
from equipoise_server.experiments.values import MetricRole, VerdictState
from equipoise_server.metrics.values import Direction


class IntervalShape(Schema):
    """A confidence interval; an end is null where it is unbounded."""

    low: float | None
    high: float | None


class ArmCountShape(Schema):
    """How many units met an arm."""

    arm: str
    name: str
    exposed: int
    planned_share: float
    crossed: int


class SrmPointShape(Schema):
    """The sample-ratio test at one instant."""

    at: datetime
    p_value: float


class SuspectShape(Schema):
    """Units that share an attribute; `counts` per arm in the design's order, null for fewer than 20 units."""

    attribute: str
    value: str
    counts: list[int | None]
    p_value: float
    p_value_without: float | None
    is_suspect: bool


class StageShape(Schema):
    """How many units came this far, per arm in the design's order."""

    name: str
    counts: list[int]
    p_value: float | None


class LocalisationShape(Schema):
    """Where a mismatch comes from: counts alone."""

    suspects: list[SuspectShape]
    since: date | None
    stages: list[StageShape]
    first_broken_stage: str


class AfterwardsShape(Schema):
    """The units that came after the day of a lock; below 0, `log_e_value` speaks for the planned split."""

    units: int
    needed: int
    log_e_value: float | None
    suspects: list[SuspectShape]


class SignatureShape(Schema):
    """Somebody who holds a lock for a false alarm."""

    name: str
    reason: str
    signed_at: datetime


class SrmShape(Schema):
    """The sample-ratio test. `alerted` and `locked` withhold results; `locked` is confirmed.

    Two signatures end a lock; units after `cleared_through` are judged anew from then on.
    """

    state: SrmState
    p_value: float | None
    history: list[SrmPointShape]
    log_e_value: float | None
    alerted_at: datetime | None
    confirmed_at: datetime | None
    localisation: LocalisationShape | None
    afterwards: AfterwardsShape | None
    signatures: list[SignatureShape]
    cleared_through: date | None


class GuardrailShape(Schema):
    """A guardrail's verdict on margin and bound; `is_breached` is the alarm, valid at every look."""

    state: GuardrailState
    margin_text: str
    margin_lift: float | None
    margin_effect: float | None
    is_breached: bool
    bound: float | None
    bound_state: GuardrailState | None


class LookShape(Schema):
    """A planned look: its share of the plan, alpha spent so far, the bound on |z|, and what was seen."""

    information: float
    alpha_spent: float
    critical: float
    z: float
    is_last: bool


class ComparisonShape(Schema):
    """One metric for one treatment against control. What is not known is null, and `reason` says why.

    `confidence` is that of both intervals: higher than planned where comparisons share what may be claimed.
    The metric `:oec` is an OEC of several metrics: its effect is the weighted sum of their lifts.
    """

    metric: str
    metric_version: int
    name: str
    role: MetricRole
    direction: Direction
    display: str
    arm: str
    control_units: int
    treatment_units: int
    control_value: float | None
    treatment_value: float | None
    effect: float | None
    effect_interval: IntervalShape | None
    lift: float | None
    lift_interval: IntervalShape | None
    p_value: float | None
    adjusted_p_value: float | None
    mde_reached: float | None
    conclusion: Conclusion
    reason: str
    guardrail: GuardrailShape | None
    confidence: float
    adjusted_for: list[str]
    variance_reduction: float | None
    look: LookShape | None
    weight: float | None
    control_deviation: float | None


class LiftPointShape(Schema):
    """The deciding metric's lift at one closed day."""

    day: date
    arm: str
    lift: float | None
    interval: IntervalShape | None


class ExposurePointShape(Schema):
    """Cumulative exposed units of one arm."""

    day: date
    arm: str
    units: int


class NoteShape(Schema):
    """A data-quality check that has something to say."""

    key: str
    level: NoteLevel
    title: str
    message: str


class WithheldShape(Schema):
    """Why there are no results, and what to check."""

    title: str
    explanation: str
    what_to_check: list[str]


class PlanReachedShape(Schema):
    """How far the plan is; `looks_planned` is null without a planned end."""

    looks_taken: int
    looks_planned: int | None
    units: int
    units_planned: int
    power: float
    mde_relative: float | None


class ResultsShape(Schema):
    """Everything the last look found. Nothing in `further` decides."""

    method: Method
    looked_at: datetime
    rows: list[ComparisonShape]
    lift_over_time: list[LiftPointShape]
    is_final: bool | None
    plan: PlanReachedShape | None
    further: FurtherShape


class ReportShape(Schema):
    """What is known of one iteration; exactly one of `results` and `withheld` is there."""

    iteration_id: UUID
    computed_at: datetime
    verdict: VerdictState
    sentence: str
    arms: list[ArmCountShape]
    exposures_over_time: list[ExposurePointShape]
    srm: SrmShape
    notes: list[NoteShape]
    results: ResultsShape | None
    withheld: WithheldShape | None
    funnel: FunnelShape | None
    traffic: TrafficShape | None
