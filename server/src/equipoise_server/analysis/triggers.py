"""Units for whom another arm would have looked different, and what their effect is for everybody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import equipoise_stats as stats
from equipoise_server.analysis.evidence import treatments_of
from equipoise_server.analysis.marks import Mark, MarkKind
from equipoise_server.analysis.moments import ArmMoments
from equipoise_server.analysis.plan import MeasuredMetric
from equipoise_server.analysis.reading import Reading, estimate_of, shown
from equipoise_server.analysis.small_cells import TOO_FEW, is_small
from equipoise_server.analysis.values import TriggeredLine


def triggered_lines(reading: Reading) -> Iterator[TriggeredLine]:
    """One line per deciding metric × treatment, when exposures tell of some units and not of all."""
    job = reading.job
    by_trigger = job.warehouse.moments_by(
        job.plan, reading.gathered.span, reading.pivots, Mark(MarkKind.TRIGGERED)
    )
    inside, outside = by_trigger.get("yes", {}), by_trigger.get("no", {})
    if not inside or not outside:
        return
    for one in reading.deciding:
        for treatment in treatments_of(job.iteration):
            yield _triggered_line(reading, one, treatment, (inside, outside))


def _triggered_line(
    reading: Reading,
    one: MeasuredMetric,
    treatment: str,
    parts: tuple[Mapping[str, ArmMoments], Mapping[str, ArmMoments]],
) -> TriggeredLine:
    inside, outside = parts
    pair = treatment, reading.job.iteration.design.control
    t, c = (estimate_of(inside, arm, one) for arm in pair)
    if is_small(t.n, c.n):
        return TriggeredLine(
            metric=one.metric.key, name=one.metric.name, arm=treatment, control_units=None,
            treatment_units=None, share=None, lift=None, lift_interval=None, everybody=None,
            everybody_interval=None, is_valid=True, reason=TOO_FEW,
        )  # fmt: skip
    everybody = estimate_of(reading.gathered.arms, pair[1], one)
    counts = [
        stats.TriggerCounts(max(1, units[0] + units[1]), units[0])
        for units in (
            tuple(part[arm].moments.n if arm in part else 0 for part in (inside, outside)) for arm in pair
        )
    ]
    rest = [estimate_of(outside, arm, one) for arm in pair]
    checked = stats.check_trigger((counts[0], counts[1]), (rest[0], rest[1]))
    lift = stats.fieller_lift(t, c, critical=reading.reach)
    share = stats.metric_share(c, everybody)
    diluted = None
    if isinstance(lift, stats.Interval) and isinstance(share, float) and 0 <= share <= 1:
        diluted = stats.diluted_lift(lift, share)
    return TriggeredLine(
        metric=one.metric.key,
        name=one.metric.name,
        arm=treatment,
        control_units=c.n,
        treatment_units=t.n,
        share=sum(count.triggered for count in counts) / sum(count.assigned for count in counts),
        lift=lift.value if isinstance(lift, stats.Interval) else None,
        lift_interval=shown(lift),
        everybody=None if diluted is None else diluted.value,
        everybody_interval=shown(diluted),
        is_valid=checked.is_valid,
    )
