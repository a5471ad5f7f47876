"""An OEC of several metrics: one weighted sum with the covariance that they share.

Metrics of the same units move together; taking them as independent misstates the error either
way. Guardrails have no weight here: harm cannot be bought with gain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from equipoise_stats.estimates import Estimate, Status, Undefined
from equipoise_stats.faults import require
from equipoise_stats.intervals import Interval
from equipoise_stats.moments import FloatArray, Moments
from equipoise_stats.quantities import Quantity, Tangent, estimate_of, tangent


class Scale(StrEnum):
    """Effects as lifts, in control standard deviations of a unit, or in the metric's own unit."""

    RELATIVE = "relative"
    STANDARDISED = "standardised"
    ABSOLUTE = "absolute"


@dataclass(frozen=True, slots=True)
class Component:
    """One metric of the OEC with its weight; negative where less is better."""

    quantity: Quantity
    weight: float


@dataclass(frozen=True, slots=True, eq=False)
class Composite:
    """The OEC's effect.

    effects: (q,) on the chosen scale. covariance: (q, q) of those. effect: their weighted sum.
    sensitivity: see `sensitivity`.
    """

    effect: Interval
    standard_error: float
    effects: FloatArray
    covariance: FloatArray


def composite_effect(
    treatment: Moments,
    control: Moments,
    components: Sequence[Component],
    *,
    critical: float,
    scale: Scale = Scale.RELATIVE,
    alpha: float = 0.05,
) -> Composite | Undefined:
    """sum_j w_j (mTj/mCj - 1), or standardised, or absolute; Var = J S J' over both arms.

    critical: t, z, a group-sequential bound or a sequence's multiplier. Relative weights need
    positive control values. The control's standard deviation counts as known when standardised.
    """
    _check(components)
    quantities = [component.quantity for component in components]
    reason = _unusable(treatment, control, quantities, scale)
    if reason is not None:
        return Undefined(reason)
    t, c = (tangent(arm.names, arm.means, quantities) for arm in (treatment, control))
    spread_t = t.covariance(treatment) / treatment.n
    unit_c = c.covariance(control)
    divisor = _divisor(c, unit_c, scale)
    # A lift also feels the noise of its own denominator.
    pull = t.values / c.values if scale is Scale.RELATIVE else np.ones(len(quantities))
    effects = (t.values - c.values) / divisor
    covariance = (spread_t + unit_c / control.n * np.outer(pull, pull)) / np.outer(divisor, divisor)
    weights = np.array([component.weight for component in components], dtype=np.float64)
    value, error = float(weights @ effects), math.sqrt(float(weights @ covariance @ weights))
    reach = critical * error
    return Composite(Interval(value, value - reach, value + reach, 1 - alpha), error, effects, covariance)


def composite_arms(
    treatment: Moments, control: Moments, components: Sequence[Component]
) -> tuple[Estimate, Estimate]:
    """Both arms as one index, sum_j w_j m_j / mC_j: their difference is the relative composite.

    The control's variance carries what its own means, the scale of the index, bring; so the two
    variances add up to those of `composite_effect`. Without a scale both have the reason instead.
    """
    _check(components)
    quantities = [component.quantity for component in components]
    reason = _unusable(treatment, control, quantities, Scale.RELATIVE)
    if reason is not None:
        return Estimate(treatment.n, None, None, None, reason), Estimate(control.n, None, None, None, reason)
    t, c = (tangent(arm.names, arm.means, quantities) for arm in (treatment, control))
    weights = np.array([component.weight for component in components], dtype=np.float64)
    plain, pulled = weights / c.values, weights * t.values / c.values**2
    return (
        _index(treatment, float(plain @ t.values), float(plain @ t.covariance(treatment) @ plain)),
        _index(control, float(weights.sum()), float(pulled @ c.covariance(control) @ pulled)),
    )


def _index(arm: Moments, value: float, unit_variance: float) -> Estimate:
    if unit_variance <= 0:
        return Estimate(arm.n, value, None, None, Status.ZERO_VARIANCE)
    return Estimate(arm.n, value, unit_variance / arm.n, unit_variance, Status.OK)


def sensitivity(
    found: Composite,
    components: Sequence[Component],
    *,
    critical: float,
    rng: np.random.Generator,
    draws: int = 1000,
    wobble: float = 0.25,
) -> float:
    """The share of other weights, each off by about `wobble`, that lead to the same decision.

    Weights are drawn from a Dirichlet around those of the plan, signs kept. The decision is
    which side of 0 the interval lies on, if any. Far below 1 means: the weights decide, not the data.
    """
    _check(components)
    require(
        (draws >= 1, "draws: at least 1"),
        (0 < wobble < 1, f"wobble lies between 0 and 1, not {wobble}"),
        (len(components) == len(found.effects), "components must be those of the composite"),
    )
    weights = np.array([component.weight for component in components], dtype=np.float64)
    size = np.abs(weights)
    share = size / size.sum()
    # Var(w_j)/w_j² of a Dirichlet is (1 - p_j)/(p_j (k + 1)); k + 1 makes their mean wobble².
    concentration = float(np.mean((1 - share) / share)) / wobble**2 - 1
    if len(share) == 1 or concentration <= 0:
        return 1.0
    drawn = rng.dirichlet(concentration * share, draws) * size.sum() * np.sign(weights)
    errors = np.sqrt(np.einsum("di,ij,dj->d", drawn, found.covariance, drawn))
    sides = _side(drawn @ found.effects, errors, critical)
    own = _side(np.array([found.effect.value]), np.array([found.standard_error]), critical)
    return float(np.mean(sides == own))


def _side(effects: FloatArray, errors: FloatArray, critical: float) -> FloatArray:
    return np.asarray(np.sign(effects) * (np.abs(effects) > critical * errors), dtype=np.float64)


def _divisor(control: Tangent, unit_covariance: FloatArray, scale: Scale) -> FloatArray:
    if scale is Scale.RELATIVE:
        return control.values
    if scale is Scale.STANDARDISED:
        return np.asarray(np.sqrt(np.diagonal(unit_covariance)), dtype=np.float64)
    return np.ones(len(control.values))


def _unusable(
    treatment: Moments, control: Moments, quantities: Sequence[Quantity], scale: Scale
) -> Status | None:
    for quantity in quantities:
        t, c = estimate_of(treatment, quantity), estimate_of(control, quantity)
        for estimate in (c, t):
            if estimate.status is not Status.OK:
                return estimate.status
        if scale is Scale.RELATIVE and c.value is not None and c.value <= 0:
            return Status.ZERO_CONTROL if c.value == 0 else Status.NEGATIVE_CONTROL
    return None


def _check(components: Sequence[Component]) -> None:
    quantities = [component.quantity for component in components]
    require(
        (len(components) > 0, "components: at least one"),
        (len(set(quantities)) == len(quantities), "components: each metric only once"),
        (all(math.isfinite(c.weight) and c.weight != 0 for c in components), "weights are finite and not 0"),
    )
