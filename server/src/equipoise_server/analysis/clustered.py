"""Clusters were randomised: their totals are compared, by what their number allows, at the last look alone.

Members of one cluster are alike, so neither intervals nor the split may count them one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

import equipoise_stats as stats
from equipoise_server.analysis import looks
from equipoise_server.analysis.evidence import Job, treatments_of
from equipoise_server.analysis.judging import STATS_KINDS
from equipoise_server.analysis.looks import DueLook, LookFound
from equipoise_server.analysis.marks import Mark, MarkKind
from equipoise_server.analysis.moments import ArmMoments
from equipoise_server.analysis.plan import MeasuredMetric
from equipoise_server.analysis.sentences import REASONS, margin_text
from equipoise_server.analysis.values import (
    ComparisonRow,
    Conclusion,
    Further,
    Guardrail,
    GuardrailState,
    Interval,
)
from equipoise_server.experiments.values import MetricRole, VerdictState
from equipoise_server.metrics.values import Direction, MarginKind
from equipoise_stats.intervals import t_critical

METHODS = {
    stats.ClusterMethod.DELTA: "totals over sizes with the delta method",
    stats.ClusterMethod.CR2: "the same with CR2 errors, because there are few of them",
    stats.ClusterMethod.CLUSTER_MEANS: "the mean of each, because there are very few",
}
By = Mapping[str, Mapping[str, ArmMoments]]


@dataclass(frozen=True, slots=True)
class Compared:
    """One metric × treatment over clusters. means: control's and treatment's, per member."""

    one: MeasuredMetric
    treatment: str
    found: stats.ClusterEffect | stats.Undefined
    means: tuple[float | None, float | None]
    clusters: tuple[int, int]
    adjusted: float | None = None


def last_look(job: Job, pivots: Mapping[str, float]) -> tuple[LookFound, ...]:
    """The only look at clusters: once the planned end or the stop has come."""
    due = looks.final_look(job.iteration, now=job.now)
    if due is None:
        return ()
    span = looks.span_of(due, job.plan.longest_window)
    by_cluster = job.warehouse.moments_by(job.plan, span, pivots, Mark(MarkKind.CLUSTER))
    compared = [
        _compared(job, one, treatment, by_cluster)
        for one in job.measured
        for treatment in treatments_of(job.iteration)
    ]
    return look_of(job, due, compared, _note(job, compared))


def look_of(job: Job, due: DueLook, compared: Sequence[Compared], note: str) -> tuple[LookFound, ...]:
    """The look that some comparisons of groups make: families, gates, guardrails and a verdict."""
    alpha, families = job.iteration.design.alpha, _families(compared)
    gates = {one.treatment for one in families if _says(one, alpha) is Conclusion.BETTER and _is_oec(one)}
    rows = tuple(_row(one, alpha, is_open=one.treatment in gates) for one in families)
    further = Further(method_note=note)
    return (
        LookFound(
            1, due.as_of, True, due.method, rows, _verdict(rows), _blocked(rows), (), {},  # is_final
            further=further,
        ),
    )  # fmt: skip


def _compared(job: Job, one: MeasuredMetric, treatment: str, by_cluster: By) -> Compared:
    control = job.iteration.design.control
    parts = [
        (arm, found.moments)
        for arms in by_cluster.values()
        for arm, found in arms.items()
        if arm in {control, treatment} and found.moments.n
    ]
    table = stats.ClusterTable(
        np.array([_total(moments, one.metric.key) for _, moments in parts]),
        np.array([_size(moments, one) for _, moments in parts]),
        np.array([arm == treatment for arm, _ in parts]),
    ) if parts and all(_size(moments, one) > 0 for _, moments in parts) else None  # fmt: skip
    if table is None:
        nothing = stats.Undefined(stats.Status.TOO_FEW_CLUSTERS)
        return Compared(one, treatment, nothing, (None, None), (0, 0))
    rng = np.random.default_rng(job.iteration.id.int % 2**32)
    found = stats.cluster_effect(table, rng=rng, alpha=job.iteration.design.alpha)
    treated, untreated = table.counts
    means = _mean(table, treated=False), _mean(table, treated=True)
    return Compared(one, treatment, found, means, (untreated, treated))


def _total(moments: stats.Moments, column: str) -> float:
    return float(moments.means[moments.names.index(column)]) * moments.n


def _size(moments: stats.Moments, one: MeasuredMetric) -> float:
    is_ratio = STATS_KINDS[one.metric.definition.kind] is stats.MetricKind.RATIO
    return _total(moments, f"{one.metric.key}:denominator") if is_ratio else float(moments.n)


def _mean(table: stats.ClusterTable, *, treated: bool) -> float | None:
    rows = table.treated == treated
    return float(table.totals[rows].sum() / table.sizes[rows].sum()) if rows.any() else None


def _families(compared: Sequence[Compared]) -> list[Compared]:
    """Holm over treatments for the OEC, and over everything for the secondaries; alpha each."""
    adjusted: dict[int, float] = {}
    for role in (MetricRole.OEC, MetricRole.SECONDARY):
        at = [place for place, one in enumerate(compared) if one.one.planned.role is role]
        p = [_p_value(compared[place].found) for place in at]
        adjusted |= dict(zip(at, stats.holm(p), strict=True))
    return [replace(one, adjusted=adjusted.get(place)) for place, one in enumerate(compared)]


def _p_value(found: stats.ClusterEffect | stats.Undefined) -> float:
    """What is unknown counts in its family as 1."""
    return found.p_value if isinstance(found, stats.ClusterEffect) else 1.0


def _is_oec(compared: Compared) -> bool:
    return compared.one.planned.role is MetricRole.OEC


def _says(compared: Compared, alpha: float) -> Conclusion:
    if isinstance(compared.found, stats.Undefined):
        return Conclusion.UNKNOWN
    if compared.adjusted is None:
        return Conclusion.NOT_READ
    if compared.adjusted > alpha:
        return Conclusion.UNCLEAR
    rises = compared.found.effect.value > 0
    good = rises is (compared.one.metric.direction is Direction.INCREASE)
    return Conclusion.BETTER if good else Conclusion.WORSE


def _row(compared: Compared, alpha: float, *, is_open: bool) -> ComparisonRow:
    found, metric = compared.found, compared.one.metric
    known = isinstance(found, stats.ClusterEffect)
    says = _says(compared, alpha)
    if compared.one.planned.role is MetricRole.SECONDARY and not is_open and known:
        says = Conclusion.NOT_READ
    return ComparisonRow(
        metric=metric.key, metric_version=metric.version, name=metric.name, role=compared.one.planned.role,
        direction=metric.direction, display=metric.display, arm=compared.treatment,
        control_units=compared.clusters[0], treatment_units=compared.clusters[1],
        control_value=compared.means[0], treatment_value=compared.means[1],
        effect=found.effect.value if isinstance(found, stats.ClusterEffect) else None,
        effect_interval=Interval(found.effect.lower, found.effect.upper)
        if isinstance(found, stats.ClusterEffect) else None,
        lift=None, lift_interval=None,
        p_value=found.p_value if isinstance(found, stats.ClusterEffect) else None,
        adjusted_p_value=compared.adjusted, mde_reached=None, conclusion=says,
        reason="Of groups the difference is given, not the lift." if isinstance(found, stats.ClusterEffect)
        else REASONS[found.reason],
        guardrail=_guardrail(compared, alpha), confidence=1 - alpha,
    )  # fmt: skip


def _guardrail(compared: Compared, alpha: float) -> Guardrail | None:
    """Non-inferiority on the difference, one-sided; a relative margin is one of control's mean."""
    planned, metric, found = compared.one.planned, compared.one.metric, compared.found
    margin = planned.margin or metric.default_margin
    if planned.role is not MetricRole.GUARDRAIL or margin is None:
        return None
    state, base = GuardrailState.UNCLEAR, compared.means[0]
    allowed = margin.value * (abs(base or 0.0) if margin.kind is MarginKind.RELATIVE else 1.0)
    if isinstance(found, stats.ClusterEffect):
        sign = 1.0 if metric.direction is Direction.INCREASE else -1.0
        reach = float(t_critical(2 * alpha, found.degrees_of_freedom)) * found.standard_error
        distance = sign * found.effect.value + allowed
        state = GuardrailState.PASS if distance - reach > 0 else state
        state = GuardrailState.FAIL if distance + reach < 0 else state
    edge = -margin.value if metric.direction is Direction.INCREASE else margin.value
    is_relative = margin.kind is MarginKind.RELATIVE
    return Guardrail(
        state, margin_text(margin, metric.direction, metric.display), edge if is_relative else None,
        None if is_relative else edge, is_breached=False,
    )  # fmt: skip


def _verdict(rows: Sequence[ComparisonRow]) -> VerdictState:
    oec = [row.conclusion for row in rows if row.role is MetricRole.OEC]
    states = {row.guardrail.state for row in rows if row.guardrail is not None}
    if GuardrailState.FAIL in states:
        return VerdictState.GUARDRAIL_BREACHED
    if Conclusion.BETTER in oec:
        return VerdictState.WINNING if states <= {GuardrailState.PASS} else VerdictState.GUARDRAIL_UNCLEAR
    return VerdictState.LOSING if Conclusion.WORSE in oec else VerdictState.INCONCLUSIVE


def _blocked(rows: Sequence[ComparisonRow]) -> dict[str, tuple[str, ...]]:
    return {
        arm: tuple(
            f"Guardrail {row.name} is not shown to hold ({row.guardrail.margin_text})."
            for row in rows
            if row.arm == arm and row.guardrail is not None and row.guardrail.state is not GuardrailState.PASS
        )
        for arm in dict.fromkeys(row.arm for row in rows)
    }


def _note(job: Job, compared: Sequence[Compared]) -> str:
    methods = [one.found.method for one in compared if isinstance(one.found, stats.ClusterEffect)]
    if not methods:
        return ""
    permuted = any(isinstance(one.found, stats.ClusterEffect) and one.found.permuted for one in compared)
    ending = " p-values come from drawing the assignment again." if permuted else ""
    kind = job.iteration.design.cluster_type
    return f"Each {kind} is one observation: {METHODS[methods[0]]}. Units in the table are {kind}s.{ending}"
