"""From eligible to triggered, per arm: where units stay away, and whether the arms lose them alike.

Nobody counts assignments while they happen. Who was assigned is computed again: every id that sent
something while the experiment ran is put through the snapshot that clients had.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import equipoise_stats as stats
from equipoise_server.analysis.health_values import Funnel, FunnelStep
from equipoise_server.analysis.moments import KnownUnit, StageCount
from equipoise_server.experiments.values import Design

MOST_ELSEWHERE = 0.2
"""With more exposed units in another arm than this, somebody else assigns them."""

ArmOf = Callable[[str], str | None]
"""The arm that a unit is assigned; None when it has none."""


@dataclass(frozen=True, slots=True)
class Known:
    """Units that sent something, one in so many of them, and how to assign them again.

    arm_of is None where that cannot be done; `reason` says why.
    """

    units: Sequence[KnownUnit]
    one_in: int
    arm_of: ArmOf | None
    reason: str = ""


def funnel_of(design: Design, stages: Sequence[StageCount], known: Known) -> Funnel:
    """All steps that can be told."""
    if known.arm_of is None or not known.units:
        return Funnel(tuple(_exposed_steps(design, stages)), reason=known.reason or "no unit is known")
    assigned: Counter[str] = Counter()
    reached: Counter[str] = Counter()
    exposed = elsewhere = 0
    for unit in known.units:
        arm = known.arm_of(unit.unit)
        exposed += unit.arm is not None
        elsewhere += unit.arm is not None and unit.arm != arm
        if arm is not None:
            assigned[arm] += 1
            reached[arm] += unit.arm is not None
    if exposed and elsewhere / exposed > MOST_ELSEWHERE:
        told = "most exposed units are not in the arm that the snapshot gives them: somebody else assigns"
        return Funnel(tuple(_exposed_steps(design, stages)), reason=told)
    first = _step(design, "assigned", assigned)
    lost = _lost_alike(design, assigned, reached)
    rest = list(_exposed_steps(design, stages))
    if rest:
        rest[0] = FunnelStep(rest[0].name, rest[0].counts, rest[0].p_value, lost)
    share = 1 / known.one_in
    return Funnel((first, *rest), len(known.units), share, elsewhere)


def _exposed_steps(design: Design, stages: Sequence[StageCount]) -> Iterator[FunnelStep]:
    held = {stage.arm: stage for stage in stages}
    exposed = Counter({arm: stage.exposed for arm, stage in held.items()})
    triggered = Counter({arm: stage.triggered for arm, stage in held.items()})
    if exposed.total():
        yield _step(design, "exposed", exposed)
    if triggered.total():
        found = _step(design, "triggered", triggered)
        yield FunnelStep(found.name, found.counts, found.p_value, _lost_alike(design, exposed, triggered))


def _step(design: Design, name: str, units: Counter[str]) -> FunnelStep:
    counts = tuple(units[arm.key] for arm in design.arms)
    weights = [float(arm.weight) for arm in design.arms]
    return FunnelStep(name, counts, stats.judge_srm(counts, weights).p_value)


def _lost_alike(design: Design, before: Counter[str], after: Counter[str]) -> float | None:
    units = [before[arm.key] for arm in design.arms]
    lost = [max(0, before[arm.key] - after[arm.key]) for arm in design.arms]
    return stats.differs_between_arms(stats.CheckName.JOIN_LOSS, lost, units).value
