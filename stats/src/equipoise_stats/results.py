"""What an analysis answers. Withheld has no room for a metric's number: hidden means absent."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from equipoise_stats.estimates import Estimate, Status, Undefined
from equipoise_stats.guardrails import Alarm, Guardrail
from equipoise_stats.intervals import Interval
from equipoise_stats.looks import Ledger, Look
from equipoise_stats.plan import MetricRole
from equipoise_stats.quality import QualityCheck
from equipoise_stats.srm import Srm


class Method(StrEnum):
    """Which intervals are given: valid at every look, at every scheduled look, at the planned end only."""

    CONFIDENCE_SEQUENCE = "confidence_sequence"
    GROUP_SEQUENTIAL = "group_sequential"
    FIXED = "fixed"


class WithheldReason(StrEnum):
    """Why there are no results."""

    SRM = "srm"
    NO_DATA = "no_data"
    QUALITY = "quality"


class Significance(StrEnum):
    """What a comparison may claim under the plan."""

    BETTER = "better"
    WORSE = "worse"
    NOT_SIGNIFICANT = "not_significant"
    GATE_CLOSED = "gate_closed"
    NOT_TESTED = "not_tested"
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    """The statistical state of one treatment, or of the experiment; people decide."""

    ALARM = "alarm"
    SHIP_CANDIDATE = "ship_candidate"
    KEEP_RUNNING = "keep_running"
    GUARDRAIL_FAILED = "guardrail_failed"
    HARMFUL = "harmful"
    GUARDRAIL_UNPROVEN = "guardrail_unproven"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class ArmCount:
    """Units of a variant, and how many its weight would have brought."""

    variant: str
    units: int
    expected_units: float


@dataclass(frozen=True, slots=True)
class DetectableChange:
    """The MDE that the present precision can detect; lift is None without a positive control."""

    effect: float
    lift: float | None


@dataclass(frozen=True, slots=True)
class MetricResult:
    """One metric × treatment.

    effect: absolute, treatment minus control, at confidence 1 - alpha. lift: relative to the
    control, coherent with it. p_value: of this look, valid under the method; the ledger of
    looks keeps the smallest. adjusted_p_value: over its family (OEC over treatments,
    secondaries over metrics × treatments); None outside a family, behind a closed gate, or
    when unknown. status: OK or why there is no effect. look: the scheduled look that made the
    intervals repeated ones; None without a planned end or when no look was taken.
    variance_reduction: the share of the effect's variance that covariates or strata took away;
    None when nothing was adjusted.
    """

    metric: str
    treatment: str
    role: MetricRole
    treatment_estimate: Estimate
    control_estimate: Estimate
    effect: Interval | Undefined
    lift: Interval | Undefined
    p_value: float | None
    log_e_value: float | None
    adjusted_p_value: float | None
    significance: Significance
    guardrail: Guardrail | None
    alarm: Alarm | Undefined | None
    mde_reached: DetectableChange | None
    status: Status
    look: Look | None = None
    variance_reduction: float | None = None


@dataclass(frozen=True, slots=True)
class TreatmentVerdict:
    """The verdict on one treatment."""

    treatment: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Withheld:
    """No results, and what explains it: arms, SRM and the checks of exposures. No metrics."""

    reason: WithheldReason
    srm: Srm
    arms: tuple[ArmCount, ...]
    quality: tuple[QualityCheck, ...]


@dataclass(frozen=True, slots=True)
class Results:
    """The results in plan order: metrics, and within each its treatments.

    ledger: all looks up to and with this one, the next analysis's evidence; None without a
    planned end.
    """

    method: Method
    alpha: float
    srm: Srm
    arms: tuple[ArmCount, ...]
    quality: tuple[QualityCheck, ...]
    metrics: tuple[MetricResult, ...]
    treatments: tuple[TreatmentVerdict, ...]
    verdict: Verdict
    ledger: Ledger | None = None

    def of(self, metric: str, treatment: str) -> MetricResult:
        """The result of one metric × treatment; KeyError when the plan has none."""
        for result in self.metrics:
            if (result.metric, result.treatment) == (metric, treatment):
                return result
        raise KeyError((metric, treatment))


Analysis: TypeAlias = Withheld | Results
