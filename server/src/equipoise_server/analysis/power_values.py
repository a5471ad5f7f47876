"""Planning before there is any data: the question that the wizard asks, and its answer."""

from __future__ import annotations

from dataclasses import dataclass

from equipoise_server.experiments.values import Looks
from equipoise_server.metrics.values import Margin, MetricKind


@dataclass(frozen=True, slots=True)
class GuardrailQuestion:
    """A guardrail in a power question: its kind, value and deviation today, and its margin."""

    name: str
    kind: MetricKind
    baseline: float | None
    deviation: float | None
    margin: Margin | None


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
    planned_days: int | None = None
    """None when the length is not decided yet."""
    looks: Looks | None = None
    """How a planned end is looked at; None plans no end and reads sequences, which cost more units."""
    reduction: float = 0.0
    """The share of variance that covariates will explain, 0..1."""
    guardrails: tuple[GuardrailQuestion, ...] = ()
    cluster_size: float | None = None
    """Units in a cluster; None randomises units."""
    cluster_correlation: float | None = None
    window_days: float = 0.0
    """How long after its exposure a unit still counts; with looks, units of the last days do not."""


@dataclass(frozen=True, slots=True)
class WeekMde:
    """The smallest relative change that so many weeks can find; None when none can be told."""

    week: int
    units: int
    """Of a switchback, the windows of all regions."""
    mde_relative: float | None


@dataclass(frozen=True, slots=True)
class GuardrailPower:
    """What the plan means for a guardrail.

    blocked: the chance that a harmless treatment does not pass it; None when it cannot be told, and
    `missing` says why.
    """

    name: str
    blocked: float | None
    units_per_arm: int | None
    """Of control, to pass it with the planned power."""
    missing: str = ""


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
    inflation: float = 1.0
    """Units over those of one look at the end: the price of looking before."""
    decided_by: str = ""
    """The guardrail that asks for more units than the OEC; "" when the OEC asks for most."""
    guardrails: tuple[GuardrailPower, ...] = ()
    all_pass: float | None = None
    """The chance that a treatment with the effect sought, harmless elsewhere, passes everything."""
    clusters: int | None = None
    """Of all arms together, when clusters are randomised."""


@dataclass(frozen=True, slots=True)
class SwitchbackPower:
    """What a planned switchback could find, relative to what its regions' windows hold today.

    mde_relative: of the planned days; None when it cannot be told, and `reason` says why. days_needed: to
    find the smallest lift that was asked for, if one was. past_days: how much of the past was read.
    """

    mde_relative: float | None = None
    days_needed: int | None = None
    by_week: tuple[WeekMde, ...] = ()
    past_days: int = 0
    reason: str = ""
