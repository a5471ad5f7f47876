"""The cumulative impact of what was launched: a holdout's held units against all open ones, once a day.

Company metrics alone (L1), as sequences, because people read it every month for as long as a season lasts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import equipoise_stats as stats
from equipoise_server.access import reads as access
from equipoise_server.analysis import models
from equipoise_server.analysis.codec import from_json, to_json
from equipoise_server.analysis.impact_values import HoldoutImpact, ImpactLine, Shipped
from equipoise_server.analysis.judging import STATS_KINDS
from equipoise_server.analysis.moments import ArmMoments, Files, Warehouse
from equipoise_server.analysis.past import lifts_of_arm
from equipoise_server.analysis.plan import Plan, Span, columns_of
from equipoise_server.analysis.reading import shown
from equipoise_server.analysis.sentences import REASONS, chance
from equipoise_server.events import reads as events
from equipoise_server.events.values import EventKind
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.values import DecisionKind, Experiment, Holdout
from equipoise_server.metrics import reads as metrics
from equipoise_server.metrics.values import Metric, MetricKind, Tier

HELD, OPEN = "holdout", "open"
MOST_METRICS = 8
FEWEST_EXPECTED = 20_000
_WHOLE = 1_000_000


@dataclass(frozen=True, slots=True)
class _Season:
    """A holdout's newest season in one environment of a project."""

    holdout: Holdout
    project_id: UUID
    environment_id: UUID
    measured: tuple[Metric, ...]
    shipped: tuple[tuple[Experiment, Shipped], ...]

    @property
    def shares(self) -> dict[str, float]:
        held = self.holdout.parts_per_million
        return {HELD: float(held), OPEN: float(_WHOLE - held)}


def measure_holdout(holdout: Holdout, project_id: UUID, environment_id: UUID, *, now: datetime) -> None:
    """Compute the newest season's impact and keep it."""
    measured = [
        one
        for one in metrics.metrics_of(project_id)
        if one.tier is Tier.L1 and one.archived_at is None and one.definition.kind is not MetricKind.QUANTILE
    ]
    shipped = tuple(_shipped(project_id, environment_id, since=holdout.season.started_at))
    season = _Season(holdout, project_id, environment_id, tuple(measured[:MOST_METRICS]), shipped)
    found = _impact(season, now=now)
    models.HoldoutReport.objects.update_or_create(
        holdout_id=holdout.id, environment_id=environment_id, season=holdout.season.number,
        defaults={"computed_at": now, "report": to_json(found)},
    )  # fmt: skip


def measure_holdouts(now: datetime) -> None:
    """Measure every open holdout wherever it covers something."""
    for environment in access.all_environments():
        for held in experiments.holdouts_of(environment.project_id):
            if held.is_open:
                seen = experiments.holdout(environment.project_id, held.key)
                if any(one.environment_id == environment.id for one in seen.covered):
                    measure_holdout(seen, environment.project_id, environment.id, now=now)


def holdout_impact(holdout: Holdout, environment_id: UUID) -> HoldoutImpact | None:
    """What was found last of the newest season; None before it was measured."""
    row = models.HoldoutReport.objects.filter(
        holdout_id=holdout.id, environment_id=environment_id, season=holdout.season.number
    ).first()
    return None if row is None else from_json(row.report, HoldoutImpact)


def _impact(season: _Season, *, now: datetime) -> HoldoutImpact:
    counts, arms = _read(season, now=now)
    srm = stats.judge_srm([counts[arm] for arm in (HELD, OPEN)], list(season.shares.values()))
    withheld = _why_withheld(season, srm)
    lines = () if withheld else tuple(_lines(season, counts, arms))
    return HoldoutImpact(
        season.holdout.id, season.environment_id, season.holdout.season.number, now,
        counts[HELD], counts[OPEN], srm.p_value, withheld, lines, tuple(one for _, one in season.shipped),
    )  # fmt: skip


def _why_withheld(season: _Season, srm: stats.Srm) -> str:
    if srm.p_value is None:
        return "No unit has met a covered flag yet."
    if srm.verdict is stats.SrmVerdict.LOCKED:
        return (
            "The split of held and open units is broken: chance alone does that"
            f" {chance(srm.p_value)}. Do covered flags send their exposures for held units, too?"
        )
    return "" if season.measured else "No metric of the catalogue is of tier L1, which a holdout is read by."


def _read(season: _Season, *, now: datetime) -> tuple[dict[str, int], Mapping[str, ArmMoments]]:
    """Units whose windows have closed: counts and moments of held and open ones."""
    plan = _plan(season)
    since = plan.since - plan.longest_past
    files = Files(
        *(
            events.pinned_files(season.environment_id, kind, since=since, until=now).paths
            for kind in (EventKind.EXPOSURE, EventKind.TRACK)
        )
    )
    warehouse = Warehouse(files)
    try:
        span = Span(now, now - plan.longest_window)
        counted = warehouse.counts(plan, span)
        counts = {arm: sum(one.units for one in counted if one.arm == arm) for arm in plan.arms}
        return counts, warehouse.moments(plan, span, {}) if any(counts.values()) else {}
    finally:
        warehouse.close()


def _plan(season: _Season) -> Plan:
    columns = tuple(
        column
        for one in season.measured
        for column in columns_of(one.key, one.definition)
        if not column.before
    )
    held = season.holdout
    return Plan(
        held.key, held.season.number, held.unit_type, (HELD, OPEN), held.season.started_at, columns
    )  # fmt: skip


def _lines(season: _Season, counts: Mapping[str, int], arms: Mapping[str, ArmMoments]) -> list[ImpactLine]:
    """Each metric is read by itself; the first is the OEC in name alone, for there must be one."""
    plans = tuple(
        stats.MetricPlan(
            one.key, STATS_KINDS[one.definition.kind],
            stats.MetricRole.DIAGNOSTIC if place else stats.MetricRole.OEC, stats.Direction(one.direction),
        )
        for place, one in enumerate(season.measured)
    )  # fmt: skip
    design = stats.Design(
        tuple(stats.VariantPlan(arm, share) for arm, share in season.shares.items()),
        HELD, plans, expected_units=FEWEST_EXPECTED, planned_end_reached=False,
    )  # fmt: skip
    evidence = stats.Evidence(counts, {arm: found.moments for arm, found in arms.items()}, 7)
    results = stats.analyse(evidence, design)
    if isinstance(results, stats.Withheld):
        return []
    named = {one.key: one for one in season.measured}
    return [_line(found, named[found.metric], season) for found in results.metrics]


def _line(found: stats.MetricResult, metric: Metric, season: _Season) -> ImpactLine:
    lifts = [
        lift for experiment, one in season.shipped for lift in lifts_of_arm(experiment, metric.key, one.arm)
    ]
    promised = stats.compound([stats.TriedExperiment(*lift) for lift in lifts]).lift if lifts else None
    return ImpactLine(
        metric=metric.key,
        name=metric.name,
        display=metric.display,
        direction=metric.direction,
        held_value=found.control_estimate.value,
        open_value=found.treatment_estimate.value,
        effect=found.effect.value if isinstance(found.effect, stats.Interval) else None,
        effect_interval=shown(found.effect),
        lift=found.lift.value if isinstance(found.lift, stats.Interval) else None,
        lift_interval=shown(found.lift),
        reason=_reason(found),
        promised=promised,
        promised_by=len(lifts),
    )


def _reason(found: stats.MetricResult) -> str:
    if found.status is not stats.Status.OK:
        return REASONS[found.status]
    return REASONS[found.lift.reason] if isinstance(found.lift, stats.Undefined) else ""


def _shipped(
    project_id: UUID, environment_id: UUID, *, since: datetime
) -> Sequence[tuple[Experiment, Shipped]]:
    return [
        (one, Shipped(one.key, one.name, one.decision.arm, one.decision.decided_at))
        for one in experiments.experiments_of(project_id)
        if one.decision is not None
        and one.decision.kind is DecisionKind.SHIP
        and one.decision.decided_at >= since
        and one.iteration is not None
        and one.iteration.environment_id == environment_id
    ]
