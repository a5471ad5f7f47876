"""What a plan needs beyond one fixed comparison: covariates, clusters, treatments, guardrails, growth.

Each answer feeds `power.units_per_arm` and its siblings. Refuses to know data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special, stats

from equipoise_stats.dunnett import dunnett_critical
from equipoise_stats.estimates import ratio_estimate
from equipoise_stats.faults import InputError, require
from equipoise_stats.moments import Moments
from equipoise_stats.power import (
    DEFAULT_TARGET,
    Baseline,
    PowerTarget,
    duration,
    units_per_arm,
    units_per_arm_of_guardrail,
)

_FEWEST_DAYS = 3


def with_covariates(baseline: Baseline, explained: float) -> Baseline:
    """The baseline after adjustment by covariates that explain this share (R²) of its variance.

    Var (1 - R²) (Deng, Xu, Kohavi & Walker 2013, eq. 4). Raises InputError.
    """
    require((0 <= explained < 1, f"explained must lie in 0..1, not {explained}"))
    return replace(baseline, unit_variance=baseline.unit_variance * (1 - explained))


def ratio_baseline(moments: Moments, numerator: str, denominator: str) -> Baseline:
    """The baseline of a ratio from pre-period moments, its variance linearised. Raises InputError."""
    found = ratio_estimate(moments, numerator, denominator)
    if found.value is None or found.unit_variance is None:
        raise InputError((f"{numerator} over {denominator} cannot be planned with: {found.status}",))
    return Baseline(found.value, found.unit_variance)


@dataclass(frozen=True, slots=True)
class Clusters:
    """Clusters as they are: mean size, coefficient of variation of sizes, intra-class correlation."""

    mean_size: float
    icc: float
    size_variation: float = 0.0

    def __post_init__(self) -> None:
        require(
            (self.mean_size >= 1, f"mean_size must be at least 1, not {self.mean_size}"),
            (0 <= self.icc <= 1, f"icc must lie in 0..1, not {self.icc}"),
            (self.size_variation >= 0, f"size_variation must be 0 or more, not {self.size_variation}"),
        )

    @property
    def design_effect(self) -> float:
        """1 + ((cv² + 1) m - 1) icc (Eldridge, Ashby & Kerry 2006)."""
        return 1 + ((self.size_variation**2 + 1) * self.mean_size - 1) * self.icc

    def variance_of_a_mean(self, unit_variance: float) -> float:
        """The variance of one cluster's mean."""
        return unit_variance * self.design_effect / self.mean_size


def power_of_clusters(
    effect: float,
    unit_variance: float,
    clusters: float,
    of: Clusters,
    target: PowerTarget = DEFAULT_TARGET,
) -> float:
    """The chance to detect an effect with so many clusters in all, half of them treated.

    Noncentral t with clusters - 2 degrees of freedom; the normal approximation promises too
    much (0.74 for 0.65 with 12 clusters). Raises InputError.
    """
    require(
        (clusters > 2, f"clusters must be more than 2, not {clusters}"),  # noqa: PLR2004 - two means
        (unit_variance > 0, f"unit_variance must be above 0, not {unit_variance}"),
    )
    shift = abs(effect) / math.sqrt(4 * of.variance_of_a_mean(unit_variance) / clusters)
    df = clusters - 2
    critical = stats.t.isf(target.tail, df)
    return float(stats.nct.sf(critical, df, shift) + stats.nct.sf(critical, df, -shift))


def clusters_needed(
    effect: float, unit_variance: float, of: Clusters, target: PowerTarget = DEFAULT_TARGET
) -> int:
    """The smallest even number of clusters, of both arms, with the target's power. Raises InputError."""
    require(
        (abs(effect) > 0, f"effect must be another number than 0, not {effect}"),
        (unit_variance > 0, f"unit_variance must be above 0, not {unit_variance}"),
    )
    normal = target.reach**2 * 4 * of.variance_of_a_mean(unit_variance) / effect**2
    clusters = max(4, 2 * math.floor(normal / 2))
    while power_of_clusters(effect, unit_variance, clusters, of, target) < target.power:
        clusters += 2
    return clusters


def dunnett_target(target: PowerTarget, *, treatment_per_control: float = 1.0) -> PowerTarget:
    """The target when several treatments share alpha by Dunnett, not by Bonferroni.

    The same tail as one comparison, so `reach` and all that follows from it fit.
    """
    share = treatment_per_control / (1 + treatment_per_control)
    critical = dunnett_critical([share] * target.treatments, target.alpha)
    alpha = 2 * target.treatments * float(special.ndtr(-critical))
    return replace(target, alpha=alpha)


def power_with_guardrails(power: float, guardrails: int) -> float:
    """The power of each of the OEC and its guardrails, so that all succeed together: 1 - b / (G + 1).

    Schultzberg, Ankargren & Frånberg 2024, sec. 4.
    """
    require(
        (0 < power < 1, f"power must lie between 0 and 1, not {power}"),
        (guardrails >= 0, f"guardrails must be 0 or more, not {guardrails}"),
    )
    return 1 - (1 - power) / (guardrails + 1)


@dataclass(frozen=True, slots=True)
class GuardrailBaseline:
    """A guardrail before the experiment and its relative margin."""

    baseline: Baseline
    margin: float


@dataclass(frozen=True, slots=True)
class UnitsNeeded:
    """Control units, and whether the OEC or which guardrail asks for them; None is the OEC."""

    control_units: float
    guardrail: int | None


def units_for_all(
    effect: float,
    oec: Baseline,
    guardrails: Sequence[GuardrailBaseline],
    target: PowerTarget = DEFAULT_TARGET,
    *,
    inflation: float = 1.0,
) -> UnitsNeeded:
    """The units per arm with which OEC and all guardrails succeed together: the largest need.

    inflation: of a sequential plan, for the OEC and the guardrails alike.
    """
    each = replace(target, power=power_with_guardrails(target.power, len(guardrails)))
    needs = [units_per_arm(effect, oec.unit_variance, each)]
    needs += [
        units_per_arm_of_guardrail(g.baseline.value, g.baseline.unit_variance, g.margin, each)
        for g in guardrails
    ]
    largest = int(np.argmax(needs))
    return UnitsNeeded(needs[largest] * inflation, largest - 1 if largest else None)


def accumulate(new_units_by_day: Sequence[float], days: int) -> tuple[float, ...]:
    """Units not seen before by day, carried on beyond history: returning visitors make it concave.

    N(d) = a d^b fitted to the logs of the cumulative history (Heaps' law). Raises InputError.
    """
    history = np.asarray(new_units_by_day, dtype=np.float64)
    require(
        (len(history) >= _FEWEST_DAYS, f"new_units_by_day: at least {_FEWEST_DAYS} days"),
        (bool((history >= 0).all()), "new_units_by_day must be 0 or more"),
        (bool(history[:1].sum() > 0), "new_units_by_day: the first day needs units"),
    )
    day = np.arange(1, len(history) + 1)
    exponent, _ = np.polyfit(np.log(day), np.log(history.cumsum()), 1)
    growth = float(np.clip(exponent, 0.0, 1.0))
    later = np.arange(len(history) + 1, days + 1)
    scale = float(history.sum()) / len(history) ** growth
    more = scale * (later**growth - (later - 1.0) ** growth)
    return (*history.tolist()[:days], *more.tolist())


def days_needed(units: float, new_units_by_day: Sequence[float], *, longest: int = 365) -> int | None:
    """Whole weeks, in days, until so many units have come along the concave curve; None if not in time."""
    found = duration(units, accumulate(new_units_by_day, longest))
    return found.recommended_days if found is not None and found.days <= longest else None
