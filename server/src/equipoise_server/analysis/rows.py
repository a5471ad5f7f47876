"""From one analysis of `equipoise_stats` to the rows, verdict and blocks that doors read. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import equipoise_stats as stats
from equipoise_server.analysis.judging import COMPOSITE, is_composite, weight_shares
from equipoise_server.analysis.looks import taken_of
from equipoise_server.analysis.plan import MeasuredMetric
from equipoise_server.analysis.sentences import REASONS, block_sentence, margin_text
from equipoise_server.analysis.values import (
    ComparisonRow,
    Conclusion,
    Guardrail,
    GuardrailState,
    Interval,
)
from equipoise_server.experiments.values import MetricRole, VerdictState
from equipoise_server.metrics.values import Direction, Margin, MarginKind

_CONCLUSIONS: Mapping[stats.Significance, Conclusion] = {
    stats.Significance.BETTER: Conclusion.BETTER,
    stats.Significance.WORSE: Conclusion.WORSE,
    stats.Significance.NOT_SIGNIFICANT: Conclusion.UNCLEAR,
    stats.Significance.GATE_CLOSED: Conclusion.NOT_READ,
    stats.Significance.NOT_TESTED: Conclusion.NOT_READ,
    stats.Significance.UNKNOWN: Conclusion.UNKNOWN,
}
_STATES: Mapping[stats.Verdict, VerdictState] = {
    stats.Verdict.ALARM: VerdictState.GUARDRAIL_BREACHED,
    stats.Verdict.SHIP_CANDIDATE: VerdictState.WINNING,
    stats.Verdict.KEEP_RUNNING: VerdictState.RUNNING,
    stats.Verdict.GUARDRAIL_FAILED: VerdictState.GUARDRAIL_BREACHED,
    stats.Verdict.HARMFUL: VerdictState.LOSING,
    stats.Verdict.GUARDRAIL_UNPROVEN: VerdictState.GUARDRAIL_UNCLEAR,
    stats.Verdict.INCONCLUSIVE: VerdictState.INCONCLUSIVE,
}
_GUARDRAILS: Mapping[stats.GuardrailVerdict, GuardrailState] = {
    stats.GuardrailVerdict.PASS: GuardrailState.PASS,
    stats.GuardrailVerdict.FAIL: GuardrailState.FAIL,
    stats.GuardrailVerdict.INCONCLUSIVE: GuardrailState.UNCLEAR,
}
_EARLY = frozenset({stats.Status.TOO_EARLY, stats.Status.NOT_AT_THE_END, stats.Status.NO_UNITS})
COMPOSITE_NAME = "the weighted OEC"
_USUAL = 0.95


@dataclass(frozen=True, slots=True)
class _Named:
    """What doors call a metric of the results."""

    key: str
    version: int
    name: str
    role: MetricRole
    direction: Direction
    display: str
    measured: MeasuredMetric | None
    weight: float | None


def comparison_rows(
    results: stats.Results, measured: Sequence[MeasuredMetric], adjusted_for: Mapping[str, tuple[str, ...]]
) -> tuple[ComparisonRow, ...]:
    """One row per metric and treatment, in the plan's order. adjusted_for: by metric, in words."""
    named = _names(measured)
    return tuple(
        _row(result, named[result.metric], adjusted_for.get(result.metric, ())) for result in results.metrics
    )


def _names(measured: Sequence[MeasuredMetric]) -> dict[str, _Named]:
    """Parts of a weighted OEC explain it; none of them decides."""
    composed = is_composite(measured)
    shares = weight_shares(measured) if composed else {}
    whole = _Named(COMPOSITE, 0, COMPOSITE_NAME, MetricRole.OEC, Direction.INCREASE, "percent", None, None)
    named = {COMPOSITE: whole}
    for one in measured:
        metric, role = one.metric, one.planned.role
        if composed and role is MetricRole.OEC:
            role = MetricRole.DIAGNOSTIC
        share = shares.get(metric.key)
        named[metric.key] = _Named(
            metric.key, metric.version, metric.name, role, metric.direction, metric.display, one, share
        )
    return named


def _row(result: stats.MetricResult, named: _Named, adjusted_for: tuple[str, ...]) -> ComparisonRow:
    effect, effect_interval = _interval(result.effect)
    lift, lift_interval = _interval(result.lift)
    is_index = named.measured is None
    return ComparisonRow(
        metric=named.key,
        metric_version=named.version,
        name=named.name,
        role=named.role,
        direction=named.direction,
        display=named.display,
        arm=result.treatment,
        control_units=result.control_estimate.n,
        treatment_units=result.treatment_estimate.n,
        control_value=None if is_index else result.control_estimate.value,
        treatment_value=None if is_index else result.treatment_estimate.value,
        effect=effect,
        effect_interval=effect_interval,
        lift=lift,
        lift_interval=lift_interval,
        p_value=result.p_value,
        adjusted_p_value=result.adjusted_p_value,
        mde_reached=_mde(result),
        conclusion=_conclusion(result),
        reason=_reason(result),
        guardrail=None if named.measured is None else _guardrail(result, named.measured),
        confidence=result.effect.confidence if isinstance(result.effect, stats.Interval) else _USUAL,
        adjusted_for=adjusted_for if result.variance_reduction is not None else (),
        variance_reduction=result.variance_reduction,
        look=taken_of(result.look),
        weight=named.weight,
        control_deviation=_deviation(result.control_estimate),
    )


def _deviation(control: stats.Estimate) -> float | None:
    return None if control.unit_variance is None else math.sqrt(control.unit_variance)


def _mde(result: stats.MetricResult) -> float | None:
    lift = None if result.mde_reached is None else result.mde_reached.lift
    return None if lift is None else _finite(lift)


def _interval(found: stats.Interval | stats.Undefined) -> tuple[float | None, Interval | None]:
    if isinstance(found, stats.Undefined):
        return None, None
    return found.value, Interval(_finite(found.lower), _finite(found.upper))


def _finite(end: float) -> float | None:
    return end if math.isfinite(end) else None


def _conclusion(result: stats.MetricResult) -> Conclusion:
    if result.status in _EARLY:
        return Conclusion.TOO_EARLY
    return _CONCLUSIONS[result.significance]


def _reason(result: stats.MetricResult) -> str:
    if result.status is not stats.Status.OK:
        return REASONS[result.status]
    return REASONS[result.lift.reason] if isinstance(result.lift, stats.Undefined) else ""


def _guardrail(result: stats.MetricResult, one: MeasuredMetric) -> Guardrail | None:
    if result.guardrail is None:
        return None
    margin = one.planned.margin or one.metric.default_margin
    assert margin is not None, "a guardrail has a margin"
    return Guardrail(
        state=_GUARDRAILS[result.guardrail.verdict],
        margin_text=margin_text(margin, one.metric.direction, one.metric.display),
        margin_lift=_edge(margin, MarginKind.RELATIVE, one.metric.direction),
        margin_effect=_edge(margin, MarginKind.ABSOLUTE, one.metric.direction),
        is_breached=is_breached(result),
        bound=None if result.guardrail.bounded is None else result.guardrail.bounded.bound,
        bound_state=None
        if result.guardrail.bounded is None
        else _GUARDRAILS[result.guardrail.bounded.verdict],
    )


def is_breached(result: stats.MetricResult) -> bool:
    """Whether the guardrail's alarm sounds."""
    return isinstance(result.alarm, stats.Alarm) and result.alarm.breached


def _edge(margin: Margin, kind: MarginKind, direction: Direction) -> float | None:
    """Where the harm that is not allowed begins, on the scale of the margin's kind."""
    if margin.kind is not kind:
        return None
    return -margin.value if direction is Direction.INCREASE else margin.value


def verdict_state(results: stats.Results, rows: Sequence[ComparisonRow], *, is_final: bool) -> VerdictState:
    """The experiment's state in one word; after the last look nothing keeps running."""
    state = _STATES[results.verdict]
    if state is not VerdictState.RUNNING:
        return state
    oec = [row.conclusion for row in rows if row.role is MetricRole.OEC]
    if not is_final:
        early = all(conclusion is Conclusion.TOO_EARLY for conclusion in oec)
        return VerdictState.TOO_EARLY if early else VerdictState.RUNNING
    succeeded = Conclusion.BETTER in oec
    unproven = any(row.guardrail is not None and row.guardrail.state != "pass" for row in rows)
    return VerdictState.GUARDRAIL_UNCLEAR if succeeded and unproven else VerdictState.INCONCLUSIVE


def blocks(rows: Sequence[ComparisonRow], arm_names: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """By treatment, why it cannot be shipped: guardrails that do not hold."""
    return {
        arm: tuple(
            block_sentence(row, arm_names[arm])
            for row in rows
            if row.arm == arm
            and row.guardrail is not None
            and (row.guardrail.state is not GuardrailState.PASS or row.guardrail.is_breached)
        )
        for arm in dict.fromkeys(row.arm for row in rows)
    }
