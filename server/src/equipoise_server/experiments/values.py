"""Experiments as other rooms see them: designs, iterations, verdicts and decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from equipoise_server.experiments.exposure_values import ExposureTable
from equipoise_server.experiments.holdout_values import CoveredFlag, Covering, Holdout, HoldoutScope, Season
from equipoise_server.experiments.layer_values import Holding, LayerRoom
from equipoise_server.experiments.timing_values import GateStep, Pairing, Schedule, Switchback
from equipoise_server.experiments.traffic_values import Operator, TrafficRule, TrafficTest
from equipoise_server.flags.values import Condition
from equipoise_server.metrics.values import Margin

__all__ = [
    "Arm", "BreachAction", "Check", "CoveredFlag", "Covering", "Decision", "DecisionKind", "Design",
    "Experiment", "ExperimentsPayload", "ExposureTable", "GateStep", "Holding", "Holdout", "HoldoutScope",
    "Iteration", "LayerRoom", "Looks", "MetricRole", "Operator", "Pairing", "PlannedMetric", "Schedule",
    "Season", "Spending", "Spillover", "Status", "StopCause", "Switchback", "TrafficRule", "TrafficTest",
    "Verdict", "VerdictState",
]  # fmt: skip


class Status(StrEnum):
    """The one state of an experiment."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    STOPPED = "stopped"
    DECIDED = "decided"
    ARCHIVED = "archived"


class MetricRole(StrEnum):
    """The part a metric plays in one experiment."""

    OEC = "oec"
    SECONDARY = "secondary"
    GUARDRAIL = "guardrail"
    DIAGNOSTIC = "diagnostic"


class BreachAction(StrEnum):
    """What automation does when a guardrail's alarm is breached."""

    ALERT = "alert"
    STOP = "stop"


class DecisionKind(StrEnum):
    """What people chose."""

    SHIP = "ship"
    DO_NOT_SHIP = "do_not_ship"


class VerdictState(StrEnum):
    """What the evidence says, in one word; written by analysis, never by people."""

    NO_DATA = "no_data"
    TOO_EARLY = "too_early"
    RUNNING = "running"
    WITHHELD_SRM = "withheld_srm"
    WITHHELD_STATE = "withheld_state"
    GUARDRAIL_BREACHED = "guardrail_breached"
    GUARDRAIL_UNCLEAR = "guardrail_unclear"
    WINNING = "winning"
    LOSING = "losing"
    INCONCLUSIVE = "inconclusive"


class StopCause(StrEnum):
    """Who or what ended an iteration."""

    REQUEST = "request"
    """Somebody stopped it."""
    RESTART = "restart"
    """A restart took its place."""
    KILL = "kill"
    """A flag that it sets, or its environment, was killed."""
    GUARDRAIL = "guardrail"
    """Automation, because a guardrail's alarm was breached."""
    HEALTH = "health"
    """Automation, because a health check of a flag that it sets failed."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One variant of the experiment and the flag variants it sets (flag key → variant key)."""

    key: str
    name: str
    weight: int
    values: Mapping[str, str]
    description: str = ""


class Spending(StrEnum):
    """How looks before the planned end share alpha: late, evenly, or as gamma says."""

    OBRIEN_FLEMING = "obrien_fleming"
    POCOCK = "pocock"
    HWANG_SHIH_DECANI = "hwang_shih_decani"


@dataclass(frozen=True, slots=True)
class Looks:
    """Looks at the decision numbers before a planned end. They spend alpha, so all of them hold together."""

    count: int | None = None
    """How many, the last at the end; None looks after every day, 1 only at the end."""
    spending: Spending = Spending.OBRIEN_FLEMING
    gamma: float = -4.0
    """Of Hwang, Shih and DeCani: -4 is close to O'Brien-Fleming, 1 to Pocock."""


@dataclass(frozen=True, slots=True)
class PlannedMetric:
    """A metric in its role. `version` is 0 in a draft and frozen at start."""

    key: str
    role: MetricRole
    margin: Margin | None = None
    on_breach: BreachAction = BreachAction.ALERT
    version: int = 0
    weight: float | None = None
    """Its share of an OEC of several metrics, above 0; the metric's direction gives the sign."""
    bound: float | None = None
    """Of a guardrail: what the treatment itself must stay clear of, in the metric's own unit."""
    alarm_margin: Margin | None = None
    """The harm beyond which the alarm may sound; the guardrail's own margin when not given."""
    baseline: float | None = None
    """Of a guardrail: what it is today; for planning."""
    deviation: float | None = None
    """Of a guardrail: its standard deviation per unit today; not needed for conversions."""


class Spillover(StrEnum):
    """Whether one unit's treatment reaches others; asked by the advisor, because a plain split then lies."""

    NOT_SAID = "not_said"
    NONE = "none"
    SUPPLY = "supply"
    """Units compete for the same goods, drivers, budgets or queues."""
    SOCIAL = "social"
    """Units see, message or invite each other."""


@dataclass(frozen=True, slots=True)
class Design:
    """The plan. A draft's design can be edited; an iteration's is frozen."""

    hypothesis: str = ""
    unit_type: str = "user"
    eligibility: Condition | None = None
    arms: tuple[Arm, ...] = ()
    control: str = "control"
    metrics: tuple[PlannedMetric, ...] = ()
    layer: str = ""
    """Key of a shared layer; "" gives the experiment a layer of its own."""
    slot_share: float = 1.0
    """Share (0..1] of the layer's 10,000 slots it asks for."""
    audience_parts_per_million: int = 1_000_000
    """The gate: the share of the enrolled slots that takes part. Only this can grow while running."""
    alpha: float = 0.05
    power: float = 0.8
    mde_relative: float | None = None
    """The smallest lift of the OEC worth finding (0.02 = 2 %)."""
    baseline: float | None = None
    """The OEC's expected value without treatment; for planning."""
    baseline_deviation: float | None = None
    """Its standard deviation per unit; not needed for conversions."""
    daily_units: int | None = None
    """Expected new units a day, for planning."""
    planned_days: int | None = None
    looks: Looks | None = Looks()
    """How a planned end is looked at before it comes; None reads sequences, which need no end."""
    covariates: tuple[str, ...] = ()
    """Numeric attributes on exposures, known before them, for which estimates are adjusted (CUPED)."""
    strata: str = ""
    """An attribute on exposures within whose values arms are compared; "" compares all units at once."""
    breakdowns: tuple[str, ...] = ()
    """Attributes on exposures by which results are also read, never decided."""
    expected_reduction: float = 0.0
    """The share of variance that the covariates will explain, for planning."""
    cluster_size: float | None = None
    """Units in a cluster on average; for planning."""
    cluster_correlation: float | None = None
    """How alike units of one cluster are (ICC), 0..1; for planning."""
    cluster_type: str = ""
    """The unit type that is randomised in place of the unit, which is exposed; "" randomises the unit."""
    cluster_count: int | None = None
    """How many clusters are expected; analysis stands on them."""
    switchback: Switchback | None = None
    ramp: tuple[GateStep, ...] = ()
    """How the gate grows after the launch; it starts at `audience_parts_per_million`."""
    surface: str = ""
    """What people see of it ("checkout-button"): experiments on one surface must share a layer."""
    only_differing: bool = False
    """Only units for whom another arm would have looked different are to be analysed."""
    spillover: Spillover = Spillover.NOT_SAID
    traffic: tuple[TrafficRule, ...] | None = None
    """Who leaves the analysis; empty leaves nobody out, None whom the project's filter does."""
    exposures: ExposureTable | None = None
    """Of units that are assigned outside this server; None: SDKs assign them and send exposures."""

    @property
    def randomised_type(self) -> str:
        """The unit type that slots, gate and split are drawn by."""
        return self.cluster_type or self.unit_type


@dataclass(frozen=True, slots=True)
class Iteration:
    """One immutable run: frozen design, salts and slots in one environment."""

    id: UUID
    experiment_id: UUID
    experiment_key: str
    project_id: UUID
    environment_id: UUID
    number: int
    design: Design
    salt: str
    gate_salt: str
    layer_key: str
    layer_salt: str
    slots: tuple[tuple[int, int], ...]
    gate_parts_per_million: int
    started_at: datetime
    planned_end_at: datetime | None
    stopped_at: datetime | None
    stop_reason: str
    is_imported: bool
    stop_cause: StopCause | None = None
    """None while it runs and when it was imported."""
    schedule: Schedule | None = None
    """Of a switchback."""
    gates: tuple[tuple[datetime, int], ...] = ()
    """(since when, parts per million): how wide the gate was, in order; empty when it was imported."""
    ramp_paused_at: datetime | None = None
    ramp_delay: timedelta = timedelta()
    """For how long the ramp was paused or held so far."""
    ramp_held_since: datetime | None = None
    """Since when a due step waits until every health check passes; `ramp_note` says for what."""
    ramp_note: str = ""

    @property
    def is_outside(self) -> bool:
        """Whether its units are, or were, assigned outside this server: nothing here serves its arms."""
        return self.is_imported or self.design.exposures is not None

    def is_over(self, now: datetime) -> bool:
        """Whether the planned end has come."""
        return self.planned_end_at is not None and now >= self.planned_end_at


@dataclass(frozen=True, slots=True)
class Verdict:
    """What analysis last found, in the words other rooms and checks need."""

    state: VerdictState
    sentence: str
    as_of: datetime
    blocks_shipping: tuple[str, ...] = ()
    """Reasons why no treatment can be shipped; empty when one can."""
    blocks_arms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Reasons why one treatment cannot be shipped though another can."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What people chose, and why."""

    kind: DecisionKind
    arm: str
    reason: str
    decided_by: str
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment with its draft or last design and all its iterations, newest last."""

    id: UUID
    project_id: UUID
    key: str
    name: str
    owner: str
    status: Status
    design: Design
    iterations: tuple[Iteration, ...]
    verdict: Verdict | None
    decision: Decision | None
    created_at: datetime
    version: int

    @property
    def iteration(self) -> Iteration | None:
        """The newest iteration, if it ever started."""
        return self.iterations[-1] if self.iterations else None


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of a move, as the checklist shows it."""

    key: str
    label: str
    passed: bool
    message: str
    """What to do about it; "" when passed."""
    field: str = ""
    advice: str = ""
    """What would make it better although it passed."""


@dataclass(frozen=True, slots=True)
class ExperimentsPayload:
    """What the experiments of one environment put into its snapshot (spec/evaluation.md)."""

    layers: Mapping[str, Mapping[str, object]]
    experiments: Mapping[str, Mapping[str, object]]
    """By experiment key, in the order they started."""
    baselines: Mapping[str, list[dict[str, object]]] = field(default_factory=dict)
    """By flag key: the holdouts that cover it, each with its baseline."""
    holdouts: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """The open holdouts that cover a flag of the environment."""
