"""What was planned and what was seen: the two inputs of an analysis, and every fault in them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from equipoise_stats.composite import Component
from equipoise_stats.looks import Ledger
from equipoise_stats.moments import Moments
from equipoise_stats.quality_evidence import QualityEvidence, quality_problems
from equipoise_stats.ranks import RankedArm
from equipoise_stats.spending import LookPlan
from equipoise_stats.srm import AllocationEpoch


class MetricKind(StrEnum):
    """How a unit's columns become one number."""

    MEAN = "mean"
    PROPORTION = "proportion"
    RATIO = "ratio"
    COMPOSITE = "composite"
    QUANTILE = "quantile"


class MetricRole(StrEnum):
    """What a metric may decide in one experiment."""

    OEC = "oec"
    SECONDARY = "secondary"
    GUARDRAIL = "guardrail"
    DIAGNOSTIC = "diagnostic"


class Direction(StrEnum):
    """Which way is good."""

    INCREASE = "increase"
    DECREASE = "decrease"


class IntervalRule(StrEnum):
    """EACH: every interval at 1 - alpha. AGREEING: wide enough to say what the families claim.

    Agreeing intervals of the OEC are simultaneous over treatments, those of claimed secondaries
    hold the false coverage rate, and a guardrail's leaves alpha on either side, as its verdict does.
    """

    EACH = "each"
    AGREEING = "agreeing"


class MarginKind(StrEnum):
    """A share of the control's value, or the metric's own unit."""

    RELATIVE = "relative"
    ABSOLUTE = "absolute"


@dataclass(frozen=True, slots=True)
class Margin:
    """The largest harm that is still acceptable: 0.02 relative is 2 %."""

    kind: MarginKind
    value: float


@dataclass(frozen=True, slots=True)
class VariantPlan:
    """A variant and its weight in the split; weights need not add up to anything."""

    key: str
    weight: float


@dataclass(frozen=True, slots=True)
class MetricPlan:
    """A metric as frozen at launch.

    Its moments column is `key`; a ratio also has `{key}:denominator`. A guardrail has a margin.
    alarm_margin: the harm beyond which the alarm may sound; the guardrail's own margin when not
    given, so that no alarm stops what the plan allows.
    open_ended: units already seen add to it, so that looks at it hang together in an unknown
    way; closed windows are the rule for anything that decides.
    covariates: moments columns measured before exposure, for which estimates are adjusted.
    components: of a composite, each a metric's columns with its weight, negative where less is
    better; its effect is the weighted sum of lifts. bound: of a guardrail, what the treatment's own
    value must stay clear of, in the metric's unit. quantile: which one, of that kind; it is judged once,
    at the planned end, from `Evidence.quantiles`.
    """

    key: str
    kind: MetricKind
    role: MetricRole
    direction: Direction = Direction.INCREASE
    margin: Margin | None = None
    alarm_margin: Margin | None = None
    open_ended: bool = False
    covariates: tuple[str, ...] = ()
    components: tuple[Component, ...] = ()
    bound: float | None = None
    quantile: float | None = None

    @property
    def denominator(self) -> str:
        """The column of a ratio's denominator."""
        return f"{self.key}:denominator"

    @property
    def columns(self) -> tuple[str, ...]:
        """The moments columns that this metric reads; a quantile has none."""
        if self.kind is MetricKind.QUANTILE:
            return ()
        if self.kind is MetricKind.COMPOSITE:
            read = (column for one in self.components for column in one.quantity.columns)
            return tuple(dict.fromkeys(read))
        return (self.key, self.denominator) if self.kind is MetricKind.RATIO else (self.key,)


@dataclass(frozen=True, slots=True)
class Design:
    """The frozen plan of an experiment.

    expected_units: planned units over all variants, n*; frozen at launch, tunes the sequences.
    planned_end_reached: only then are fixed-horizon intervals given.
    alarm_alpha: false alarms allowed per treatment, shared among the guardrails.
    alarm_units: the size at which an alarm is sharpest (a day's units); else expected_units.
    looks: a planned end with group-sequential looks before it; None means no planned end, so
    sequences. planned_days: from start to end, the information time of open-ended metrics.
    intervals: at which level they are given.
    """

    variants: tuple[VariantPlan, ...]
    control: str
    metrics: tuple[MetricPlan, ...]
    expected_units: int | None
    planned_end_reached: bool
    alpha: float = 0.05
    alarm_alpha: float = 0.01
    alarm_units: int | None = None
    power: float = 0.8
    looks: LookPlan | None = None
    planned_days: float | None = None
    intervals: IntervalRule = IntervalRule.EACH

    @property
    def treatments(self) -> tuple[str, ...]:
        """The variants with weight, the control apart."""
        return tuple(v.key for v in self.variants if v.key != self.control and v.weight > 0)

    def with_role(self, role: MetricRole) -> tuple[MetricPlan, ...]:
        """The metrics of one role, in plan order."""
        return tuple(metric for metric in self.metrics if metric.role is role)

    def weight(self, variant: str) -> float:
        """A variant's share of all weights, 0..1."""
        total = sum(v.weight for v in self.variants)
        return sum(v.weight for v in self.variants if v.key == variant) / total


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen, by variant.

    counts: exposed units, each under the variant it met first. moments: of (matured) units.
    crossed: how many of them met a second variant. observed_days: whole days with data.
    largest_units: variant → metric → the largest single unit's value.
    ledger: the looks before this one, as the last analysis gave it. epochs: units and weights
    while the weights stood still, arms in plan order; when they never changed, none.
    strata: `moments` in parts, by allocation epoch or by an attribute known before exposure; arms
    are then compared within each. quality: signs of the data's quality; what is not given is not
    checked. quantiles: variant → metric → its ranked values, of the kinds that need them.
    """

    counts: Mapping[str, int]
    moments: Mapping[str, Moments]
    observed_days: float
    crossed: Mapping[str, int] = field(default_factory=dict)
    largest_units: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    epochs: tuple[AllocationEpoch, ...] = ()
    strata: tuple[Mapping[str, Moments], ...] = ()
    quality: QualityEvidence = field(default_factory=QualityEvidence)
    quantiles: Mapping[str, Mapping[str, RankedArm]] = field(default_factory=dict)


class DesignError(ValueError):
    """A plan or its evidence that cannot be analysed. `problems` lists every fault."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def check(design: Design, evidence: Evidence | None = None) -> None:
    """Raise DesignError with every fault of a plan, and of its evidence when there is any."""
    problems = list(design_problems(design))
    if evidence is not None:
        problems += evidence_problems(design, evidence)
    if problems:
        raise DesignError(tuple(problems))


def design_problems(design: Design) -> Iterator[str]:
    """Every fault of a plan, in sentences that name the field."""
    yield from _variant_problems(design)
    yield from _metric_problems(design)
    for name, share in (("alpha", design.alpha), ("alarm_alpha", design.alarm_alpha)):
        if not 0 < share < 0.5:  # noqa: PLR2004 - at one half a one-sided test is a coin toss
            yield f"{name} must lie between 0 and 0.5, not {share}"
    if not 0 < design.power < 1:
        yield f"power must lie between 0 and 1, not {design.power}"
    for name, units in (
        ("expected_units", design.expected_units),
        ("alarm_units", design.alarm_units),
    ):
        if units is not None and units < 1:
            yield f"{name} must be at least 1, not {units}; leave it out if unknown"
    yield from _look_problems(design)


def _look_problems(design: Design) -> Iterator[str]:
    if design.planned_days is not None and not 0 < design.planned_days < math.inf:
        yield f"planned_days must be above 0, not {design.planned_days}"
    if design.looks is None:
        return
    if design.expected_units is None:
        yield "expected_units: looks before a planned end need the planned units"
    if design.planned_days is None:
        grow = (metric.key for metric in design.metrics if metric.open_ended)
        yield from (f"planned_days: looks at the open-ended metric {key!r} need them" for key in grow)


def _variant_problems(design: Design) -> Iterator[str]:
    keys = Counter(v.key for v in design.variants)
    yield from (f"variant {key!r} is given {n} times" for key, n in keys.items() if n > 1)
    for variant in design.variants:
        if not (math.isfinite(variant.weight) and variant.weight >= 0):
            yield f"variant {variant.key!r}: weight must be 0 or more, not {variant.weight}"
    if design.control not in keys:
        yield f"control {design.control!r} is not among the variants"
    elif not any(v.key == design.control and v.weight > 0 for v in design.variants):
        yield f"control {design.control!r} has no weight"
    if not design.treatments:
        yield "variants: at least one treatment needs weight"


def _metric_problems(design: Design) -> Iterator[str]:
    keys = Counter(metric.key for metric in design.metrics)
    yield from (f"metric {key!r} is given {n} times" for key, n in keys.items() if n > 1)
    oecs = len(design.with_role(MetricRole.OEC))
    if oecs != 1:
        yield f"metrics: exactly one has the role oec, not {oecs}"
    for metric in design.metrics:
        if metric.role is MetricRole.GUARDRAIL and metric.margin is None:
            yield f"metric {metric.key!r}: a guardrail needs a margin"
        for name, margin in (("margin", metric.margin), ("alarm_margin", metric.alarm_margin)):
            if margin is not None and not _is_possible(margin):
                yield f"metric {metric.key!r}: {name} {margin.value} is not a harm that can be allowed"
        if metric.bound is not None and not math.isfinite(metric.bound):
            yield f"metric {metric.key!r}: bound must be a number, not {metric.bound}"
        yield from _component_problems(metric)
        yield from _quantile_problems(metric)


def _quantile_problems(metric: MetricPlan) -> Iterator[str]:
    if metric.kind is not MetricKind.QUANTILE:
        if metric.quantile is not None:
            yield f"metric {metric.key!r}: only a quantile has a quantile"
        return
    if metric.quantile is None or not 0 < metric.quantile < 1:
        yield f"metric {metric.key!r}: quantile lies between 0 and 1, not {metric.quantile}"
    if metric.covariates:
        yield f"metric {metric.key!r}: a quantile takes no covariates"


def _component_problems(metric: MetricPlan) -> Iterator[str]:
    """Weights are checked where they are used, too; here every fault is told at once."""
    if metric.kind is not MetricKind.COMPOSITE:
        if metric.components:
            yield f"metric {metric.key!r}: only a composite has components"
        return
    quantities = [one.quantity for one in metric.components]
    if not quantities:
        yield f"metric {metric.key!r}: a composite needs components"
    if len(set(quantities)) != len(quantities):
        yield f"metric {metric.key!r}: each component only once"
    if not all(math.isfinite(one.weight) and one.weight != 0 for one in metric.components):
        yield f"metric {metric.key!r}: weights are finite and not 0"
    if metric.role is MetricRole.GUARDRAIL:
        yield f"metric {metric.key!r}: a composite is no guardrail, harm cannot be bought with gain"
    if metric.covariates:
        yield f"metric {metric.key!r}: a composite takes no covariates"


def _is_possible(margin: Margin) -> bool:
    if not (math.isfinite(margin.value) and margin.value >= 0):
        return False
    return margin.kind is MarginKind.ABSOLUTE or margin.value < 1


def evidence_problems(design: Design, evidence: Evidence) -> Iterator[str]:
    """Every way in which the evidence does not fit the plan."""
    planned = {variant.key for variant in design.variants}
    for name, given in (
        ("counts", evidence.counts),
        ("moments", evidence.moments),
        ("crossed", evidence.crossed),
        ("largest_units", evidence.largest_units),
        ("quantiles", evidence.quantiles),
        ("before", evidence.quality.before),
        ("join_lost", evidence.quality.join_lost),
        ("bots", evidence.quality.bots),
    ):
        yield from (f"{name}: {key!r} is not a variant of the plan" for key in given if key not in planned)
    for name, counts in (("counts", evidence.counts), ("crossed", evidence.crossed)):
        yield from (f"{name}[{key!r}] is negative" for key, count in counts.items() if count < 0)
    if not evidence.observed_days >= 0:
        yield f"observed_days must be 0 or more, not {evidence.observed_days}"
    yield from _epoch_problems(design, evidence)
    yield from _stratum_problems(evidence)
    metrics = {metric.key for metric in design.metrics}
    yield from quality_problems(
        evidence.quality, evidence.counts, metrics=metrics, treatments=design.treatments
    )
    columns = dict.fromkeys(c for m in design.metrics for c in (*m.columns, *m.covariates))
    for key, moments in evidence.moments.items():
        held = set(moments.names)
        yield from (f"moments[{key!r}] lack column {c!r}" for c in columns if c not in held)


def _epoch_problems(design: Design, evidence: Evidence) -> Iterator[str]:
    arms = len(design.variants)
    for at, epoch in enumerate(evidence.epochs):
        if not len(epoch.counts) == len(epoch.weights) == arms:
            yield f"epochs[{at}]: one count and one weight per variant"
        elif any(count < 0 for count in epoch.counts) or any(weight < 0 for weight in epoch.weights):
            yield f"epochs[{at}]: counts and weights are 0 or more"


def _stratum_problems(evidence: Evidence) -> Iterator[str]:
    """Strata must be parts of the moments: the same columns, and no unit more or less."""
    if not evidence.strata:
        return
    for key, moments in evidence.moments.items():
        parts = [stratum[key] for stratum in evidence.strata if key in stratum]
        if sum(part.n for part in parts) != moments.n:
            yield f"strata: the parts of {key!r} do not add up to its moments"
        if any(set(part.names) != set(moments.names) for part in parts):
            yield f"strata: the parts of {key!r} hold other columns than its moments"
