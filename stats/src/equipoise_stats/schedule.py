"""Which scheduled look an analysis is, for each metric × treatment, and the ledger it leaves behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from equipoise_stats.estimates import Status, Undefined
from equipoise_stats.looks import Dependence, Ledger, Look, LookRule, LookState
from equipoise_stats.plan import Design, Evidence, MetricPlan
from equipoise_stats.spending import LookPlan


@dataclass(frozen=True, slots=True)
class Scheduled:
    """The look at one metric × treatment.

    times: information times up to and with it. guardrail_critical: the one-sided bound of
    non-inferiority at the same look.
    """

    rule: LookRule
    times: tuple[float, ...]
    look: Look
    guardrail_critical: float


Schedule: TypeAlias = Mapping[tuple[str, str], Scheduled | Undefined]


def schedule(design: Design, evidence: Evidence) -> Schedule:
    """The look at every metric × treatment, or why there is none now; empty without a planned end.

    Information: matured units over planned units, of all arms; for open-ended metrics the share
    of the planned days, under bounds for any dependence.
    """
    if design.looks is None:
        return {}
    made: dict[tuple[Dependence, tuple[float, ...], bool], Scheduled | Undefined] = {}
    found = {}
    for metric in design.metrics:
        rule = _rule(metric, design.looks, design.alpha)
        now = _information(metric, design, evidence)
        for treatment in design.treatments:
            earlier = evidence.ledger.of(metric.key, treatment)
            times = tuple(look.information for look in earlier)
            key = rule.dependence, times, bool(earlier) and earlier[-1].is_last
            if key not in made:
                made[key] = _scheduled(rule, earlier, now, ended=design.planned_end_reached)
            found[metric.key, treatment] = made[key]
    return found


def recorded(ledger: Ledger, scheduled: Schedule, taken: Mapping[tuple[str, str], Look]) -> Ledger:
    """The ledger with this look. taken: by metric × treatment; what has none took no look."""
    added = {
        key: (*ledger.of(*key)[: len(now.times) - 1], taken[key])
        for key, now in scheduled.items()
        if key in taken and isinstance(now, Scheduled)
    }
    return Ledger({**ledger.looks, **added})


def _rule(metric: MetricPlan, plan: LookPlan, alpha: float) -> LookRule:
    dependence = Dependence.ANY if metric.open_ended else Dependence.INDEPENDENT_INCREMENTS
    return LookRule(plan, alpha, dependence)


def _information(metric: MetricPlan, design: Design, evidence: Evidence) -> float:
    if metric.open_ended:
        return evidence.observed_days / (design.planned_days or 1.0)
    weighed = (variant.key for variant in design.variants if variant.weight > 0)
    units = sum(evidence.moments[key].n for key in weighed if key in evidence.moments)
    return units / (design.expected_units or 1)


def _scheduled(rule: LookRule, earlier: Sequence[Look], now: float, *, ended: bool) -> Scheduled | Undefined:
    state = rule.state_of(earlier, now, ended=ended)
    look = rule.next_look(earlier, now, ended=ended)
    if look is None:
        after = state is LookState.AFTER_THE_END
        return Undefined(Status.LOOKS_ENDED if after else Status.LOOK_SKIPPED)
    before = earlier if state is LookState.TAKEN else earlier[:-1]
    times = (*(taken.information for taken in before), now)
    one_sided = replace(rule, two_sided=False).look_at(times, ended=look.is_last)
    return Scheduled(rule, times, look, one_sided.critical)
