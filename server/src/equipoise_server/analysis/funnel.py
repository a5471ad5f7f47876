"""From eligible to triggered, per arm: where units stay away, and whether the arms lose them alike.

Nobody counts assignments while they happen. Who was assigned is computed again: every id that sent
something while the experiment ran is put through the snapshot that clients had.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

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
    """All steps that can be told; with assignments, all of them of the same units."""
    if known.arm_of is None or not known.units:
        return Funnel(_from_exposure(design, stages), reason=known.reason or "no unit is known")
    assigned, exposed, triggered, reached = (Counter[str]() for _ in range(4))
    elsewhere = 0
    for unit in known.units:
        arm = known.arm_of(unit.unit)
        if arm is not None:
            assigned[arm] += 1
            reached[arm] += unit.arm is not None
        if unit.arm is not None:
            exposed[unit.arm] += 1
            triggered[unit.arm] += unit.is_triggered
            elsewhere += unit.arm != arm
    if elsewhere > MOST_ELSEWHERE * exposed.total():
        told = "most exposed units are not in the arm that the snapshot gives them: somebody else assigns"
        return Funnel(_from_exposure(design, stages), reason=told)
    lost = _lost_alike(design, assigned, reached)
    steps = (_step(design, "assigned", assigned), *_steps(design, exposed, triggered, lost))
    return Funnel(steps, len(known.units), 1 / known.one_in, elsewhere)


def _from_exposure(design: Design, stages: Sequence[StageCount]) -> tuple[FunnelStep, ...]:
    """What exposures alone tell."""
    exposed = Counter({stage.arm: stage.exposed for stage in stages})
    triggered = Counter({stage.arm: stage.triggered for stage in stages})
    return tuple(_steps(design, exposed, triggered, None))


def _steps(
    design: Design, exposed: Counter[str], triggered: Counter[str], lost: float | None
) -> Iterator[FunnelStep]:
    if exposed.total():
        yield replace(_step(design, "exposed", exposed), lost_p_value=lost)
    if triggered.total():
        lost = _lost_alike(design, exposed, triggered)
        yield replace(_step(design, "triggered", triggered), lost_p_value=lost)


def _step(design: Design, name: str, units: Counter[str]) -> FunnelStep:
    counts = tuple(units[arm.key] for arm in design.arms)
    weights = [float(arm.weight) for arm in design.arms]
    return FunnelStep(name, counts, stats.judge_srm(counts, weights).p_value)


def _lost_alike(design: Design, before: Counter[str], after: Counter[str]) -> float | None:
    units = [before[arm.key] for arm in design.arms]
    lost = [max(0, before[arm.key] - after[arm.key]) for arm in design.arms]
    return stats.differs_between_arms(stats.CheckName.JOIN_LOSS, lost, units).value
