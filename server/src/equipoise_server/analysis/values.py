"""A report as doors see it: results, or the reason why there are none; never both."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from equipoise_server.experiments.values import MetricRole, VerdictState
from equipoise_server.metrics.values import Direction, MetricKind


class SrmState(StrEnum):
    """How the split of exposed units compares with the plan."""

    PASS = "pass"  # noqa: S105  # no password
    WARN = "warn"
    LOCKED = "locked"
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
    FIXED = "fixed"
    """One look at the planned end."""


class NoteLevel(StrEnum):
    """How serious a data-quality note is."""

    INFO = "info"
    WARN = "warn"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval; an end is None where it is unbounded."""

    low: float | None
    high: float | None


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
class Srm:
    """The sample-ratio test: state, p-value (None without data) and its history."""

    state: SrmState
    p_value: float | None
    history: tuple[SrmPoint, ...]


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
class Results:
    """Everything the last look found."""

    method: Method
    looked_at: datetime
    """Data up to here is in the numbers."""
    rows: tuple[ComparisonRow, ...]
    lift_over_time: tuple[LiftPoint, ...]


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


@dataclass(frozen=True, slots=True)
class PowerQuestion:
    """What the wizard asks. Shares and relative effects lie in 0..1; deviation is per unit."""

    kind: MetricKind
    baseline: float | None
    deviation: float | None
    mde_relative: float | None
    alpha: float
    power: float
    weights: tuple[int, ...]
    """Of all arms, control first."""
    daily_units: int | None
    """New units a day that the experiment would get."""


@dataclass(frozen=True, slots=True)
class WeekMde:
    """The smallest relative change that so many weeks can find; None when none can be told."""

    week: int
    units: int
    mde_relative: float | None


@dataclass(frozen=True, slots=True)
class PowerAnswer:
    """The answer; what cannot be told is None and `missing` says what to give."""

    units_per_arm: int | None
    """Of control; treatments get theirs by weight."""
    total_units: int | None
    days: int | None
    recommended_days: int | None
    """Whole weeks, at least one."""
    by_week: tuple[WeekMde, ...]
    missing: tuple[str, ...]
