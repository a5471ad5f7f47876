"""How many units, how long, how small an effect: before there is data. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator

import equipoise_stats as stats
from equipoise_server.analysis.values import PowerAnswer, PowerQuestion, WeekMde
from equipoise_server.metrics.values import MetricKind

WEEKS = 8
DAYS_IN_WEEK = 7


def power_plan(question: PowerQuestion) -> PowerAnswer:
    """Units, days and the MDE by week; several treatments share alpha."""
    missing = tuple(_missing(question))
    variance = _unit_variance(question)
    if missing or variance is None or question.baseline is None:
        return PowerAnswer(None, None, None, None, (), missing)
    baseline = stats.Baseline(question.baseline, variance)
    return _answer(question, baseline)


def _answer(question: PowerQuestion, baseline: stats.Baseline) -> PowerAnswer:
    target = stats.PowerTarget(question.alpha, question.power, len(question.weights) - 1)
    by_week = _by_week(question, baseline, target)
    if question.mde_relative is None:
        return PowerAnswer(None, None, None, None, by_week, ("the smallest change worth finding",))
    control = math.ceil(_control_units(question, baseline, target))
    total = math.ceil(control * sum(question.weights) / question.weights[0])
    missing = () if question.daily_units else ("new units a day",)
    lasting = stats.duration(total, [float(question.daily_units)]) if question.daily_units else None
    return PowerAnswer(
        units_per_arm=control,
        total_units=total,
        days=None if lasting is None else lasting.days,
        recommended_days=None if lasting is None else lasting.recommended_days,
        by_week=by_week,
        missing=missing,
    )


def _control_units(question: PowerQuestion, baseline: stats.Baseline, target: stats.PowerTarget) -> float:
    """Control units such that the smallest treatment can show the effect."""
    assert question.mde_relative is not None
    effect = baseline.value * question.mde_relative
    raised = baseline.unit_variance
    if question.kind is MetricKind.CONVERSION:
        rate = min(1.0, baseline.value * (1 + question.mde_relative))
        raised = rate * (1 - rate)
    return stats.units_per_arm(
        effect,
        baseline.unit_variance,
        target,
        treatment_unit_variance=raised,
        treatment_per_control=min(question.weights[1:]) / question.weights[0],
    )


def _by_week(
    question: PowerQuestion, baseline: stats.Baseline, target: stats.PowerTarget
) -> tuple[WeekMde, ...]:
    if not question.daily_units:
        return ()
    whole = sum(question.weights)
    per_control = min(question.weights[1:]) / question.weights[0]
    answers = []
    for week in range(1, WEEKS + 1):
        units = question.daily_units * DAYS_IN_WEEK * week
        control = units * question.weights[0] / whole
        effect = stats.detectable_effect(
            baseline.unit_variance, control, target, treatment_per_control=per_control
        )
        answers.append(WeekMde(week, units, effect / baseline.value))
    return tuple(answers)


def _unit_variance(question: PowerQuestion) -> float | None:
    if question.kind is MetricKind.CONVERSION:
        return None if question.baseline is None else question.baseline * (1 - question.baseline)
    return None if question.deviation is None else question.deviation**2


def _missing(question: PowerQuestion) -> Iterator[str]:
    is_rate = question.kind is MetricKind.CONVERSION
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
