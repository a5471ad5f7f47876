"""A report as doors see it: results, or the reason why there are none; never both."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from equipoise_server.analysis.freshness_values import (
    REFRESH,
    Freshness,
    RefreshFailure,
    Refreshing,
    RefreshState,
)
from equipoise_server.analysis.further_values import (
    BayesLine,
    Further,
    InteractionLine,
    Interval,
    NoveltyLine,
    SegmentLine,
    SegmentTable,
    TriggeredLine,
)
from equipoise_server.analysis.health_values import Funnel, FunnelStep, LeftOut, Traffic
from equipoise_server.analysis.impact_values import HoldoutImpact, ImpactLine, Shipped
from equipoise_server.analysis.power_values import (
    GuardrailPower,
    GuardrailQuestion,
    PowerAnswer,
    PowerQuestion,
    WeekMde,
)
from equipoise_server.analysis.traffic_values import Operator, TrafficFilter, TrafficRule, TrafficTest
from equipoise_server.experiments.values import MetricRole, VerdictState
from equipoise_server.foundation.costs import Cost
from equipoise_server.metrics.values import Direction

__all__ = [
    "REFRESH", "ArmCount", "BayesLine", "ComparisonRow", "Conclusion", "ExposurePoint", "Freshness",
    "Funnel", "FunnelStep",
    "Further", "Guardrail", "GuardrailPower", "GuardrailQuestion", "GuardrailState", "HoldoutImpact",
    "ImpactLine", "InteractionLine", "Interval", "LeftOut", "LiftPoint", "Localisation", "LookTaken",
    "Method", "NoteLevel", "NoveltyLine", "Operator", "PlanReached", "PowerAnswer", "PowerQuestion",
    "QualityNote", "RefreshFailure", "RefreshState", "Refreshing",
    "Report", "Results", "SegmentLine", "SegmentTable", "Shipped", "SoundedAlarm", "Srm",
    "SrmPoint", "SrmState", "Stage", "Suspect", "Traffic", "TrafficFilter", "TrafficRule", "TrafficTest",
    "TriggeredLine", "WeekMde", "Withheld",
]  # fmt: skip


class SrmState(StrEnum):
    """How the split of exposed units compares with the plan."""

    PASS = "pass"  # noqa: S105  # no password
    WARN = "warn"
    ALERTED = "alerted"
    """So unlikely that results are withheld until the next look confirms it or lets it go."""
    LOCKED = "locked"
    """Confirmed: withheld for good."""
    NO_DATA = "no_data"


class Conclusion(StrEnum):
    """What one metric says about one treatment, under the plan's error control."""

    BETTER = "better"
    WORSE = "worse"
    UNCLEAR = "unclear"
    TOO_EARLY = "too_early"
    NOT_READ = "not_read"
    """A secondary metric before its OEC has succeeded: shown, but no claim is made."""
    UNKNOWN = "unknown"
    """The numbers do not allow an answer; `reason` says why."""


class GuardrailState(StrEnum):
    """Whether the treatment was shown to be no worse than the margin."""

    PASS = "pass"  # noqa: S105  # no password
    FAIL = "fail"
    UNCLEAR = "unclear"


class Method(StrEnum):
    """Which intervals are shown."""

    CONFIDENCE_SEQUENCE = "confidence_sequence"
    """Valid at every look while running."""
    GROUP_SEQUENTIAL = "group_sequential"
    """Repeated intervals: valid at all planned looks together."""
    FIXED = "fixed"
    """One look at all there is: imports."""


class NoteLevel(StrEnum):
    """How serious a data-quality note is."""

    INFO = "info"
    WARN = "warn"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class ArmCount:
    """How many units met an arm, beside the planned share."""

    arm: str
    name: str
    exposed: int
    planned_share: float
    crossed: int
    """Units of this arm that were also seen in another one; they stay in this arm."""


@dataclass(frozen=True, slots=True)
class SrmPoint:
    """The sample-ratio test at one instant."""

    at: datetime
    p_value: float


@dataclass(frozen=True, slots=True)
class Suspect:
    """Units that share an attribute, tested by themselves. They explain a mismatch where they stand out."""

    attribute: str
    value: str
    counts: tuple[int | None, ...]
    """Units per arm, in the design's order; None: fewer than 20."""
    p_value: float
    """Adjusted over the values of the attribute."""
    p_value_without: float | None
    """Of all other units; None when there are none."""
    is_suspect: bool


@dataclass(frozen=True, slots=True)
class Stage:
    """How many units came this far, per arm in the design's order, and whether that is as planned."""

    name: str
    counts: tuple[int, ...]
    p_value: float | None


@dataclass(frozen=True, slots=True)
class Localisation:
    """Where a mismatch comes from: which units, since when, at which stage. Counts alone."""

    suspects: tuple[Suspect, ...] = ()
    """The most telling first."""
    since: date | None = None
    """The first day from which on new units are out of balance; None when it cannot be told."""
    stages: tuple[Stage, ...] = ()
    first_broken_stage: str = ""


@dataclass(frozen=True, slots=True)
class Afterwards:
    """The units that came after the day of a lock. A false alarm does not go on; what is broken does."""

    units: int
    needed: int
    """As many as there were up to the lock."""
    log_e_value: float | None
    """Of their split alone; below 0 it speaks for the plan. None before there are any."""
    suspects: tuple[Suspect, ...] = ()
    """Those among them that stand out by an attribute."""

    @property
    def is_balanced(self) -> bool:
        """Whether enough of them came, and their split speaks for the plan."""
        return self.units >= self.needed and self.log_e_value is not None and self.log_e_value < 0


@dataclass(frozen=True, slots=True)
class Signature:
    """Somebody who holds a lock for a false alarm; two of them end it."""

    name: str
    reason: str
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class Srm:
    """The sample-ratio test: state, p-value (None without data) and its history."""

    state: SrmState
    p_value: float | None
    history: tuple[SrmPoint, ...]
    log_e_value: float | None = None
    """Evidence that may be looked at as often as one likes; from ln 1000 on it confirms by itself."""
    alerted_at: datetime | None = None
    confirmed_at: datetime | None = None
    localisation: Localisation | None = None
    """Only while results are withheld for it."""
    afterwards: Afterwards | None = None
    """Only of a lock."""
    signatures: tuple[Signature, ...] = ()
    """Of the lock that holds, or of the last one that two people ended."""
    cleared_through: date | None = None
    """The day of a lock that was a false alarm; from the next day on units are judged anew."""


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A guardrail's verdict, and the line its interval must stay clear of: in the scale it was judged on."""

    state: GuardrailState
    margin_text: str
    margin_lift: float | None
    """A relative margin, as a lift; None for an absolute one."""
    margin_effect: float | None
    """An absolute margin, as a difference in the metric's own unit; None for a relative one."""
    is_breached: bool
    """The alarm, valid at every look: the treatment is worse than allowed."""
    bound: float | None = None
    """What the treatment itself must stay clear of, in the metric's own unit; `state` judges both."""
    bound_state: GuardrailState | None = None


@dataclass(frozen=True, slots=True)
class LookTaken:
    """A planned look: its share of the plan, alpha spent so far, the bound on |z|, and what was seen."""

    information: float
    alpha_spent: float
    critical: float
    z: float
    is_last: bool


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One metric for one treatment against control, at the last look."""

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
    effect_interval: Interval | None
    lift: float | None
    lift_interval: Interval | None
    p_value: float | None
    adjusted_p_value: float | None
    mde_reached: float | None
    """The relative effect this much data could have found with the planned power."""
    conclusion: Conclusion
    reason: str
    """Why something above is None, in plain words; "" when nothing is."""
    guardrail: Guardrail | None
    confidence: float = 0.95
    """Of both intervals; higher where several comparisons share what may be claimed."""
    adjusted_for: tuple[str, ...] = ()
    """What was known before exposure and taken out of the noise: attributes, strata, the unit's own past."""
    variance_reduction: float | None = None
    """The share of the effect's variance that this took away."""
    look: LookTaken | None = None
    weight: float | None = None
    """Of a part of an OEC of several metrics: its share."""
    control_deviation: float | None = None
    """Standard deviation of one unit in control; what the next experiment is planned with."""


@dataclass(frozen=True, slots=True)
class LiftPoint:
    """The OEC's lift and its interval at one closed day."""

    day: date
    arm: str
    lift: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class ExposurePoint:
    """Cumulative exposed units of one arm at the end of one day."""

    day: date
    arm: str
    units: int


@dataclass(frozen=True, slots=True)
class QualityNote:
    """One named data-quality check that has something to say."""

    key: str
    level: NoteLevel
    title: str
    message: str


@dataclass(frozen=True, slots=True)
class Withheld:
    """Why there are no results, and what to check. Carries no metric number."""

    title: str
    explanation: str
    what_to_check: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlanReached:
    """How far a planned end is: looks taken of looks planned, matured units of those planned."""

    looks_taken: int
    looks_planned: int | None
    units: int
    units_planned: int
    power: float
    mde_relative: float | None


@dataclass(frozen=True, slots=True)
class Results:
    """Everything the last look found."""

    method: Method
    looked_at: datetime
    """Data up to here is in the numbers."""
    rows: tuple[ComparisonRow, ...]
    lift_over_time: tuple[LiftPoint, ...]
    is_final: bool | None = None
    """Whether nothing can move any more; None in reports of older releases."""
    plan: PlanReached | None = None
    further: Further = field(default_factory=Further)


@dataclass(frozen=True, slots=True)
class SoundedAlarm:
    """A guardrail whose alarm has sounded; valid between looks, and for good."""

    metric: str
    name: str
    arm: str


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of one iteration. Exactly one of `results` and `withheld` is there."""

    iteration_id: UUID
    computed_at: datetime
    verdict: VerdictState
    sentence: str
    arms: tuple[ArmCount, ...]
    exposures_over_time: tuple[ExposurePoint, ...]
    srm: Srm
    notes: tuple[QualityNote, ...]
    results: Results | None
    withheld: Withheld | None
    alarms: tuple[SoundedAlarm, ...] = ()
    """Live, also before the first look; none while the split is broken."""
    funnel: Funnel | None = None
    """As of the last look, or live while results are withheld."""
    traffic: Traffic | None = None
    """None when no traffic filter held at the start."""
    cost: Cost | None = None
    """What making it took; None where no worker did, and in reports of older releases."""
