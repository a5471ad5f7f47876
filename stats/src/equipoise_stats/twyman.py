"""Too good, or too odd, to be true: checks of results and data beyond the split of units.

Each answers a QualityCheck. `quality` holds the checks that gate every analysis; these ask for
history, attributes or days, and answer UNKNOWN when those are not there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import special, stats

from equipoise_stats.estimates import Estimate
from equipoise_stats.faults import require
from equipoise_stats.intervals import Interval, known, unusable
from equipoise_stats.quality import CheckName, Outcome, QualityCheck
from equipoise_stats.sequences import SMALLEST_P

# |z| of a pre-period A/A and of complements: p < .001.
PRE_PERIOD_Z = 3.3
PREDICTIVE_Z = 4.0
DAILY_Z = 5.0
ODD_BELOW = 0.001
VARIANCE_RATIO = 2.0
NULL_COMPARISONS = 200
NULL_SHARE_JUMP = 0.1
DUPLICATE_SHARE = 0.01
UNEQUAL_SHARE = 0.25
# n should exceed 355 skewness² for a 95 % interval (Kohavi et al. 2014, rule 7).
_SKEW_RULE = 355.0


def surprise(
    lift: float, standard_error: float, past_sd: float, *, acknowledged: bool = False
) -> QualityCheck:
    """Twyman's law: is the lift beyond all that this metric has ever done? BLOCK until acknowledged.

    |z| = lift / sqrt(se² + tau²) against 4; past_sd: tau, of true past lifts.
    """
    require((standard_error > 0, "standard_error: more than 0"), (past_sd >= 0, "past_sd: 0 or more"))
    z = abs(lift) / math.hypot(standard_error, past_sd)
    too_good = Outcome.WARN if acknowledged else Outcome.BLOCK
    return _check(CheckName.SURPRISE, z, PREDICTIVE_Z, too_good)


def pre_period_balance(treatment: Estimate, control: Estimate) -> QualityCheck:
    """The same metric before exposure cannot have an effect."""
    return _check(CheckName.PRE_PERIOD, _abs_z(treatment, control), PRE_PERIOD_Z)


def variance_ratio(treatment: Estimate, control: Estimate) -> QualityCheck:
    """The larger unit variance over the smaller: an outlier, a bot, or a real change of spread."""
    ratio = None
    if unusable(treatment, control) is None:
        pair = known(treatment.unit_variance), known(control.unit_variance)
        ratio = max(pair) / min(pair)
    return _check(CheckName.VARIANCE_RATIO, ratio, VARIANCE_RATIO)


def differs_between_arms(name: CheckName, affected: Sequence[int], units: Sequence[int]) -> QualityCheck:
    """Do arms lose units in the join, or hold bots, at different rates? Chi-squared, p < .001 warns.

    affected of units, by arm. name: JOIN_LOSS or BOT_SHARE.
    """
    require(
        (len(affected) == len(units) >= 2, "give affected and units of at least two arms"),  # noqa: PLR2004
        (all(0 <= a <= u for a, u in zip(affected, units, strict=False)), "affected lies in 0..units"),
    )
    table = np.array([affected, [u - a for a, u in zip(affected, units, strict=True)]], dtype=np.float64)
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:  # noqa: PLR2004 - one arm cannot differ
        return _below(name, None)
    if float(table.sum(axis=1).min()) == 0:
        return _below(name, 1.0)
    return _below(name, float(stats.chi2_contingency(table, correction=False).pvalue))


def duplicate_exposures(duplicates: int, exposures: int) -> QualityCheck:
    """The share of exposures that repeat an earlier one: harmless, but a sign of a broken sender."""
    share = duplicates / exposures if exposures > 0 else None
    return _check(CheckName.DUPLICATE_EXPOSURES, share, DUPLICATE_SHARE)


def null_share_jump(share: float | None, share_before: float | None) -> QualityCheck:
    """How far the share of units without a value moved since the period before."""
    missing = share is None or share_before is None
    jump = None if missing else abs(known(share) - known(share_before))
    return _check(CheckName.NULL_SHARE, jump, NULL_SHARE_JUMP)


def constant_metric(estimates: Mapping[str, Estimate]) -> QualityCheck:
    """A metric without any variance in some arm measures nothing: how many arms are so."""
    known_arms = [e for e in estimates.values() if e.n > 1]
    flat = sum(e.variance is None for e in known_arms) if known_arms else None
    return _check(CheckName.CONSTANT_METRIC, flat, 0)


def odd_days(effects: Sequence[float], standard_errors: Sequence[float]) -> QualityCheck:
    """The largest |z| of a day's effect against the mean of the other days: beyond 5 warns."""
    e, se = np.asarray(effects, dtype=np.float64), np.asarray(standard_errors, dtype=np.float64)
    require(
        (e.shape == se.shape and e.ndim == 1, "give one standard error per day"),
        (bool((se > 0).all()), "standard errors: more than 0"),
    )
    if len(e) < 2:  # noqa: PLR2004 - one day has no others
        return _check(CheckName.ODD_DAY, None, DAILY_Z)
    weights = 1 / se**2
    others = weights.sum() - weights
    means = (np.sum(weights * e) - weights * e) / others
    z = np.abs(e - means) / np.sqrt(se**2 + 1 / others)
    return _check(CheckName.ODD_DAY, float(z.max()), DAILY_Z)


def null_p_values(p_values: Sequence[float]) -> QualityCheck:
    """Are the p-values of the last 200 null comparisons uniform? If not, the fault is ours: BLOCK.

    Kolmogorov-Smirnov, p < .001.
    """
    require((all(0 <= p <= 1 for p in p_values), "p-values lie in 0..1"))
    last = p_values[-NULL_COMPARISONS:]
    p = float(stats.kstest(last, "uniform").pvalue) if len(last) == NULL_COMPARISONS else None
    return _below(CheckName.NULL_P_VALUES, p, bad=Outcome.BLOCK)


def stationarity(sequence: Sequence[Interval]) -> QualityCheck:
    """Do a confidence sequence's intervals still share a point? value: how far they miss one another.

    All looks together hold the effect; when none can, the effect moved under them.
    """
    if not sequence:
        return _check(CheckName.STATIONARITY, None, 0)
    gap = max(i.lower for i in sequence) - min(i.upper for i in sequence)
    return _check(CheckName.STATIONARITY, max(gap, 0.0), 0)


def skew_of_split(treatment: Estimate, control: Estimate) -> QualityCheck:
    """Is the smaller arm of an unequal split large enough for a skewed metric? value: units over need.

    A metric of 0 or more has a skewness of at least cv - 1/cv; an arm needs 355 times its square.
    With equal arms skewness cancels; with 1 % against 99 % one tail errs up to 20 %. WARN below 1.
    """
    name, arms = CheckName.SKEWED_SPLIT, (treatment, control)
    if unusable(*arms) is not None or known(control.value) <= 0:
        return QualityCheck(name, Outcome.UNKNOWN, None, 1.0)
    spread = math.sqrt(known(control.unit_variance)) / known(control.value)
    skew = max(spread - 1 / spread, 0.0)
    units = min(arm.n for arm in arms)
    if skew == 0 or units >= UNEQUAL_SHARE * sum(arm.n for arm in arms):
        return QualityCheck(name, Outcome.PASS, None, 1.0)
    ratio = units / (_SKEW_RULE * skew**2)
    return QualityCheck(name, Outcome.WARN if ratio < 1 else Outcome.PASS, ratio, 1.0)


def _abs_z(treatment: Estimate, control: Estimate) -> float | None:
    if unusable(treatment, control) is not None:
        return None
    spread = known(treatment.variance) + known(control.variance)
    return abs(known(treatment.value) - known(control.value)) / math.sqrt(spread)


def two_sided_p(z: float) -> float:
    """The normal two-sided p-value of a check's z."""
    return min(max(2 * float(special.ndtr(-abs(z))), SMALLEST_P), 1.0)


def _check(name: CheckName, value: float | None, most: float, bad: Outcome = Outcome.WARN) -> QualityCheck:
    """UNKNOWN without a value, `bad` above the threshold."""
    if value is None:
        return QualityCheck(name, Outcome.UNKNOWN, None, most)
    return QualityCheck(name, bad if value > most else Outcome.PASS, value, most)


def _below(name: CheckName, p: float | None, bad: Outcome = Outcome.WARN) -> QualityCheck:
    """The same for p-values, where small is bad."""
    if p is None:
        return QualityCheck(name, Outcome.UNKNOWN, None, ODD_BELOW)
    return QualityCheck(name, bad if p < ODD_BELOW else Outcome.PASS, p, ODD_BELOW)
