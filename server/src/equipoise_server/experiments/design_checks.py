"""What a design must say by itself, beside the metrics it names. Knows no environment and no flag."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite

from equipoise_server.experiments.checks import CheckRow
from equipoise_server.experiments.values import Design, MetricRole, PlannedMetric
from equipoise_server.foundation.ids import KEY_RULE, is_key
from equipoise_server.foundation.refusals import Problem
from equipoise_server.metrics.values import SHARE_KINDS, MarginKind, Metric, MetricKind

SHORTEST_HYPOTHESIS = 20
FEWEST_ARMS, MOST_ARMS = 2, 64
LARGEST_WEIGHT_SUM = 2**20
LARGEST_ALPHA = 0.2
SHORTEST_RUN_DAYS = 7
LONGEST_RUN_DAYS = 366
WHOLE = 1_000_000
# What an exposure may say instead of an arm.
RESERVED_ARM_KEYS = {"override", "holdout", "open"}


@dataclass(frozen=True, slots=True)
class DesignFacts:
    """A design and the project's metrics by key, archived ones too."""

    design: Design
    metrics: Mapping[str, Metric]


def hypothesis_faults(facts: DesignFacts) -> Iterator[Problem]:
    """Somebody must be able to be wrong."""
    if len(facts.design.hypothesis.strip()) < SHORTEST_HYPOTHESIS:
        yield Problem(
            "hypothesis",
            f"Write down, in at least {SHORTEST_HYPOTHESIS} characters, what you expect to happen and why.",
        )


def arms_faults(facts: DesignFacts) -> Iterator[Problem]:
    """There is something to compare."""
    count = len(facts.design.arms)
    if not FEWEST_ARMS <= count <= MOST_ARMS:
        yield Problem(
            "arms",
            f"An experiment has {FEWEST_ARMS} to {MOST_ARMS} variants, not {count}; add or remove some.",
        )


def control_faults(facts: DesignFacts) -> Iterator[Problem]:
    """The reference is one of the arms."""
    design = facts.design
    if design.control not in {arm.key for arm in design.arms}:
        yield Problem(
            "control", f"The control “{design.control}” is none of the variants; choose one of them."
        )


def arm_keys_faults(facts: DesignFacts) -> Iterator[Problem]:
    """Arms can be told apart in exposures."""
    counts = Counter(arm.key for arm in facts.design.arms)
    for index, arm in enumerate(facts.design.arms):
        field = f"arms.{index}.key"
        if not is_key(arm.key):
            yield Problem(field, f"The variant key “{arm.key}” cannot be used: {KEY_RULE}.")
        elif arm.key in RESERVED_ARM_KEYS:
            yield Problem(field, f"The variant key “{arm.key}” has a meaning of its own; choose another.")
    for key in sorted(key for key, count in counts.items() if count > 1):
        yield Problem("arms", f"{counts[key]} variants are called “{key}”; give each its own key.")


def weights_faults(facts: DesignFacts) -> Iterator[Problem]:
    """The split is exact in every language."""
    weights = [arm.weight for arm in facts.design.arms]
    for index, weight in enumerate(weights):
        if weight < 1:
            yield Problem(f"arms.{index}.weight", "A variant's weight is a whole number above 0.")
    if sum(weights) > LARGEST_WEIGHT_SUM:
        yield Problem(
            "arms", f"The weights add up to more than {LARGEST_WEIGHT_SUM:,}; write 50 % and 50 % as 1 and 1."
        )


def one_oec_faults(facts: DesignFacts) -> Iterator[Problem]:
    """One metric decided."""
    count = sum(metric.role is MetricRole.OEC for metric in facts.design.metrics)
    if count != 1:
        yield Problem(
            "metrics", f"Exactly one metric decides (the OEC); this design has {count}. Choose one."
        )


def metrics_faults(facts: DesignFacts) -> Iterator[Problem]:
    """Every metric is in the catalogue, once."""
    counts = Counter(planned.key for planned in facts.design.metrics)
    for index, planned in enumerate(facts.design.metrics):
        held = facts.metrics.get(planned.key)
        if held is None:
            told = f"There is no metric “{planned.key}”; create it or choose another."
            yield Problem(f"metrics.{index}.key", told if planned.key else "Choose a metric.")
        elif held.archived_at is not None:
            yield Problem(f"metrics.{index}.key", f"The metric “{planned.key}” is archived; choose another.")
    for key in sorted(key for key, count in counts.items() if count > 1):
        yield Problem("metrics", f"“{key}” is planned {counts[key]} times; give each metric one role.")


def guardrail_faults(facts: DesignFacts) -> Iterator[Problem]:
    """Every guardrail says how much worse is still acceptable."""
    for index, planned in enumerate(facts.design.metrics):
        if planned.role is MetricRole.GUARDRAIL:
            yield from _margin_faults(f"metrics.{index}.margin", planned, facts.metrics.get(planned.key))
    yield from _absence_faults(facts)


def _absence_faults(facts: DesignFacts) -> Iterator[Problem]:
    """What decides by what does not follow is won by less use as well, unless something guards the use."""
    if any(planned.role is MetricRole.GUARDRAIL for planned in facts.design.metrics):
        return
    for planned in facts.design.metrics:
        held = facts.metrics.get(planned.key)
        if planned.role is MetricRole.OEC and held and held.definition.kind is MetricKind.ABSENCE:
            told = (
                f"“{planned.key}” decides by what does not happen, and fewer events win that, too: add a"
                " guardrail, such as how often people do what it counts."
            )
            yield Problem("metrics", told)


def _margin_faults(field: str, planned: PlannedMetric, metric: Metric | None) -> Iterator[Problem]:
    margin = planned.margin or (metric.default_margin if metric else None)
    if margin is None:
        yield Problem(field, f"Say how much worse “{planned.key}” may become: a guardrail needs a margin.")
    elif not isfinite(margin.value) or margin.value <= 0:
        yield Problem(field, f"The margin of “{planned.key}” must be above 0.")
    elif margin.kind is MarginKind.RELATIVE and margin.value >= 1:
        yield Problem(field, f"A relative margin is below 1: in the API, 2 % of “{planned.key}” is 0.02.")


def guardrail_advice(facts: DesignFacts) -> str:
    """What is missed without a guardrail."""
    if any(metric.role is MetricRole.GUARDRAIL for metric in facts.design.metrics):
        return ""
    return "Without a guardrail nothing notices harm elsewhere; consider latency, errors or returns."


def alpha_faults(facts: DesignFacts) -> Iterator[Problem]:
    """The confidence asked for is one."""
    if not 0 < facts.design.alpha <= LARGEST_ALPHA:
        yield Problem(
            "alpha", "Choose a confidence between 80 % and 100 %: alpha is above 0 and at most 0.2."
        )


def mde_faults(facts: DesignFacts) -> Iterator[Problem]:
    """It is known what would be worth finding."""
    mde = facts.design.mde_relative
    if mde is None or not isfinite(mde) or mde <= 0:
        yield Problem(
            "mde_relative", "Say which lift would be worth finding, above 0 (in the API, 2 % is 0.02)."
        )


def power_faults(facts: DesignFacts) -> Iterator[Problem]:
    """The planned end follows from numbers; no planned end needs none."""
    design = facts.design
    if not 0 < design.power < 1:
        yield Problem("power", "The power is between 0 and 1; 0.8 is usual.")
    if design.planned_days is None:
        return
    if not SHORTEST_RUN_DAYS <= design.planned_days <= LONGEST_RUN_DAYS:
        yield Problem(
            "planned_days",
            f"Plan {SHORTEST_RUN_DAYS} to {LONGEST_RUN_DAYS} days, so that every weekday counts, or no end.",
        )
    yield from _baseline_faults(facts)
    if design.daily_units is None or design.daily_units < 1:
        yield Problem("daily_units", "Say how many new units come per day, or plan no end.")


def _baseline_faults(facts: DesignFacts) -> Iterator[Problem]:
    baseline, deviation = facts.design.baseline, facts.design.baseline_deviation
    kind = _oec_kind(facts)
    if baseline is None or baseline <= 0:
        yield Problem("baseline", "Say what the deciding metric is today, above 0, or plan no end.")
    elif kind in SHARE_KINDS and baseline >= 1:
        yield Problem("baseline", "A share lies between 0 and 1: in the API, 12 % is 0.12.")
    if kind not in {None, *SHARE_KINDS} and (deviation is None or deviation <= 0):
        yield Problem(
            "baseline_deviation", "Say how much the deciding metric varies between units, or plan no end."
        )


def _oec_kind(facts: DesignFacts) -> MetricKind | None:
    oec = next((metric for metric in facts.design.metrics if metric.role is MetricRole.OEC), None)
    metric = None if oec is None else facts.metrics.get(oec.key)
    return None if metric is None else metric.definition.kind


def power_advice(facts: DesignFacts) -> str:
    """What is given up without a planned end."""
    if facts.design.planned_days is not None or facts.design.switchback is not None:
        return ""
    return "Without a planned end the intervals stay wide; planning an end finds smaller effects."


def audience_faults(facts: DesignFacts) -> Iterator[Problem]:
    """Somebody takes part."""
    if not 0 < facts.design.audience_parts_per_million <= WHOLE:
        yield Problem(
            "audience_parts_per_million", "Let somebody take part: an audience above 0 % and at most 100 %."
        )


# What can be wrong with evidence that already exists.
IMPORT_CHECKS: tuple[CheckRow[DesignFacts], ...] = (
    CheckRow("arms", "There are at least two variants", arms_faults),
    CheckRow("control", "The control is one of them", control_faults),
    CheckRow("arm_keys", "Each variant has a key of its own", arm_keys_faults),
    CheckRow("weights", "The weights are whole numbers", weights_faults),
    CheckRow("oec", "Exactly one metric decides", one_oec_faults),
    CheckRow("metrics", "Every metric is in the catalogue", metrics_faults),
    CheckRow("guardrails", "Every guardrail has a margin", guardrail_faults, guardrail_advice),
    CheckRow("alpha", "The confidence is between 80 % and 100 %", alpha_faults),
)
