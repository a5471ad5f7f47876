"""How many units, how long, how small an effect: before there is data. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import equipoise_stats as stats
from equipoise_server.analysis.values import (
    GuardrailPower,
    GuardrailQuestion,
    PowerAnswer,
    PowerQuestion,
    WeekMde,
)
from equipoise_server.metrics.values import SHARE_KINDS, MarginKind, MetricKind

WEEKS = 8
DAYS_IN_WEEK = 7
USUAL_DAYS = 14
MOST_LOOKS = 100


@dataclass(frozen=True, slots=True)
class _Plan:
    """A question that can be answered. noise: of one unit, after covariates and with its cluster's share."""

    question: PowerQuestion
    baseline: stats.Baseline
    target: stats.PowerTarget
    inflation: float

    @property
    def per_control(self) -> float:
        """Units of the smallest treatment for each of control."""
        return min(self.question.weights[1:]) / self.question.weights[0]


def power_plan(question: PowerQuestion) -> PowerAnswer:
    """Units, days, the MDE by week, and what it means for guardrails; several treatments share alpha."""
    missing = tuple(_missing(question))
    variance = _unit_variance(question.kind, question.baseline, question.deviation)
    if missing or variance is None or question.baseline is None:
        return PowerAnswer(None, None, None, None, (), missing)
    target = _target(question)
    noise = variance * (1 - question.reduction) * _design_effect(question)
    plan = _Plan(question, stats.Baseline(question.baseline, noise), target, _inflation(question, target))
    return _answer(plan)


def _answer(plan: _Plan) -> PowerAnswer:
    question, by_week = plan.question, _by_week(plan)
    if question.mde_relative is None:
        missing = ("the smallest change worth finding",)
        return PowerAnswer(None, None, None, None, by_week, missing, plan.inflation)
    oec = _control_units(plan) * plan.inflation
    guardrails = tuple(_guardrail(one, plan, oec) for one in question.guardrails)
    asking = [(one.units_per_arm, one.name) for one in guardrails if one.units_per_arm]
    most, name = max(asking, default=(0, ""))
    control = math.ceil(oec)
    total = math.ceil(control * sum(question.weights) / question.weights[0])
    lasting = stats.duration(total, [float(question.daily_units)]) if question.daily_units else None
    return PowerAnswer(
        units_per_arm=control,
        total_units=total,
        days=None if lasting is None else lasting.days + math.ceil(_waiting(question)),
        recommended_days=None if lasting is None else _whole_weeks(lasting.days + _waiting(question)),
        by_week=by_week,
        missing=() if question.daily_units else ("new units a day",),
        inflation=plan.inflation,
        decided_by=name if most > control else "",
        guardrails=guardrails,
        all_pass=_all_pass(plan, guardrails),
        clusters=None if question.cluster_size is None else _clusters(total, question.cluster_size),
    )


def _target(question: PowerQuestion) -> stats.PowerTarget:
    """Treatments share alpha as the analysis does: equally where looks repeat, by Dunnett at a single one."""
    target = stats.PowerTarget(question.alpha, question.power, len(question.weights) - 1)
    is_one_look = question.looks is not None and question.looks.count == 1
    return stats.dunnett_target(target) if is_one_look and target.treatments > 1 else target


def _inflation(question: PowerQuestion, target: stats.PowerTarget) -> float:
    """Units over those of one look at the end."""
    days = question.planned_days or USUAL_DAYS
    if question.looks is None:
        return _of_sequences(target, days)
    count = question.looks.count or max(1, round(days - _waiting(question)))
    spending = stats.LookPlan(stats.Spending(question.looks.spending), question.looks.gamma)
    return 1.0 if count == 1 else _of_looks(target, count, spending)


@lru_cache(maxsize=256)
def _of_sequences(target: stats.PowerTarget, looks: int) -> float:
    return stats.sequence_inflation(target, looks=looks)


@lru_cache(maxsize=256)
def _of_looks(target: stats.PowerTarget, looks: int, plan: stats.LookPlan) -> float:
    return stats.sequential_inflation(stats.equal_looks(looks), target, plan)


def _waiting(question: PowerQuestion) -> float:
    """Days at the end whose units do not count: with looks only those whose window has closed."""
    return 0.0 if question.looks is None else question.window_days


def _whole_weeks(days: float) -> int:
    return max(1, math.ceil(days / DAYS_IN_WEEK)) * DAYS_IN_WEEK


def _design_effect(question: PowerQuestion) -> float:
    """How much more noise alike units of one cluster make (Eldridge, Ashby & Kerry 2006)."""
    if question.cluster_size is None:
        return 1.0
    return stats.Clusters(question.cluster_size, question.cluster_correlation or 0.0).design_effect


def _clusters(units: int, size: float) -> int:
    return math.ceil(units / size)


def _control_units(plan: _Plan) -> float:
    """Control units such that the smallest treatment can show the effect, with one look."""
    question, baseline = plan.question, plan.baseline
    assert question.mde_relative is not None
    effect = baseline.value * question.mde_relative
    raised = baseline.unit_variance
    if question.kind in SHARE_KINDS:
        rate = min(1.0, baseline.value * (1 + question.mde_relative))
        raised = raised * rate * (1 - rate) / (baseline.value * (1 - baseline.value))
    return stats.units_per_arm(
        effect,
        baseline.unit_variance,
        plan.target,
        treatment_unit_variance=raised,
        treatment_per_control=plan.per_control,
    )


def _by_week(plan: _Plan) -> tuple[WeekMde, ...]:
    question = plan.question
    if not question.daily_units:
        return ()
    whole = sum(question.weights)
    answers = []
    for week in range(1, WEEKS + 1):
        units = question.daily_units * DAYS_IN_WEEK * week
        counted = question.daily_units * max(DAYS_IN_WEEK * week - _waiting(question), 0.0)
        control = counted * question.weights[0] / whole / plan.inflation
        if control <= 0:
            answers.append(WeekMde(week, units, None))
            continue
        effect = stats.detectable_effect(
            plan.baseline.unit_variance, control, plan.target, treatment_per_control=plan.per_control
        )
        answers.append(WeekMde(week, units, effect / plan.baseline.value))
    return tuple(answers)


def _guardrail(one: GuardrailQuestion, plan: _Plan, oec_units: float) -> GuardrailPower:
    """Whether a treatment that does no harm passes: power of non-inferiority at no difference."""
    variance = _unit_variance(one.kind, one.baseline, one.deviation)
    if variance is None or not one.baseline or one.margin is None:
        told = "its margin" if one.margin is None else "what it is today"
        return GuardrailPower(one.name, None, None, told)
    noise = variance * _design_effect(plan.question)
    k = 1 - one.margin.value if one.margin.kind is MarginKind.RELATIVE else 1.0
    allowed = one.margin.value * (abs(one.baseline) if one.margin.kind is MarginKind.RELATIVE else 1.0)
    spread = noise * (1 / plan.per_control + k * k)
    reach = _z(plan.question.alpha)
    each = stats.power_with_guardrails(plan.question.power, len(plan.question.guardrails))
    needed = (reach + _z(1 - each)) ** 2 * spread / allowed**2 * plan.inflation
    control = _units_at_the_end(plan, oec_units) / plan.inflation
    passes = _share_below(allowed / math.sqrt(spread / control) - reach)
    return GuardrailPower(one.name, 1 - passes, math.ceil(needed))


def _units_at_the_end(plan: _Plan, needed: float) -> float:
    """Control units by the planned end; without one, those that the OEC needs."""
    question = plan.question
    if question.daily_units is None or question.planned_days is None:
        return needed
    days = max(question.planned_days - _waiting(question), 1.0)
    return question.daily_units * days * question.weights[0] / sum(question.weights)


def _all_pass(plan: _Plan, guardrails: Sequence[GuardrailPower]) -> float | None:
    """The OEC's power at the end of the plan times what every guardrail lets through, were they unrelated."""
    if plan.question.mde_relative is None or any(one.blocked is None for one in guardrails):
        return None
    needed = _control_units(plan) * plan.inflation
    ratio = _units_at_the_end(plan, needed) / needed
    power = _share_below(plan.target.reach * math.sqrt(ratio) - _z(plan.target.tail))
    return power * math.prod(1 - (one.blocked or 0.0) for one in guardrails)


def _unit_variance(kind: MetricKind, baseline: float | None, deviation: float | None) -> float | None:
    if kind in SHARE_KINDS:
        return None if baseline is None or not 0 < baseline < 1 else baseline * (1 - baseline)
    return None if deviation is None or deviation <= 0 else deviation**2


def _missing(question: PowerQuestion) -> Iterator[str]:
    is_rate = question.kind in SHARE_KINDS
    if question.baseline is None or question.baseline <= 0 or (is_rate and question.baseline >= 1):
        yield "today's share (between 0 % and 100 %)" if is_rate else "today's mean (above zero)"
    if not is_rate and (question.deviation is None or question.deviation <= 0):
        yield "the standard deviation per unit"
    if question.mde_relative is not None and question.mde_relative <= 0:
        yield "a smallest change above zero"
    if len(question.weights) < 2 or min(question.weights, default=0) <= 0:  # noqa: PLR2004  # two arms
        yield "at least two arms with weights above zero"
    if not 0 < question.alpha < 1 or not question.alpha / 2 < question.power < 1:
        yield "alpha and power between 0 and 1"
    count = None if question.looks is None else question.looks.count
    if count is not None and not 1 <= count <= MOST_LOOKS:
        yield f"1 to {MOST_LOOKS} looks"
    if not 0 <= question.reduction < 1:
        yield "a share of variance below 100 % that covariates explain"


def _z(tail: float) -> float:
    return NormalDist().inv_cdf(1 - tail)


def _share_below(z: float) -> float:
    return NormalDist().cdf(z)
