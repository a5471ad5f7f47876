"""Health checks as other rooms see them: the plan, what was found, and where a check stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

ASK = "health.ask"
"""The kind of due work that asks a Prometheus; its handler lies where what follows is known."""


class Reduction(StrEnum):
    """Which one value a window of time has."""

    LAST = "last"
    MEAN = "mean"
    LOWEST = "lowest"
    HIGHEST = "highest"


class Comparison(StrEnum):
    """What is held against the bound."""

    VALUE = "value"
    """Each value by itself."""
    RATIO = "ratio"
    """Each treatment's value, divided by control's."""
    DIFFERENCE = "difference"
    """Each treatment's value less control's."""


class Side(StrEnum):
    """On which side of the bound all is well."""

    AT_MOST = "at_most"
    AT_LEAST = "at_least"


class OnFailure(StrEnum):
    """What follows when a check has failed often enough in a row. Each also holds ramps."""

    HOLD = "hold"
    ROLL_BACK = "roll_back"
    """Rollouts go back to where their schedule began; experiments that set the flag stop."""
    KILL = "kill"


class State(StrEnum):
    """What one look found. Unknown is neither good nor bad: it holds ramps and never kills."""

    PASSING = "passing"
    FAILING = "failing"
    UNKNOWN = "unknown"


class Why(StrEnum):
    """Why something is unknown."""

    NOT_ASKED = "not_asked"
    """Nobody has asked yet."""
    STALE = "stale"
    """Nobody has asked for too long: the worker is down or behind."""
    NOT_ALLOWED = "not_allowed"
    NO_CREDENTIAL = "no_credential"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    REFUSED = "refused"
    BAD_QUERY = "bad_query"
    TOO_LARGE = "too_large"
    NOT_PROMETHEUS = "not_prometheus"
    NO_DATA = "no_data"
    MISSING_LABEL = "missing_label"
    SEVERAL_SERIES = "several_series"
    NOT_A_NUMBER = "not_a_number"
    TOO_FEW = "too_few"
    """The sample is smaller than what was asked for."""
    CONTROL_UNKNOWN = "control_unknown"
    CONTROL_IS_ZERO = "control_is_zero"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked and how the answer is judged."""

    connection: str
    """The key of a Prometheus connection."""
    query: str
    bound: float
    side: Side = Side.AT_MOST
    comparison: Comparison = Comparison.VALUE
    label: str = ""
    """The label whose values are variants; "" for one value about the whole flag."""
    variants: Mapping[str, str] = field(default_factory=dict)
    """Variant → its value of the label. Empty without a label."""
    control: str = ""
    """The variant that ratios and differences are against."""
    window_seconds: int | None = None
    """A range query over so long; None asks for one instant."""
    reduction: Reduction = Reduction.LAST
    sample_query: str = ""
    """How many requests or units stand behind each value; "" does not ask."""
    least_sample: float | None = None
    failures: int = 3
    """So many failures in a row, without an unknown between them, are acted on."""
    on_failure: OnFailure = OnFailure.HOLD
    interval_seconds: int = 60


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found about one variant, or about the whole flag (variant "")."""

    variant: str
    state: State
    value: float | None = None
    compared: float | None = None
    """The ratio or difference that is held against the bound; None of control, and where the value is."""
    sample: float | None = None
    why: Why | None = None
    told: str = ""
    """Why it is unknown, and the way out."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One look: the state of the whole, and each reading."""

    state: State
    readings: tuple[Reading, ...] = ()
    why: Why | None = None
    told: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """A finding that was kept."""

    at: datetime
    finding: Finding


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a check stands after its looks so far."""

    state: State = State.UNKNOWN
    since: datetime | None = None
    asked_at: datetime | None = None
    failures: int = 0
    """In a row, up to now."""
    acted_at: datetime | None = None
    """When the failures of this row were acted on."""
    why: Why | None = Why.NOT_ASKED
    told: str = ""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A named check of one flag in one environment."""

    id: UUID
    project_id: UUID
    environment_id: UUID
    flag_id: UUID
    flag_key: str
    key: str
    name: str
    plan: Plan
    standing: Standing
    created_at: datetime
    edition: int = 1

    @property
    def is_breached(self) -> bool:
        """Whether it has failed often enough in a row to be acted on."""
        return self.standing.failures >= self.plan.failures

    def standing_at(self, now: datetime) -> Standing:
        """Where it stands now: what nobody has asked about for too long is unknown."""
        asked_at = self.standing.asked_at
        if asked_at is None or now - asked_at <= staleness(self.plan):
            return self.standing
        told = "Nobody has asked for too long; see under Settings, Jobs whether the worker runs."
        since = asked_at if self.standing.state is not State.UNKNOWN else self.standing.since
        return Standing(
            State.UNKNOWN, since, asked_at, self.standing.failures, self.standing.acted_at, Why.STALE, told
        )


def staleness(plan: Plan) -> timedelta:
    """After how long a result says nothing about now."""
    return timedelta(seconds=max(3 * plan.interval_seconds, plan.interval_seconds + 60))
