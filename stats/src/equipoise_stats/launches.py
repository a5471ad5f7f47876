"""What launches were worth together: shrinkage against the winner's curse, and the holdout's word.

Knows the lifts of all experiments tried, launched or not; the losers are part of the evidence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from equipoise_stats.estimates import Estimate, Status, Undefined
from equipoise_stats.faults import require
from equipoise_stats.intervals import Interval, fieller_lift
from equipoise_stats.moments import FloatArray

# A realised share of the promised lift below this asks for the reason.
LEAST_REALISED = 0.7
# So many experiments are needed before their spread says anything.
FEWEST_EXPERIMENTS = 20


@dataclass(frozen=True, slots=True)
class TriedExperiment:
    """A lift with its standard error. exposure_share: of the metric that the change reaches."""

    lift: float
    standard_error: float
    exposure_share: float = 1.0


@dataclass(frozen=True, slots=True)
class Compound:
    """Several lifts on top of one another, prod(1 + r s) - 1, and its standard error."""

    lift: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class Realised:
    """What a holdout saw of what launches promised. ratio: None when nothing was promised.

    gap_z: promised minus seen, in standard errors. falls_short: the ratio is below .7, for which
    interactions, faded novelty or an accumulated slowdown are the usual reasons.
    """

    promised: Compound
    ratio: float | None
    gap: float
    gap_z: float
    falls_short: bool


def spread_of_effects(experiments: Sequence[TriedExperiment]) -> float | Undefined:
    """tau², the variance of true lifts around 0, by moments over all experiments tried.

    max(0, mean(r² - se²)); at least 20 experiments.
    """
    r, se = _columns(experiments)
    if len(r) < FEWEST_EXPERIMENTS:
        return Undefined(Status.TOO_FEW_EXPERIMENTS)
    return max(float(np.mean(r**2 - se**2)), 0.0)


def shrunk_lifts(experiments: Sequence[TriedExperiment], tau2: float) -> tuple[TriedExperiment, ...]:
    """Posterior lifts under N(0, tau²): r tau²/(tau² + se²), immune to having been selected.

    Among winners the plain lifts are too large by (tau² + se²)/tau² on average.
    """
    require((tau2 > 0, f"tau2 must be more than 0, not {tau2}"))
    r, se = _columns(experiments)
    weight = tau2 / (tau2 + se**2)
    posterior = zip(experiments, (r * weight).tolist(), (se * np.sqrt(weight)).tolist(), strict=True)
    return tuple(TriedExperiment(mean, sd, tried.exposure_share) for tried, mean, sd in posterior)


@dataclass(frozen=True, slots=True)
class AdjustedTotal:
    """The sum of launched lifts, its selection bias term by term, and the sum without it."""

    launched: tuple[bool, ...]
    total: float
    bias_terms: tuple[float, ...]
    adjusted: float


def total_without_selection(experiments: Sequence[TriedExperiment], threshold: float) -> AdjustedTotal:
    """Subtract sum_i se_i phi((b se_i - r_i)/se_i) over *all* experiments (Lee & Shen 2018, eq. 4).

    Launched are those with lift/se above `threshold` = b; plug-in r_i, as in the paper.
    """
    r, se = _columns(experiments)
    launched = r / se > threshold
    bias = se * stats.norm.pdf((threshold * se - r) / se)
    total = float(r[launched].sum())
    return AdjustedTotal(tuple(launched.tolist()), total, tuple(bias.tolist()), total - float(bias.sum()))


def compound(launches: Sequence[TriedExperiment]) -> Compound:
    """Lifts multiply: log-additive delta method for the standard error. No launches compound to 0.

    Raises InputError for a lift of -100 % or below.
    """
    r, se = _columns(launches)
    share = np.array([launch.exposure_share for launch in launches], dtype=np.float64)
    require(
        (bool(((share >= 0) & (share <= 1)).all()), "exposure_share lies in 0..1"),
        (bool((1 + r * share > 0).all()), "lifts must lie above -100 %"),
    )
    total = float(np.prod(1 + r * share))
    error = total * math.sqrt(float(np.sum((se * share / (1 + r * share)) ** 2)))
    return Compound(total - 1, error)


def realised(launches: Sequence[TriedExperiment], holdout_lift: float, holdout_error: float) -> Realised:
    """Compare the compound of launches (shrunk ones, for an honest promise) with a holdout's lift."""
    require(
        (math.isfinite(holdout_lift), "holdout_lift must be finite"),
        (holdout_error > 0, f"holdout_error must be more than 0, not {holdout_error}"),
    )
    promised = compound(launches)
    gap = promised.lift - holdout_lift
    ratio = holdout_lift / promised.lift if promised.lift > 0 else None
    z = gap / math.hypot(promised.standard_error, holdout_error)
    return Realised(promised, ratio, gap, z, ratio is not None and ratio < LEAST_REALISED)


def holdout_lift(
    shipped: Estimate, held_out: Estimate, *, critical: float, alpha: float = 0.05
) -> Interval | Undefined:
    """The lift of all units that got everything over the few that were held out.

    Against all of them, not an equal slice: 5 % against 95 % has half the variance of 5 % against 5 %.
    """
    return fieller_lift(shipped, held_out, critical=critical, alpha=alpha)


def holdout_variance(unit_variance: float, units: float, held_out_share: float) -> float:
    """The variance of the effect measured by a holdout: s² (1/h + 1/(1 - h)) / units."""
    require(
        (0 < held_out_share < 1, "held_out_share lies between 0 and 1"),
        (units > 0, "units: more than 0"),
        (unit_variance >= 0, "unit_variance: 0 or more"),
    )
    return unit_variance * (1 / held_out_share + 1 / (1 - held_out_share)) / units


def _columns(experiments: Sequence[TriedExperiment]) -> tuple[FloatArray, FloatArray]:
    r = np.array([e.lift for e in experiments], dtype=np.float64)
    se = np.array([e.standard_error for e in experiments], dtype=np.float64)
    require(
        (bool(np.isfinite(r).all()), "lifts must be finite"),
        (bool((np.isfinite(se) & (se > 0)).all()), "standard errors must be more than 0"),
    )
    return r, se
